package compat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

// connectors of each kind in the takeover, and topics that they share.
const (
	half   = 50
	shared = 5
)

// takeover is a cluster of file connectors that changes hands.
type takeover struct {
	*testing.T
	installation
	c     *kafkatest.Cluster
	dir   string
	lines int // written so far to each source's file and each sink's topic
}

// TestTakeover stops a genuine cluster of a hundred file connectors, starts ours on the very same file, and hands the topics
// back: each finds the connectors, states and offsets that the other left, and every source and sink goes on.
func TestTakeover(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	k := &takeover{T: t, installation: install(t, c), c: c, dir: t.TempDir()}
	for i := range shared {
		c.CreateTopic(fmt.Sprint("out", i), 1, nil)
		c.CreateTopic(fmt.Sprint("in", i), 1, nil)
	}
	k.write(10)
	java := k.java()
	java.healthy(k.genuine)
	k.create()
	k.delivered("a Java worker, of what was there", 0)
	k.refused(java)
	before := k.stored("the Java worker's")

	k.write(10) // on its way when the worker stops
	java.stop()
	k.write(10)
	ours := k.engine()
	ours.healthy(k.genuine)
	k.same("what our worker has", before, k.stored("our worker's"))
	k.delivered("our worker, of what came in between", 10)
	k.write(10)
	k.delivered("our worker, of what came afterwards", 10)
	k.cannotJoin(ours)

	k.change()
	before = k.stored("our worker's")
	ours.stop()
	k.write(10)
	java = k.java()
	java.healthy(k.genuine)
	k.same("what the Java worker has again", before, k.stored("the second Java worker's"))
	k.delivered("the Java worker again", 20)
	k.skipped(java)
	java.stop()
}

// name is that of the i-th connector: sources first.
func (k *takeover) name(i int) string {
	if i < half {
		return k.c.Name(fmt.Sprint("source-", i))
	}
	return k.c.Name(fmt.Sprint("sink-", i-half))
}

// What the exceptions are. The failed one writes into a folder that does not exist yet.
const (
	paused  = 7
	stopped = 8
	failed  = half + 9
	deleted = 1
)

func (k *takeover) config(i int) map[string]string {
	if i < half {
		return map[string]string{
			"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
			"file": filepath.Join(k.dir, fmt.Sprint("in-", i)), "topic": k.c.Name(fmt.Sprint("out", i%shared)),
		}
	}
	return map[string]string{
		"connector.class": "FileStreamSink", "tasks.max": "1", "file": k.sinkFile(i), "topics": k.c.Name(fmt.Sprint("in", i%shared)),
	}
}

func (k *takeover) sinkFile(i int) string {
	if i == failed {
		return filepath.Join(k.dir, "missing", "out")
	}
	return filepath.Join(k.dir, fmt.Sprint("out-", i))
}

// write adds so many lines to each source's file, and records to each sink's topic.
func (k *takeover) write(n int) {
	k.Helper()
	for i := range half {
		var text strings.Builder
		for line := range n {
			fmt.Fprintf(&text, "s%d line %d\n", i, k.lines+line)
		}
		f, err := os.OpenFile(k.config(i)["file"], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString(text.String())
		}
		if err = errors.Join(err, f.Close()); err != nil {
			k.Fatal(err)
		}
	}
	for i := range shared {
		records := make([]*kgo.Record, n)
		for line := range records {
			records[line] = &kgo.Record{Value: fmt.Appendf(nil, "line %d", k.lines+line)}
		}
		k.c.Produce(fmt.Sprint("in", i), records...)
	}
	k.lines += n
}

// create makes all of them, as many at a time as a client would, and then the exceptions.
func (k *takeover) create() {
	k.Helper()
	var all sync.WaitGroup
	ask := make(chan int)
	for range 8 {
		all.Go(func() {
			for i := range ask {
				body, err := json.Marshal(map[string]any{"name": k.name(i), "config": k.config(i)})
				if err != nil {
					k.Error(err)
				}
				if err := k.post(body); err != nil {
					k.Errorf("create %s: %v", k.name(i), err)
				}
			}
		})
	}
	for i := range 2 * half {
		ask <- i
	}
	close(ask)
	all.Wait()
	if k.Failed() {
		k.FailNow()
	}
	k.settled("all to be as asked", map[string]string{k.name(failed): isFailed})
	k.call(k.T, http.MethodPut, "/connectors/"+k.name(paused)+"/pause", nil, http.StatusAccepted)
	k.call(k.T, http.MethodPut, "/connectors/"+k.name(stopped)+"/stop", nil, http.StatusNoContent)
	k.settled("one paused, one stopped", map[string]string{
		k.name(failed): isFailed, k.name(paused): isPaused, k.name(stopped): isStopped,
	})
}

// post creates one, again where a Java worker says that it rebalances just now.
func (k *takeover) post(body []byte) error {
	for {
		response, err := http.Post(k.url+"/connectors", "application/json", bytes.NewReader(body)) //nolint:noctx // of a process that the test ends
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			return err
		}
		switch response.StatusCode {
		case http.StatusConflict:
		case http.StatusCreated:
			return nil
		default:
			return fmt.Errorf("%s: %s", response.Status, answer)
		}
	}
}

