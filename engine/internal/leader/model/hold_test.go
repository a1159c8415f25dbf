package model

import "testing"

// How far somebody is with changing the offsets of a connector.
const (
	idle     = iota
	granted  // the leader has answered that the connector is held for it
	sure     // has read a plan, after that, in which no task is left
	changing // its writes are on their way
)

// holding is a connector with one task, two who want to change its offsets, and whoever starts and stops it.
type holding struct {
	started bool
	placed  bool // the task is in the plan, perhaps leaving
	task    int8 // off, running, stopping: at its worker
	by      int8 // whom the connector is held for; none
	over    bool // the time of the hold has passed by the leader's clock
	stage   [2]int8
	starts  int8
	changes int8
}

type holdRules struct {
	refuse bool // a connector that is held is not started
	drain  bool // changes wait until no task is left in the plan
	give   bool // who changes gives up before the hold ends
	single bool // one hold at a time
}

var allHolds = holdRules{refuse: true, drain: true, give: true, single: true}

func (r holdRules) steps(h holding, tell func(holding, move) bool) (broken string) {
	do := func(what string, a int8, change func(h *holding)) {
		if broken != "" {
			return // the move before this one did it
		}
		next := h
		change(&next)
		tell(next, move{what, a, 0})
		broken = next.wrong()
	}
	free := h.by == none || h.over
	switch {
	case h.started:
		do("the connector is stopped", 0, func(h *holding) { h.started = false })
	case h.starts > 0 && (free || !r.refuse):
		do("the connector is started, and its task placed", 0, func(h *holding) { h.started, h.placed = true, true; h.starts-- })
	}
	switch {
	case h.task == off && h.started && h.placed:
		do("the task starts", 0, func(h *holding) { h.task = running })
	case h.task == running && !h.started:
		do("the worker reads that the task is leaving", 0, func(h *holding) { h.task = stopping })
	case h.task == stopping:
		do("the task has stopped", 0, func(h *holding) { h.task = off })
	case h.task == off && !h.started && h.placed:
		do("the task is released, and is in the plan no more", 0, func(h *holding) { h.placed = false })
	}
	for i := range int8(2) {
		r.change(h, i, func(what string, change func(h *holding)) { do(what, i, change) })
	}
	if h.by != none && !h.over && (h.stage[h.by] == idle || !r.give) {
		do("the time of the hold of %s is over", h.by, func(h *holding) { h.over = true })
	}
	return broken
}

func (h holding) wrong() string {
	switch {
	case h.task != off && (h.stage[0] == changing || h.stage[1] == changing):
		return "offsets are changed while the task may store some"
	case h.stage[0] == changing && h.stage[1] == changing:
		return "two change the offsets at a time"
	}
	return ""
}

// change is what one does who changes offsets. Its time is shorter than that of the hold, and whatever it does ends with it.
func (r holdRules) change(h holding, i int8, do func(string, func(*holding))) {
	free := h.by == none || h.over
	switch h.stage[i] {
	case idle:
		if h.changes > 0 && !h.started && (free || !r.single) {
			do("the leader holds the connector for %s", func(h *holding) {
				h.by, h.over, h.stage[i] = i, false, granted
				h.changes--
			})
		}
		return
	case granted:
		if !h.placed || !r.drain {
			do("%s reads a plan", func(h *holding) { h.stage[i] = sure })
		}
	case sure:
		do("%s begins to change offsets", func(h *holding) { h.stage[i] = changing })
	}
	do("%s has ended, or given up, and lets go", func(h *holding) {
		h.stage[i] = idle
		if h.by == i {
			h.by, h.over = none, false
		}
	})
	do("%s has ended, and is killed before it can let go", func(h *holding) { h.stage[i] = idle })
}

func (r holdRules) search() (int, []move, string) {
	h := holding{started: true, placed: true, task: running, by: none, starts: 2, changes: 3}
	return search([]holding{h}, r.steps)
}

// TestOffsetsAreChangedWhileNothingRuns, by one at a time.
func TestOffsetsAreChangedWhileNothingRuns(t *testing.T) {
	t.Parallel()
	states, history, broken := allHolds.search()
	holds(t, states, history, broken)
}

// TestWithoutARuleOfHolds shows what each is for.
func TestWithoutARuleOfHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*holdRules)
		want   string
	}{
		{"start what is held", func(r *holdRules) { r.refuse = false }, "while the task"},
		{"change at once", func(r *holdRules) { r.drain = false }, "while the task"},
		{"outlive the hold", func(r *holdRules) { r.give = false }, "while the task"},
		{"two holds", func(r *holdRules) { r.single = false }, "two change"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := allHolds
			c.change(&r)
			states, history, broken := r.search()
			breaks(t, states, history, broken, c.want)
		})
	}
}
