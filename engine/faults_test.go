package engine_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/store"
)

// fault is something that goes wrong with one pipeline of a worker.
type fault struct {
	name       string
	sink       bool     // it is the sink that falls ill, not the source
	properties []string // of the ill line's pipelines
	attempts   int      // to heal that the fault leaves room for; 0: a failed one waits for a person
	precommits bool     // of the sink

	strike func(w *ward)
	state  store.State   // of what falls ill, a task or its connector
	says   []string      // in the words of its status; none: it says nothing
	lasts  time.Duration // from when it shows
	cure   func(w *ward)
	logs   string // what the log says of it
	again  bool   // records may come again
	shared bool   // the neighbour has to do with what is broken, too
}

// TestFaults lets every fault strike a pipeline in a worker where another one runs. Each time the status says what is
// documented; once the cause is gone it heals by itself, or, where healing is off or no cure, when a person restarts it;
// no record is lost; and the neighbour's records flow on without a gap.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, f.run)
		})
	}
}

func (f *fault) run(t *testing.T) {
	w := admit(t, f)
	struck := time.Now()
	f.strike(w)
	w.await("the fault in the status", f.shown)
	rest(f.lasts)
	w.await("the fault still in the status", f.shown)
	before := w.ill.last()
	f.cure(w)
	if f.state == store.StateFailed && f.attempts == 0 {
		rest(time.Minute) // it does not heal by itself
		w.await("the failure still in the status", f.shown)
		f.restart(w)
	}
	w.await("the ill line to move again", func(v engine.View) bool {
		return w.ill.last() > before+5 && f.status(v).State == store.StateRunning && f.status(v).Trace == ""
	})
	rest(5 * time.Second)
	ended := time.Now()
	w.halt()
	if f.logs != "" && !strings.Contains(w.said.String(), f.logs) {
		t.Errorf("the log does not say %q", f.logs)
	}
	if gap := w.well.gap(struck, ended); gap > noticed && !f.shared {
		t.Errorf("the neighbour had nothing for %s", gap)
	}
	w.well.complete(t, f.shared)
	w.ill.complete(t, f.again)
	if t.Failed() {
		t.Logf("the worker said:\n%s", w.said)
	}
}

func (f *fault) pipeline(w *ward) string {
	if f.sink {
		return w.ill.out
	}
	return w.ill.in()
}

// status is that of the task of what falls ill, or of its connector unless that runs.
func (f *fault) status(v engine.View) engine.TaskView {
	for _, p := range v.Pipelines {
		switch {
		case !strings.HasPrefix(p.Name, "ill-") || strings.HasPrefix(p.Name, "ill-out") != f.sink:
		case p.State != store.StateRunning || len(p.Tasks) == 0:
			return engine.TaskView{State: p.State, Trace: p.Trace}
		default:
			return p.Tasks[0]
		}
	}
	return engine.TaskView{}
}

func (f *fault) shown(v engine.View) bool {
	is := f.status(v)
	for _, text := range f.says {
		if !strings.Contains(is.Trace, text) {
			return false
		}
	}
	return is.State == f.state && (is.Trace == "") == (len(f.says) == 0)
}

func faults() []*fault {
	var all []*fault
	all = append(all, networkFaults()...)
	all = append(all, brokerFaults()...)
	all = append(all, diskFaults()...)
	all = append(all, pluginFaults()...)
	return all
}

// networkFaults: clients wait for a broker as long as it takes.
func networkFaults() []*fault {
	var all []*fault
	for how, n := range map[string]struct {
		mute bool
		says string
	}{"refuses": {false, "Nothing listens at 127.0.0.1:9093"}, "is silent": {true, "does not answer in time"}} {
		for _, sink := range []bool{false, true} {
			side := map[bool]string{false: ", told by the source", true: ", told by the sink"}[sink]
			all = append(all,
				&fault{
					name: "a broker " + how + side, sink: sink, state: store.StateRunning, says: []string{string(diag.KafkaDown), n.says}, lasts: time.Minute, again: true,
					strike: func(w *ward) { w.net.sever(":9093", n.mute) }, cure: func(w *ward) { w.net.mend() },
				},
				&fault{
					name: "the cluster " + how + side, sink: sink, state: store.StateRunning, says: []string{string(diag.KafkaDown)}, lasts: time.Minute, again: true, shared: true,
					strike: func(w *ward) { w.net.sever(":", n.mute) }, cure: func(w *ward) { w.net.mend() },
				},
			)
		}
	}
	return all
}

