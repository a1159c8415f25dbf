package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// gatherWithin is how long other workers of a cluster are waited for: what they tell is worth having, and no more.
const gatherWithin = time.Second

// Gather adds to statuses of [Client.Statuses] what the other workers of a cluster tell of the tasks that run on them: how far
// a task has come is known where it runs. They are asked at the addresses that they are known by, with the same scheme and
// login; those that do not answer add nothing. A worker that is not one of a cluster of ours has no others.
func (c *Client) Gather(ctx context.Context, list []*Status) error {
	if !slices.ContainsFunc(list, func(s *Status) bool { return s.Beyond != nil && len(s.Beyond.Tasks) < len(s.Tasks) }) {
		return nil
	}
	p, err := c.Plan(ctx)
	if a, answered := errors.AsType[*AnswerError](err); answered && a.Code == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	var told [][]*Status
	var mu sync.Mutex
	var asking sync.WaitGroup
	ctx, stop := context.WithTimeout(ctx, gatherWithin)
	defer stop()
	for _, m := range p.Members {
		if m.ID == p.Worker || m.Address == "" {
			continue
		}
		asking.Go(func() {
			theirs, err := c.at(m.Address).Statuses(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				told = append(told, theirs)
			}
		})
	}
	asking.Wait()
	for _, theirs := range told {
		for _, t := range theirs {
			i := slices.IndexFunc(list, func(s *Status) bool { return s.Name == t.Name })
			if i < 0 || list[i].Beyond == nil || t.Beyond == nil {
				continue
			}
			if err := list[i].learn(t.Beyond); err != nil {
				return err
			}
		}
	}
	return nil
}

// at is a client of another worker of the same cluster.
func (c *Client) at(address string) *Client {
	base := *c.base
	base.Host = address
	return &Client{base: &base, http: c.http, token: c.token}
}

// learn adds what another worker tells of a connector.
func (s *Status) learn(b *Beyond) error {
	is := *s.Beyond
	if b.Connector.Count > 0 {
		is.Connector = b.Connector
	}
	is.Tasks = slices.Clone(is.Tasks)
	for _, t := range b.Tasks {
		if !slices.ContainsFunc(is.Tasks, func(own Progress) bool { return own.ID == t.ID }) {
			is.Tasks = append(is.Tasks, t)
		}
	}
	slices.SortFunc(is.Tasks, func(a, b Progress) int { return cmp.Compare(a.ID, b.ID) })
	return s.goBeyond(&is)
}
