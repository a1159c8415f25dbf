package store_test

import (
	"context"
	"fmt"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/memory"
)

// The road of a configuration: a worker submits a request, the leader commits its answer together with what it changes,
// and every worker sees the revision in a snapshot.
func Example() {
	ctx := context.Background()
	s := memory.Open()
	defer s.Close() //nolint:errcheck // in memory there is nothing to go wrong

	led := make(chan error)
	go func() { led <- lead(ctx, s) }()

	answer, err := s.Submit(ctx, store.Request{ID: "1", Ops: []store.Op{{Put: &store.PutConnector{
		Name: "orders", Config: config.Map{"connector.class": "FileStreamSource", "file": "/data/orders"}, Create: true,
	}}}})
	if err != nil || <-led != nil {
		return
	}
	revision, err := s.Wait(ctx, 0)
	if err != nil {
		return
	}
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return
	}
	orders := snapshot.Connectors["orders"]
	fmt.Println("carried out at", answer.Revision, "and read at", revision)
	fmt.Println(snapshot.Names(), orders.Config["file"], orders.Target)
	fmt.Println(snapshot.Plan.Placements[0].Member)
	// Output:
	// carried out at 1 and read at 1
	// [orders] /data/orders STARTED
	// w1
}

// lead answers the requests that are there; package leader decides with more care.
func lead(ctx context.Context, l store.Log) error {
	fence, err := l.Claim(ctx)
	if err != nil {
		return err
	}
	requests, err := l.Requests(ctx)
	if err != nil {
		return err
	}
	c := store.Commit{Connectors: map[string]*store.Connector{}, Plan: &store.Plan{Epoch: 1, Members: []string{"w1"}}}
	for _, r := range requests {
		for _, op := range r.Ops {
			c.Connectors[op.Put.Name] = &store.Connector{Name: op.Put.Name, Config: op.Put.Config, Target: config.Started}
			c.Plan.Placements = append(c.Plan.Placements, store.Placement{Connector: op.Put.Name, Task: store.Instance, Member: "w1", Epoch: 1})
		}
		c.Answers = append(c.Answers, store.Answer{ID: r.ID})
	}
	_, err = l.Commit(ctx, fence, c)
	return err
}