// brokerFaults are errors that a broker answers with.
func brokerFaults() []*fault {
	answers := func(name string, sink bool, state store.State, attempts int, by kfake.Fault, says ...string) *fault {
		var handle *kfake.FaultHandle
		by.Count = -1
		return &fault{
			name: name, sink: sink, state: state, attempts: attempts, says: says, lasts: 30 * time.Second, again: sink,
			strike: func(w *ward) {
				if by.Group != "" {
					by.Group = "connect-" + w.ill.out
				}
				handle = w.kafka.Fake().Fault(by)
				w.await("the fault to strike", func(engine.View) bool { return handle.Hits() > 0 })
			},
			cure: func(*ward) { handle.Remove() },
		}
	}
	produce := func(err *kerr.Error) kfake.Fault {
		return kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "ill", Err: err}
	}
	fetch := func(err *kerr.Error) kfake.Fault {
		return kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "ill", Err: err}
	}
	commit := func(err *kerr.Error) kfake.Fault {
		return kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "the sink's", Err: err}
	}
	const running, failed = store.StateRunning, store.StateFailed
	return []*fault{
		answers("produce: what passes", false, running, 0, produce(kerr.NotEnoughReplicas)),
		answers("produce: leader elsewhere", false, running, 0, produce(kerr.NotLeaderForPartition)),
		answers("produce: what does not pass", false, failed, 10, produce(kerr.PolicyViolation), "write to topic ill", "POLICY_VIOLATION"),
		answers("produce: what does not pass, healing off", false, failed, 0, produce(kerr.PolicyViolation), "POLICY_VIOLATION"),
		answers("produce: a record too large", false, failed, 0, produce(kerr.MessageTooLarge), string(diag.BrokerRefused), "`ill`", "max.message.bytes"),
		answers("produce: no permission", false, failed, 10, produce(kerr.TopicAuthorizationFailed), string(diag.BrokerRefused), "`ill`"),
		answers("fetch: what passes", true, running, 0, fetch(kerr.NotLeaderForPartition)),
		answers("fetch: a broker's own error", true, running, 0, fetch(kerr.UnknownServerError), "read topic ill", "UNKNOWN_SERVER_ERROR"),
		answers("fetch: no permission", true, failed, 10, fetch(kerr.TopicAuthorizationFailed), string(diag.BrokerRefused), "`ill`"),
		answers("commit: what passes", true, running, 0, commit(kerr.CoordinatorNotAvailable)),
		answers("commit: refused", true, running, 0, commit(kerr.GroupAuthorizationFailed)),
		answers("heartbeat: expelled from the group", true, running, 0, kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: "the sink's", Err: kerr.UnknownMemberID}),
	}
}

// diskFaults: neither offsets nor a sink's records find room.
func diskFaults() []*fault {
	full := fmt.Errorf("write: %w", syscall.ENOSPC)
	return []*fault{
		{
			name: "full disk of the offsets", state: store.StateRunning, says: []string{string(diag.DiskFull)}, lasts: time.Minute,
			strike: func(w *ward) { w.store.refuse(full) }, cure: func(w *ward) { w.store.refuse(nil) },
		},
		{
			name: "full disk of a sink", sink: true, attempts: 10, state: store.StateFailed, says: []string{"no space left on device"}, lasts: time.Minute, again: true,
			strike: func(w *ward) { w.ill.trouble.set("sink task.put", func() error { return full }) },
			cure:   func(w *ward) { w.ill.trouble.set("", nil) },
		},
	}
}

// pluginFaults: a plugin panics in each call of the contract, and hangs in each.
func pluginFaults() []*fault {
	const running, failed = store.StateRunning, store.StateFailed
	var all []*fault
	for _, c := range []struct {
		call  string
		start bool        // comes at a start or a stop only
		state store.State // of a task, or a connector, whose plugin has panicked
		says  string      // of the panic
		heals bool
	}{
		{"source.make", true, failed, "its constructor", true},
		{"source.start", true, failed, "Start of", true},
		{"source.tasks", true, failed, "Tasks of", true},
		{"source.stop", true, running, "", true},
		{"source.new", true, failed, "NewTask of", true},
		{"source task.start", true, failed, "Start of", true},
		{"source task.poll", false, failed, "Poll of", true},
		{"source task.committed", false, running, "", true},
		{"source task.stop", true, running, "", true},
		{"transform.configure", true, failed, "Configure of", false},
		{"transform.apply", false, failed, "transform t of", true},
		{"sink.make", true, failed, "its constructor", true},
		{"sink.start", true, failed, "Start of", true},
		{"sink.tasks", true, failed, "Tasks of", true},
		{"sink.stop", true, running, "", true},
		{"sink.new", true, failed, "NewTask of", true},
		{"sink task.start", true, failed, "Start of", true},
		{"sink task.open", true, failed, "Open of", true},
		{"sink task.put", false, failed, "Put of", true},
		{"sink task.flush", false, running, "", true},
		{"sink task.precommit", false, running, "", true},
		{"sink task.close", true, running, "", true},
		{"sink task.stop", true, running, "", true},
	} {
		sink := strings.HasPrefix(c.call, "sink")
		breaks := func(name string, do func(w *ward) error) *fault {
			f := &fault{name: c.call + " " + name, sink: sink, precommits: strings.Contains(c.call, "precommit"), lasts: 30 * time.Second, again: true, state: running}
			f.strike = func(w *ward) {
				w.ill.trouble.set(c.call, func() error { return do(w) })
				if c.start {
					f.restart(w)
				}
				w.await("the call", func(engine.View) bool { return w.ill.trouble.came() })
			}
			f.cure = func(w *ward) { w.ill.trouble.set("", nil) }
			return f
		}
		panics := breaks("panics", func(*ward) error { panic("out of order") })
		panics.state, panics.logs = c.state, "out of order"
		if c.heals {
			panics.attempts = 10
		}
		if c.says != "" {
			panics.says = []string{string(diag.Internal), c.says, "out of order"}
		}
		hangs := breaks("hangs", func(w *ward) error { <-w.release; return nil })
		hangs.logs = "abandoned"
		if strings.HasSuffix(c.call, "make") || strings.HasSuffix(c.call, "start") || strings.HasSuffix(c.call, "new") || strings.HasSuffix(c.call, "configure") {
			hangs.state = store.StateRestarting // the start has not ended
		}
		hangs.cure = func(w *ward) {
			w.ill.trouble.set("", nil)
			hangs.restart(w)
		}
		all = append(all, panics, hangs)
	}
	return all
}

// restart is what a person does.
func (f *fault) restart(w *ward) {
	w.t.Helper()
	if err := w.Restart(w.t.Context(), f.pipeline(w), true, []int{0}); err != nil {
		w.t.Fatal(err)
	}
}
