package task

import (
	"maps"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/plugin"
)

// sinkHost keeps what a sink asks for until the loop gets there. None of its methods waits, and the plugin may call them
// from any goroutine: a request ends the loop's wait for records.
type sinkHost struct {
	host
	poke func()

	mu      sync.Mutex
	rewinds map[plugin.TopicPartition]int64
	held    map[plugin.TopicPartition]bool
	timeout time.Duration // 0: none; for the next wait only
	commit  bool
}

var _ plugin.SinkHost = (*sinkHost)(nil)

func newSinkHost(t *Task, l *lives) *sinkHost {
	return &sinkHost{
		host: host{t.Logger, l.fail}, poke: t.control.poke,
		rewinds: map[plugin.TopicPartition]int64{}, held: map[plugin.TopicPartition]bool{},
	}
}

func (h *sinkHost) ask(change func()) {
	h.mu.Lock()
	change()
	h.mu.Unlock()
	h.poke()
}

func (h *sinkHost) Rewind(offsets map[plugin.TopicPartition]int64) {
	h.ask(func() { maps.Copy(h.rewinds, offsets) })
}

func (h *sinkHost) Pause(partitions ...plugin.TopicPartition) {
	h.ask(func() {
		for _, p := range partitions {
			h.held[p] = true
		}
	})
}

func (h *sinkHost) Resume(partitions ...plugin.TopicPartition) {
	h.ask(func() {
		for _, p := range partitions {
			delete(h.held, p)
		}
	})
}

func (h *sinkHost) Timeout(d time.Duration) { h.ask(func() { h.timeout = d }) }

func (h *sinkHost) RequestCommit() { h.ask(func() { h.commit = true }) }

// takeRewinds returns and forgets the rewinds of partitions that ours has.
func (h *sinkHost) takeRewinds(ours func(plugin.TopicPartition) bool) map[plugin.TopicPartition]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var taken map[plugin.TopicPartition]int64
	for tp, offset := range h.rewinds {
		if ours(tp) {
			if taken == nil {
				taken = map[plugin.TopicPartition]int64{}
			}
			taken[tp] = offset
			delete(h.rewinds, tp)
		}
	}
	return taken
}

func (h *sinkHost) holdsBack(tp plugin.TopicPartition) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held[tp]
}

func (h *sinkHost) takeTimeout() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.timeout
	h.timeout = 0
	return d
}

func (h *sinkHost) takeCommit() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.commit
	h.commit = false
	return c
}

// forget drops what was asked of a partition that is the task's no more.
func (h *sinkHost) forget(tp plugin.TopicPartition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, tp)
	delete(h.rewinds, tp)
}
