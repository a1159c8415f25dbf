package engine

import (
	"maps"
	"slices"
	"sync"
)

// usedTopics is which topics connectors have read or written in this process since their list was last cleared (KIP-558).
// As with Kafka Connect standalone, a list outlives its connector.
type usedTopics struct {
	mu sync.Mutex
	m  map[string]map[string]bool // by connector
}

func (u *usedTopics) saw(connector, topic string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.m[connector][topic] {
		return
	}
	if u.m == nil {
		u.m = map[string]map[string]bool{}
	}
	if u.m[connector] == nil {
		u.m[connector] = map[string]bool{}
	}
	u.m[connector][topic] = true
}

// Topics lists in alphabetical order the topics that a connector's tasks have used in this process since [Engine.ResetTopics]
// was last called for it, also for one that was deleted.
func (e *Engine) Topics(connector string) []string {
	e.topics.mu.Lock()
	defer e.topics.mu.Unlock()
	return slices.Sorted(maps.Keys(e.topics.m[connector]))
}

// ResetTopics empties the list of [Engine.Topics]; topics that are used afterwards come back.
func (e *Engine) ResetTopics(connector string) {
	e.topics.mu.Lock()
	defer e.topics.mu.Unlock()
	delete(e.topics.m, connector)
}
