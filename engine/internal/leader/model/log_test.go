package model

import (
	"fmt"
	"testing"
)

// What an entry of the log is.
const (
	configuration = iota
	request
	answer
)

// What became of the transaction that an entry is of. Requests are of none, which is as good as committed.
const (
	committed = iota
	open
	aborted
)

type entry struct{ kind, value, by, state int8 }

const maxEntries = 8

// How far a leader of the log is, besides the stages of a cluster.
const (
	waits    = iota // leads not
	mustMend        // has claimed
	mending         // has re-written what was aborted, in a transaction that is open
	leads
	writing // has written the configuration of a request
	written // and its answer
	dead
)

// wal is a log of one Kafka Connect key with two leaders, two workers that read what is committed, and a client.
type wal struct {
	log      [maxEntries]entry
	entries  int8
	stage    [2]int8
	owner    int8
	value    [2]int8 // what a leader is about to write
	read     [2]int8 // how many entries a worker has read
	asked    int8    // requests so far; the values are 1, 2, …
	told     int8    // the newest value that the client knows to be carried out
	reads    bool    // the client reads at the second worker
	from     int8    // the read waits until the worker has come that far
	expects  int8    // what it must see at least
	kills    int8
	requests int8
}

type logRules struct{ mend, barrier bool }

func (w *wal) add(e entry) {
	w.log[w.entries] = e
	w.entries++
}

// settle ends the transaction of whoever has one open.
func (w *wal) settle(by, state int8) {
	for i := range w.log[:w.entries] {
		if e := &w.log[i]; e.state == open && (by < 0 || e.by == by) {
			e.state, e.by = state, 0 // who wrote it is of no interest any more
		}
	}
}

// last is the newest configuration, in the eyes of who reads what is committed only, or of a Java worker, who reads all.
func (w *wal) last(until int8, all bool) (entry, int8) {
	for i := until - 1; i >= 0; i-- {
		if e := w.log[i]; e.kind == configuration && (all || e.state == committed) {
			return e, i
		}
	}
	return entry{}, -1
}

// next is the oldest request without an answer, 0 when there is none.
func (w *wal) next() int8 {
	var answered [maxEntries]bool
	for _, e := range w.log[:w.entries] {
		answered[e.value] = answered[e.value] || e.kind == answer && e.state == committed
	}
	for _, e := range w.log[:w.entries] {
		if e.kind == request && !answered[e.value] {
			return e.value
		}
	}
	return 0
}

func (r logRules) steps(w wal, tell func(wal, move) bool) string {
	for m := range int8(2) {
		r.lead(w, m, tell)
		next := w
		if p := next.read[m]; p < w.entries && w.log[p].state != open { // up to the last stable offset
			next.read[m]++
			tell(next, move{"worker %s reads on", m, 0})
		}
	}
	r.client(w, tell)
	return r.wrong(w)
}

func (r logRules) lead(w wal, m int8, tell func(wal, move) bool) {
	do := func(what string, change func(w *wal)) {
		next := w
		change(&next)
		tell(next, move{what, m, 0})
	}
	stage := w.stage[m]
	if stage == dead {
		do("the transaction of %s times out", func(w *wal) { w.settle(m, aborted) })
		do("%s is started again", func(w *wal) { w.stage[m] = waits })
		return
	}
	if w.kills > 0 {
		do("%s is killed", func(w *wal) { w.stage[m], w.value[m] = dead, 0; w.kills-- })
	}
	if stage == waits {
		do("%s claims the log, which aborts what is open", func(w *wal) {
			w.settle(-1, aborted)
			w.owner, w.stage[m] = m, mustMend
		})
		return
	}
	if w.owner != m {
		do("%s finds that another has claimed since", func(w *wal) { w.stage[m], w.value[m] = waits, 0 })
		return
	}
	newest, _ := w.last(w.entries, true)
	stored, _ := w.last(w.entries, false)
	room := w.entries < maxEntries
	switch {
	case stage == mustMend && r.mend && newest.state == aborted && room:
		do("%s writes what is committed once more", func(w *wal) {
			w.add(entry{configuration, stored.value, m, open})
			w.stage[m] = mending
		})
	case stage == mustMend && (!r.mend || newest.state == committed):
		do("%s leads", func(w *wal) { w.stage[m] = leads })
	case stage == mending, stage == written:
		do("%s commits", func(w *wal) { w.settle(m, committed); w.stage[m], w.value[m] = leads, 0 })
	case stage == leads && w.next() != 0 && w.entries+2 <= maxEntries:
		do("%s writes the configuration that was asked for", func(w *wal) {
			w.value[m] = w.next()
			w.add(entry{configuration, w.value[m], m, open})
			w.stage[m] = writing
		})
	case stage == writing && room:
		do("%s writes the answer", func(w *wal) { w.add(entry{answer, w.value[m], m, open}); w.stage[m] = written })
	}
}

