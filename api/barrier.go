package api

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/penstock/penstock/store"
)

// syncWithin bounds what a read waits for the newest configurations (decision D3).
const syncWithin = time.Second

// barrier knows when the configurations were last known to be the newest.
type barrier struct {
	mu sync.Mutex
	at time.Time // when the last call that was answered began
}

// sync waits until this worker has read all configurations that were committed before the call, for a bounded time. Then
// what it has is good enough, and the answer says by Age how old it may be (RFC 9111 §5.1), in seconds.
func (s *Server) sync(c *call) error {
	if s.Configurer == nil {
		return nil
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(c.Context(), syncWithin)
	defer cancel()
	err := s.Configurer.Sync(ctx)
	s.read.mu.Lock()
	defer s.read.mu.Unlock()
	switch {
	case err == nil:
		if began.After(s.read.at) {
			s.read.at = began
		}
		return nil
	case c.Context().Err() != nil || ctx.Err() == nil && !errors.Is(err, errUnread):
		return err
	}
	age := time.Since(s.read.at)
	if s.read.at.IsZero() {
		age = syncWithin // at least: nothing is known of before
	}
	c.header.Set("Age", strconv.Itoa(int(math.Ceil(age.Seconds()))))
	return nil
}

// Plan is who is in a cluster of workers and who runs what, as GET /plan tells it.
type Plan struct {
	Epoch      int64           `json:"epoch"`
	Generation int64           `json:"generation"`
	Worker     string          `json:"worker"` // who answers
	Leader     string          `json:"leader"` // "" when this worker knows of none
	Members    []PlanMember    `json:"members"`
	Placements []PlanPlacement `json:"placements"`
}

// PlanMember is a worker of a cluster.
type PlanMember struct {
	ID      string `json:"id"`
	Address string `json:"address,omitempty"`
}

// PlanPlacement says who runs an instance, whose task is -1, or a task.
type PlanPlacement struct {
	Connector string `json:"connector"`
	Task      int    `json:"task"`
	Member    string `json:"member"`
	Epoch     int64  `json:"epoch"`
	Follows   string `json:"follows,omitempty"`
	Leaving   bool   `json:"leaving,omitempty"`
}

// NewPlan is a stored plan as JSON.
func NewPlan(p store.Plan) *Plan {
	to := &Plan{Epoch: p.Epoch, Members: []PlanMember{}, Placements: make([]PlanPlacement, len(p.Placements))}
	for _, id := range p.Members {
		to.Members = append(to.Members, PlanMember{id, p.Addresses[id]})
	}
	for i, pl := range p.Placements {
		to.Placements[i] = PlanPlacement(pl)
	}
	return to
}

// plan answers GET /plan, an addition.
func (s *Server) plan(c *call) (answer, error) {
	p, err := s.Plan(c.Context())
	if err != nil {
		return answer{}, err
	}
	return ok(p)
}
