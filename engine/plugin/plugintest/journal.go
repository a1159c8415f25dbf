package plugintest

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Call is one call of the engine into a fake that has returned.
type Call struct {
	// Name is "start", "tasks", "stop", "validate", "alter" of the connector and "task.start", "task.define",
	// "task.poll", "task.committed", "task.put", "task.flush", "task.precommit", "task.open", "task.close", "task.stop" of
	// a task.
	Name       string
	Task       int                     // the number of the task as the source or sink made them, from 0; -1: the connector itself
	Config     plugin.Config           // of a start
	Records    int                     // of a poll or a put: how many the batch held when the call returned
	Positions  []record.Position       // of a task.committed, cloned
	Partitions []plugin.TopicPartition // of an open or a close
	Err        error                   // what was returned
}

// Journal is what happened to a fake, in order of return. It is safe for concurrent use.
type Journal struct {
	mu      sync.Mutex
	calls   []Call
	changed chan struct{} // closed at the next change; nil when nobody waits
}

func (j *Journal) add(c Call) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, c)
	j.wake()
	return c.Err
}

// wake tells those who wait; the lock is held.
func (j *Journal) wake() {
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

// Calls copies the journal.
func (j *Journal) Calls() []Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.calls)
}

// Count is how many calls of a name have returned.
func (j *Journal) Count(name string) (n int) {
	for _, c := range j.Calls() {
		if c.Name == name {
			n++
		}
	}
	return n
}

// Sequence is the journal in one line for comparing: names in order, runs of one name as one, a task's number in front.
func (j *Journal) Sequence() string {
	var words []string
	for _, c := range j.Calls() {
		w := c.Name
		if c.Task >= 0 {
			w = strconv.Itoa(c.Task) + ":" + w
		}
		if len(words) == 0 || words[len(words)-1] != w {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// Await waits until ok holds of the journal and fails the test when the test's own context ends first.
func (j *Journal) Await(t testing.TB, what string, ok func([]Call) bool) {
	t.Helper()
	j.await(t, what, func() bool { return ok(j.calls) })
}

// AwaitCalls waits until n calls of a name have returned.
func (j *Journal) AwaitCalls(t testing.TB, name string, n int) {
	t.Helper()
	j.Await(t, strconv.Itoa(n)+" calls of "+name, func(calls []Call) bool {
		left := n
		for _, c := range calls {
			if c.Name == name {
				left--
			}
		}
		return left <= 0
	})
}

// await waits for a condition that is evaluated under the lock.
func (j *Journal) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := patience(t)
	for {
		j.mu.Lock()
		if ok() {
			j.mu.Unlock()
			return
		}
		if j.changed == nil {
			j.changed = make(chan struct{})
		}
		changed := j.changed
		j.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waiting for %s: only %s", what, j.Sequence())
		}
	}
}