// client writes at the first worker and reads at the second.
func (r logRules) client(w wal, tell func(wal, move) bool) {
	do := func(what string, change func(w *wal)) {
		next := w
		change(&next)
		tell(next, move{what, 0, 0})
	}
	if w.asked < w.requests && w.told == w.asked && w.entries < maxEntries {
		do("the client asks the first worker for a change", func(w *wal) { w.asked++; w.add(entry{request, w.asked, 0, committed}) })
	}
	for _, e := range w.log[:w.read[0]] {
		if e.kind == answer && e.state == committed && e.value == w.asked && w.told < w.asked {
			do("the first worker has read the answer and tells the client", func(w *wal) { w.told = w.asked })
		}
	}
	if w.told > 0 && !w.reads {
		do("the client begins to read at the second worker", func(w *wal) {
			w.reads, w.expects, w.from = true, w.told, 0
			if r.barrier {
				w.from = w.entries
			}
		})
	}
}

func (r logRules) wrong(w wal) string {
	answers := map[int8]int{}
	for _, e := range w.log[:w.entries] {
		if e.kind == answer && e.state == committed {
			if answers[e.value]++; answers[e.value] > 1 {
				return fmt.Sprintf("request %d is carried out twice", e.value)
			}
		}
	}
	if seen, _ := w.last(w.read[1], false); w.reads && w.read[1] >= w.from && seen.value < w.expects {
		return "the client does not read its own write"
	}
	newest, _ := w.last(w.entries, true)
	for m := range int8(2) {
		if w.owner == m && w.stage[m] == leads && newest.state == aborted {
			return "a Java worker runs a configuration that was aborted"
		}
	}
	return ""
}

func (r logRules) search(kills, requests int8) (int, []move, string) {
	w := wal{entries: 1, owner: none, kills: kills, requests: requests, read: [2]int8{1, 1}}
	return search([]wal{w}, r.steps)
}

// TestTheLogKeepsWhatIsPromised: each request is carried out once, clients read their own writes, and nothing aborted is
// the newest word for long, whoever is killed when.
func TestTheLogKeepsWhatIsPromised(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ kills, requests int8 }{{2, 1}, {0, 2}, {1, 2}} {
		if testing.Short() && size.kills+size.requests > 2 {
			continue
		}
		states, history, broken := logRules{mend: true, barrier: true}.search(size.kills, size.requests)
		holds(t, states, history, broken)
	}
}

// TestWithoutRule4 leaves aborted records as they are.
func TestWithoutRule4(t *testing.T) {
	t.Parallel()
	states, history, broken := logRules{barrier: true}.search(1, 1)
	breaks(t, states, history, broken, "a Java worker runs")
}

// TestWithoutTheReadBarrier answers a read from what a worker happens to have read (D3).
func TestWithoutTheReadBarrier(t *testing.T) {
	t.Parallel()
	states, history, broken := logRules{mend: true}.search(0, 1)
	breaks(t, states, history, broken, "its own write")
}