// settled waits until every connector and its tasks are in the states named, all RUNNING where none is.
func (k *takeover) settled(what string, except map[string]string) {
	k.Helper()
	await(k.T, what, func() bool {
		is, ok := k.states(), true
		for name, s := range is {
			want := except[name]
			if want == "" {
				want = running
			}
			ok = ok && s == want
		}
		return ok && len(is) > 0
	})
}

// states tells of each connector its own state and those of its tasks.
func (k *takeover) states() map[string]string {
	k.Helper()
	var all map[string]struct {
		Status struct {
			Connector struct{ State string }
			Tasks     []struct{ State string }
		}
	}
	k.get("/connectors?expand=status", &all)
	is := map[string]string{}
	for name, s := range all {
		is[name] = s.Status.Connector.State + ":"
		for _, t := range s.Status.Tasks {
			is[name] += " " + t.State
		}
	}
	return is
}

// States of connectors.
const (
	running   = "RUNNING: RUNNING"
	isFailed  = "RUNNING: FAILED"
	isPaused  = "PAUSED: PAUSED"
	isStopped = "STOPPED:"
)

func (k *takeover) get(path string, into any) {
	k.Helper()
	if err := json.Unmarshal(k.call(k.T, http.MethodGet, path, nil, http.StatusOK), into); err != nil {
		k.Fatal(err)
	}
}

// left is everything that one cluster leaves to the next.
type left struct {
	info    map[string]any
	states  map[string]string
	offsets map[string]any
	tasks   int // how often a task's configuration was written
}

// stored reads it once all that was written is delivered and its offsets are stored.
func (k *takeover) stored(whose string) left {
	k.Helper()
	l := left{offsets: map[string]any{}}
	k.get("/connectors?expand=info", &l.info)
	await(k.T, whose+" states", func() bool {
		l.states = k.states()
		for _, s := range l.states {
			if strings.Contains(s, "UNASSIGNED") || s == "RUNNING:" {
				return false
			}
		}
		return len(l.states) == len(l.info)
	})
	for _, r := range k.c.ConsumeAll("configs") {
		if strings.HasPrefix(string(r.Key), "task-") {
			l.tasks++
		}
	}
	for name := range l.info {
		var offsets any
		k.get("/connectors/"+name+"/offsets", &offsets)
		l.offsets[name] = offsets
	}
	return l
}

// same compares what was left with what was found. Offsets of what runs have gone on since.
func (k *takeover) same(what string, before, after left) {
	k.Helper()
	if d := cmp.Diff(before.info, after.info); d != "" {
		k.Errorf("%s: connectors (-before +now):\n%.3000s", what, d)
	}
	if d := cmp.Diff(before.states, after.states); d != "" {
		k.Errorf("%s: states (-before +now):\n%.3000s", what, d)
	}
	if before.tasks != after.tasks {
		k.Errorf("%s: configurations of %d tasks were written anew, want none, since they are the same", what, after.tasks-before.tasks)
	}
	for name, state := range before.states {
		if strings.HasPrefix(state, running) {
			continue
		}
		if d := cmp.Diff(before.offsets[name], after.offsets[name]); d != "" {
			k.Errorf("%s: offsets of %s, which is %s (-before +now):\n%s", what, name, state, d)
		}
	}
}

// delivers reports whether the i-th connector has delivered all along.
func (k *takeover) delivers(i int) bool {
	return i != paused && i != stopped && i != failed && i != half+deleted && i != deleted
}

// delivered waits until every source and sink has delivered every line, and, so that nobody delivers what another has, until
// the offsets say so; most is how many lines may have come twice.
func (k *takeover) delivered(what string, most int) {
	k.Helper()
	await(k.T, "deliveries: "+what, func() bool {
		is := k.counts()
		for i := range 2 * half {
			if k.delivers(i) && len(is[i]) < k.lines {
				return false
			}
		}
		return true
	})
	is := k.counts()
	for i := range 2 * half {
		again := 0
		for _, n := range is[i] {
			again += n - 1
		}
		if k.delivers(i) && (len(is[i]) != k.lines || again > most) {
			k.Errorf("%s: %s has delivered %d of %d lines, and %d again, want at most %d", what, k.name(i), len(is[i]), k.lines, again, most)
		}
	}
	await(k.T, "offsets: "+what, func() bool {
		for i := range 2 * half {
			if k.delivers(i) && !k.caughtUp(i) {
				return false
			}
		}
		return true
	})
}

