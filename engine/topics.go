package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// usedTopics is which topics connectors have read or written in this process since their list was last cleared (KIP-558).
// As with Kafka Connect standalone, a list outlives its connector, unless the store keeps lists for a cluster.
type usedTopics struct {
	mu    sync.Mutex
	m     map[string]map[string]bool // by connector
	fresh []usedTopic                // what a store has not been told yet
	wake  chan struct{}              // has room for one; nil: there is no store to tell
}

// usedTopic is a topic that a task has used.
type usedTopic struct {
	connector string
	task      int
	topic     string
}

// topicLists is a store that keeps for a cluster which topics its connectors use.
type topicLists interface {
	Topics(ctx context.Context, connector string) ([]string, error)
	Used(ctx context.Context, connector string, task int, topic string) error
	ForgetTopics(ctx context.Context, connector string) error
}

// saw never waits.
func (u *usedTopics) saw(connector string, task int, topic string) {
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
	if u.wake != nil {
		u.fresh = append(u.fresh, usedTopic{connector, task, topic})
		select {
		case u.wake <- struct{}{}:
		default:
		}
	}
}

// forget makes that the next use of a topic by the connector is one that nobody knows of.
func (u *usedTopics) forget(connector string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.m, connector)
}

// keepTopics tells a store that keeps lists what was used, until ctx is done. What it does not take is told when the task
// uses the topic again.
func (e *Engine) keepTopics(ctx context.Context, lists topicLists) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.topics.wake:
		}
		e.topics.mu.Lock()
		fresh := e.topics.fresh
		e.topics.fresh = nil
		e.topics.mu.Unlock()
		for _, f := range fresh {
			if err := lists.Used(ctx, f.connector, f.task, f.topic); err != nil && ctx.Err() == nil {
				e.Logger.Warn("that a connector uses a topic could not be stored", "connector", f.connector, "topic", f.topic, "error", err)
				e.topics.forget(f.connector)
			}
		}
	}
}

// listsWithin bounds a change of a list of topics.
const listsWithin = 10 * time.Second

// Topics lists in alphabetical order the topics that a connector's tasks have used since [Engine.ResetTopics] was last
// called for it: in the cluster, or in this process, then also for one that was deleted.
func (e *Engine) Topics(ctx context.Context, connector string) ([]string, error) {
	if e.lists != nil {
		return e.lists.Topics(ctx, connector)
	}
	e.topics.mu.Lock()
	defer e.topics.mu.Unlock()
	return slices.Sorted(maps.Keys(e.topics.m[connector])), nil
}

// ResetTopics empties the list of [Engine.Topics]; topics that are used afterwards come back. In a cluster those that
// tasks of other workers use come back when these tasks start anew.
func (e *Engine) ResetTopics(ctx context.Context, connector string) error {
	e.topics.forget(connector)
	if e.lists == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, listsWithin)
	defer cancel()
	return e.lists.ForgetTopics(ctx, connector)
}
