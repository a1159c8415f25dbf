package engine_test

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
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
	all = append(all, leak())
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
		answers("heartbeat: no permission", true, failed, 10, kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: "the sink's", Err: kerr.GroupAuthorizationFailed}, string(diag.BrokerRefused), "`ill`"),
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
		{"converter.configure", true, failed, "Configure of", false},
		{"converter.append", false, failed, "a converter of", true},
		{"converter.read", false, failed, "a converter of", true},
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
		sink := strings.HasPrefix(c.call, "sink") || c.call == "converter.read"
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
		panics.state, panics.logs = c.state, `panic="out of order" stack="goroutine`
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

// leak is what a task leaves running: it goes on asking the host of a task that has ended. The suite of
// [plugintest.Source] finds such plugins, and those that keep records; a worker can only keep them from doing harm.
func leak() *fault {
	f := &fault{name: "a plugin leaves a goroutine behind", state: store.StateRunning, lasts: 30 * time.Second}
	var end, ended chan struct{} // of the bubble
	f.strike = func(w *ward) {
		end, ended = make(chan struct{}), make(chan struct{})
		w.ill.mu.Lock()
		h := w.ill.hosts[0]
		w.ill.mu.Unlock()
		f.restart(w)
		w.await("the next task", func(engine.View) bool {
			w.ill.mu.Lock()
			defer w.ill.mu.Unlock()
			return len(w.ill.hosts) == 2
		})
		go func() {
			defer close(ended)
			for {
				h.Fail(errors.New("who, me?"))
				h.Reconfigure()
				h.Logger().Info("still here")
				select {
				case <-end:
					return
				case <-time.After(tick):
				}
			}
		}()
	}
	f.cure = func(*ward) {
		close(end)
		<-ended
	}
	f.logs = "still here"
	return f
}

// TestPluginThatPanicsOrHangsWhenAskedAboutItsSettings: the change is refused, and what runs goes on.
func TestPluginThatPanicsOrHangsWhenAskedAboutItsSettings(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"source.validate", "source.make", "sink.validate", "sink.make", "transform.configure", "converter.configure"} {
		for how, does := range map[string]func(w *ward) error{
			"panic":    func(*ward) error { panic("out of order") },
			"answered": func(w *ward) error { <-w.release; return nil },
		} {
			t.Run(call+" "+how, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := admit(t, &fault{})
					began := time.Now()
					w.ill.trouble.set(call, func() error { return does(w) })
					_, found := graph.Compile(w.declared, w.Worker, w.Registry)
					if len(found) == 0 || found[0].Code != diag.Internal || !strings.Contains(found[0].Detail, how) {
						t.Errorf("got %v, want %s that says %q", found, diag.Internal, how)
					}
					w.ill.trouble.set("", nil)
					before := w.ill.last()
					w.await("the ill line to move", func(engine.View) bool { return w.ill.last() > before+5 })
					w.halt()
					for _, l := range []*line{w.well, w.ill} {
						if gap := l.gap(began, l.all()[len(l.all())-1].at); gap > noticed {
							t.Errorf("%s had nothing for %s", l.name, gap)
						}
						l.complete(t, false)
					}
				})
			})
		}
	}
}

// TestWorkerEndsAlthoughPluginsHang: a shutdown takes no longer than the stop budgets of connectors and tasks.
func TestWorkerEndsAlthoughPluginsHang(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"source.stop", "source task.poll", "source task.stop", "sink.stop", "sink task.put", "sink task.stop"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := admit(t, &fault{})
				w.ill.trouble.set(call, func() error { <-w.release; return nil })
				if !strings.HasSuffix(call, ".stop") {
					w.await("the call", func(engine.View) bool { return w.ill.trouble.came() })
				}
				asked := time.Now()
				w.halt()
				if took := time.Since(asked); took > w.Worker.StopTimeout+time.Second {
					t.Errorf("the end took %s", took)
				}
				if !strings.Contains(w.said.String(), "abandoned") {
					t.Error("the log does not say that anything was abandoned")
				}
				w.well.complete(t, false)
			})
		})
	}
}

// TestMemoryIsBounded: a sink that does not get on, and a source whose broker takes nothing, hold little, whatever waits
// before them (it does not run beside other tests, whose memory it would measure).
func TestMemoryIsBounded(t *testing.T) { //nolint:paralleltest // see above
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	const topicSize = 64 << 20
	t.Run("slow sink", func(t *testing.T) { //nolint:paralleltest // see above
		synctest.Test(t, func(t *testing.T) {
			w := admit(t, &fault{})
			w.target(config.Paused)
			next := w.ill.last() + 1
			for n := range topicSize / large {
				w.kafka.Produce("ill", &kgo.Record{Key: make([]byte, large), Value: []byte(strconv.Itoa(next + n))})
			}
			before, struck := heap(), time.Now()
			held := make(chan struct{})
			w.ill.trouble.set("sink task.put", func() error { <-held; return nil })
			w.target(config.Started)
			w.await("a put", func(engine.View) bool { return w.ill.trouble.came() })
			rest(time.Minute)
			if grown := heap() - before; grown > topicSize/4 {
				t.Errorf("the sink holds %d MB", grown>>20)
			}
			w.ill.trouble.set("", nil)
			close(held)
			w.await("all of the topic", func(engine.View) bool { return w.ill.last() >= next+topicSize/large-1 })
			if gap := w.well.gap(struck, time.Now()); gap > noticed {
				t.Errorf("the neighbour had nothing for %s", gap)
			}
			w.halt()
		})
	})
	t.Run("fast source", func(t *testing.T) { //nolint:paralleltest // see above
		synctest.Test(t, func(t *testing.T) {
			w := admit(t, &fault{})
			before, struck := heap(), time.Now()
			stuck := w.kafka.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "ill", Err: kerr.NotEnoughReplicas, Count: -1})
			w.ill.set(true)
			rest(time.Minute)
			grown := heap() - before
			t.Logf("a source whose broker takes nothing holds %d MB", grown>>20)
			if grown > topicSize {
				t.Errorf("the source holds %d MB", grown>>20)
			}
			w.ill.set(false)
			stuck.Remove()
			before = int64(w.ill.last())
			w.await("the ill line to move", func(engine.View) bool { return w.ill.last() > int(before)+5 })
			if gap := w.well.gap(struck, time.Now()); gap > noticed {
				t.Errorf("the neighbour had nothing for %s", gap)
			}
			w.halt()
			w.ill.complete(t, false)
		})
	})
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// target pauses or resumes the ill line's sink; its source stays paused.
func (w *ward) target(to config.Target) {
	w.t.Helper()
	for _, name := range []string{w.ill.in(), w.ill.out} {
		if to == config.Started && name != w.ill.out {
			continue
		}
		if err := w.SetTarget(w.t.Context(), name, to); err != nil {
			w.t.Fatal(err)
		}
	}
	w.await("the state", func(v engine.View) bool {
		p := v.Pipelines[1]
		return to == config.Started || p.Tasks[0].State == store.StatePaused && v.Pipelines[0].Tasks[0].State == store.StatePaused
	})
}