// counts is how often each line was delivered, by connector.
func (k *takeover) counts() [2 * half]map[string]int {
	k.Helper()
	var all [2 * half]map[string]int
	for i := range all {
		all[i] = map[string]int{}
	}
	for topic := range shared {
		for _, r := range k.c.ConsumeAll(fmt.Sprint("out", topic)) {
			var i, line int
			if _, err := fmt.Sscanf(string(r.Value), "s%d line %d", &i, &line); err != nil {
				k.Fatalf("a record %q that nobody has written", r.Value)
			}
			all[i][string(r.Value)]++
		}
	}
	for i := half; i < 2*half; i++ {
		for line := range strings.Lines(read(k.sinkFile(i))) {
			all[i][line]++
		}
	}
	return all
}

// caughtUp reports whether the stored offset of a connector is that of its last line.
func (k *takeover) caughtUp(i int) bool {
	k.Helper()
	if i < half {
		info, err := os.Stat(k.config(i)["file"])
		if err != nil {
			k.Fatal(err)
		}
		return position(k.T, k.url, k.name(i)) == info.Size()
	}
	return k.c.Committed("connect-"+k.name(i), fmt.Sprint("in", i%shared), 0) == int64(k.lines)
}

// refused: our worker does not share a group with Java workers, says what to do, and has written nothing.
func (k *takeover) refused(java *process) {
	k.Helper()
	ends := len(k.c.ConsumeAll("configs"))
	second := k.another().engine()
	second.exit(1)
	said := strings.Join(strings.Fields(read(second.log)), " ")
	for _, want := range []string{"E920", "is used by Kafka Connect", "Stop all of them first"} {
		if !strings.Contains(said, want) {
			k.Errorf("a worker of ours in a group of Java workers does not say %q:\n%s", want, read(second.log))
		}
	}
	if n := len(k.c.ConsumeAll("configs")); n != ends {
		k.Errorf("a worker of ours that was refused has written %d records into the config topic", n-ends)
	}
	java.healthy(k.genuine)
}

// cannotJoin: a Java worker that tries to join ours gives up, and disturbs nobody. Its process ends a minute later, when its
// shutdown has waited for the very thread that began it.
func (k *takeover) cannotJoin(ours *process) {
	k.Helper()
	before := k.states()
	second := k.another().java()
	await(k.T, "a Java worker in a group of ours to give up", func() bool {
		return strings.Contains(read(second.log), "Uncaught exception in herder work thread, exiting")
	})
	if said := read(second.log); !strings.Contains(said, "InconsistentGroupProtocolException") {
		k.Errorf("a Java worker in a group of ours gives up, and not by INCONSISTENT_GROUP_PROTOCOL:\n%.3000s", said)
	}
	ours.healthy(k.genuine)
	if d := cmp.Diff(before, k.states()); d != "" {
		k.Errorf("states after a Java worker tried to join (-before +now):\n%s", d)
	}
}

// change does with our worker all that leaves records: create, configure, pause, resume, restart, delete, heal.
func (k *takeover) change() {
	k.Helper()
	put := func(path string, body any, want int) {
		text, err := json.Marshal(body)
		if err != nil {
			k.Fatal(err)
		}
		k.call(k.T, http.MethodPut, "/connectors/"+path, text, want)
	}
	configured := k.config(2)
	configured["batch.size"] = "100"
	put(k.name(2)+"/config", configured, http.StatusOK)
	put(k.name(paused)+"/resume", nil, http.StatusAccepted)
	put(k.name(3)+"/pause", nil, http.StatusAccepted)
	k.call(k.T, http.MethodPost, "/connectors/"+k.name(4)+"/restart?includeTasks=true", nil, http.StatusAccepted)
	k.call(k.T, http.MethodDelete, "/connectors/"+k.name(deleted), nil, http.StatusNoContent)
	k.call(k.T, http.MethodDelete, "/connectors/"+k.name(half+deleted), nil, http.StatusNoContent)
	put(k.c.Name("new")+"/config", map[string]string{"connector.class": "FileStreamSink", "tasks.max": "2", "topics": k.c.Name("in0"), "file": filepath.Join(k.dir, "new")}, http.StatusCreated)
	k.settled("the changes", map[string]string{k.name(3): isPaused, k.name(stopped): isStopped, k.name(failed): isFailed, k.c.Name("new"): running + " RUNNING"})
	put(k.name(3)+"/resume", nil, http.StatusAccepted)
	k.settled("all to run again", map[string]string{k.name(stopped): isStopped, k.name(failed): isFailed, k.c.Name("new"): running + " RUNNING"})
}

// skipped: the Java worker has logged what it does not know, and nothing else is wrong.
func (k *takeover) skipped(java *process) {
	k.Helper()
	unknown, ours := 0, regexp.MustCompile(`(Discarding|Ignoring).*(key|record).*(request-|plan|targets-)`)
	for line := range strings.Lines(read(java.log)) {
		switch {
		case ours.MatchString(line):
			unknown++
		case strings.Contains(line, "because it is unexpectedly null"): // a task of a deleted connector, as in a compacted topic
		case strings.Contains(line, " ERROR ") && !strings.Contains(line, k.name(failed)):
			k.Errorf("the Java worker says: %s", line)
		}
	}
	if unknown == 0 {
		k.Errorf("the Java worker says nothing of records of ours:\n%.3000s", read(java.log))
	}
}
