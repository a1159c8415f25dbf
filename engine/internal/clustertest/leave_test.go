package clustertest_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestWorkersLeave is how workers end, with thirty pipelines on them: in peace, all at a time, killed, and cut off from the brokers.
// Consumers of sinks have the session that Kafka gives them, 45 seconds.
func TestWorkersLeave(t *testing.T) {
	c := start(t, 3)
	file := filepath.Join(c.dir, "worker.hcl")
	text := read(file)
	if before, after, found := strings.Cut(text, "  consumer {\n"); found {
		_, after, _ = strings.Cut(after, "  }\n")
		text = before + after
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, w := range c.workers {
		w.begin()
	}
	c.settled(nil)
	l := newLoad(c)
	c.settled(l.tasks)
	for _, sub := range []struct {
		name string
		test func(*testing.T, *load)
	}{
		{"in peace", leavesInPeace}, {"all at a time", allLeave}, {"killed", dies}, {"without brokers", withoutBrokers},
	} {
		if !t.Run(sub.name, func(t *testing.T) { sub.test(t, l) }) {
			return
		}
	}
	for _, w := range c.workers {
		if log := read(w.log()); strings.Contains(log, "abandoned") {
			t.Errorf("worker %d says that something hangs, and nothing does:\n%s", w.number, linesWith(log, "abandoned"))
		}
	}
	l.drained()
	l.check(&trouble{cluster: c})
}

func linesWith(log, word string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, word) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// leavesInPeace stops a follower, then the leader: when the process has ended the plan has nothing of it.
func leavesInPeace(t *testing.T, l *load) {
	leader := l.leader()
	if leader == nil {
		t.Fatal("nobody leads")
	}
	other := l.workers[0]
	if other == leader {
		other = l.workers[1]
	}
	for _, w := range []*worker{other, leader} {
		var rest *worker
		for _, r := range l.workers {
			if _, up := r.untouched(); up && r != w {
				rest = r
			}
		}
		begun := time.Now()
		w.stop()
		ended := time.Now()
		a := rest.call(t.Context(), http.MethodGet, "/plan", nil)
		if a.err != nil || a.status != http.StatusOK || bytes.Contains(a.body, []byte(`"member":"`+w.address()+"/")) {
			t.Errorf("worker %d has left, and the plan still has it: %s", w.number, a)
		}
		await(t, "everything to run elsewhere", func() (bool, string) { return allRun(rest, l.tasks) })
		t.Logf("stopped within %s; everything ran elsewhere %s later", ended.Sub(begun).Round(time.Millisecond), time.Since(ended).Round(time.Millisecond))
	}
	for _, w := range []*worker{other, leader} {
		w.begin()
	}
	l.settled(l.tasks)
}

// allLeave stops all workers at a time and starts them again: nobody waits for anybody.
func allLeave(t *testing.T, l *load) {
	var leaving sync.WaitGroup
	for _, w := range l.workers {
		leaving.Go(w.stop)
	}
	leaving.Wait()
	for _, w := range l.workers {
		w.launch()
	}
	begun := time.Now()
	for _, w := range l.workers {
		await(t, "an answer", func() (bool, string) {
			a := w.call(t.Context(), http.MethodGet, "/", nil)
			return a.err == nil && a.status == http.StatusOK, a.String()
		})
		w.serves(true)
	}
	up := time.Since(begun)
	await(t, "everything to run again", func() (bool, string) { return allRun(l.workers[0], l.tasks) })
	took := time.Since(begun)
	t.Logf("answers after %s, everything runs after %s", up.Round(time.Millisecond), took.Round(time.Millisecond))
	for _, w := range l.workers {
		if log := read(w.log()); strings.Contains(log, "waits for it to come back") {
			t.Errorf("somebody who had left was waited for:\n%s", linesWith(log, "waits for it to come back"))
		}
	}
	l.settled(l.tasks)
}

// dies kills a worker: records go on into every sink within session, delay and five seconds, though the consumers that died have a
// session of 45 seconds in their groups.
func dies(t *testing.T, l *load) {
	w := l.workers[0]
	w.kill()
	begun := time.Now()
	await(t, "the delay to pass", func() (bool, string) {
		a := l.workers[1].call(t.Context(), http.MethodGet, "/plan", nil)
		return a.err == nil && !bytes.Contains(a.body, []byte(`"member":"`+w.address()+"/")), a.String()
	})
	moved := time.Since(begun)
	l.goOn(t)
	took := time.Since(begun)
	t.Logf("killed; given to others after %s, records in every sink after %s", moved.Round(time.Millisecond), took.Round(time.Millisecond))
	if most := session + delay + 5*time.Second; took > most {
		t.Errorf("it took %s until every sink went on, want at most %s", took, most)
	}
	w.begin()
	l.settled(l.tasks)
}

// goOn waits until more has come out of every sink of a source without end.
func (l *load) goOn(t *testing.T) {
	sizes := map[string]int64{}
	for _, topic := range l.topics[:datagens] {
		sizes[topic] = sizeOf(l.output(topic))
	}
	await(t, "every sink to go on", func() (bool, string) {
		for topic, before := range sizes {
			if sizeOf(l.output(topic)) == before {
				return false, topic
			}
		}
		return true, ""
	})
}

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// withoutBrokers takes the broker away for longer than a session: everything stops by itself, and goes on when it is back.
func withoutBrokers(t *testing.T, l *load) {
	pid, err := strconv.Atoi(strings.TrimSpace(read(filepath.Join(l.kafka, "broker.pid"))))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	pause(t.Context(), session+6*time.Second)
	l.script("restart")
	begun := time.Now()
	l.goOn(t)
	t.Logf("records in every sink %s after the broker is back", time.Since(begun).Round(time.Millisecond))
	l.settled(l.tasks)
}
