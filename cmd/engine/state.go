package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/store"
)

// steering is a command that asks connectors for a state and waits until they have it.
type steering struct {
	remote
	wait time.Duration
}

func (s *steering) flags(c *cobra.Command) *cobra.Command {
	c.Flags().DurationVar(&s.wait, "wait", time.Minute, "how long to wait for it to be so, as `TIME`; 0: not at all")
	c.ValidArgsFunction = s.complete(0)
	return s.remote.flags(c)
}

func newPause(p process) *cobra.Command {
	s := &steering{remote: remote{process: p}}
	return s.flags(&cobra.Command{
		Use:   "pause NAME…",
		Short: "Pause connectors of a running worker",
		Long: `pause lets connectors and their tasks rest until "engine resume". They keep what
they hold; the worker remembers it beyond a restart.`,
		Example: "  engine pause orders\n  engine pause orders payments -url http://worker:8083",
		Args:    takes("names of connectors", 1, -1),
		RunE:    s.target(config.Paused, goal{name: "paused", reached: in(store.StatePaused, store.StateFailed)}),
	})
}

func newResume(p process) *cobra.Command {
	s := &steering{remote: remote{process: p}}
	return s.flags(&cobra.Command{
		Use:   "resume NAME…",
		Short: "Let paused or stopped connectors run again",
		Long: `resume lets connectors run that were paused or stopped, and waits until all of
their tasks run. Tasks that have failed need "engine restart".`,
		Example: "  engine resume orders\n  engine resume orders -wait 0          only ask",
		Args:    takes("names of connectors", 1, -1),
		RunE:    s.target(config.Started, goal{name: "running", reached: runs, healthy: true}),
	})
}

func newStop(p process) *cobra.Command {
	s := &steering{remote: remote{process: p}}
	return s.flags(&cobra.Command{
		Use:   "stop NAME…",
		Short: "Stop connectors, so that their offsets may be changed",
		Long: `stop ends the tasks of connectors until "engine resume", and lets go of all that
they hold. Only then may their offsets be changed.`,
		Example: "  engine stop orders\n  engine stop orders && engine offsets reset orders && engine resume orders",
		Args:    takes("names of connectors", 1, -1),
		RunE:    s.target(config.Stopped, goal{name: "stopped", reached: in(store.StateStopped)}),
	})
}

func newRestart(p process) *cobra.Command {
	s, task, withTasks, onlyFailed := &steering{remote: remote{process: p}}, -1, false, false
	c := &cobra.Command{
		Use:   "restart NAME…",
		Short: "Restart connectors, their tasks, or what of them has failed",
		Long: `restart starts connectors anew: the connector alone, its tasks too with
-include-tasks, of both only what has failed with -only-failed, or one task.`,
		Example: `  engine restart orders -include-tasks
  engine restart orders -include-tasks -only-failed
  engine restart orders -task 0`,
		Args: takes("names of connectors", 1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			one := cmd.Flags().Changed("task")
			switch {
			case one && (withTasks || onlyFailed):
				return usageError(cmd, errors.New("-task restarts one task, so it does not go with -include-tasks or -only-failed"))
			case one && (task < 0 || len(args) != 1):
				return usageError(cmd, errors.New("-task is the number, from 0, of a task of one connector"))
			}
			g := goal{name: "restarted", reached: rests, healthy: true, parts: instance}
			switch {
			case one:
				g.parts = func(st *api.Status) []api.State { return oneTask(st, task) }
			case withTasks:
				g.parts = everything
			}
			return s.steer(cmd.Context(), args, g, func(ctx context.Context, c *api.Client, name string) error {
				if one {
					return c.RestartTask(ctx, name, task)
				}
				return c.Restart(ctx, name, withTasks, onlyFailed)
			})
		},
	}
	c.Flags().IntVar(&task, "task", task, "restart task `N` alone")
	c.Flags().BoolVar(&withTasks, "include-tasks", false, "restart the tasks too")
	c.Flags().BoolVar(&onlyFailed, "only-failed", false, "restart only what has failed")
	return s.flags(c)
}

// goal is what to wait for.
type goal struct {
	name    string // as in "waiting for orders to be paused"
	reached func(sight) bool
	healthy bool                          // a part that has failed has missed it
	parts   func(*api.Status) []api.State // whose states count; nil: everything
}

// sight is what one look at a connector has shown.
type sight struct {
	parts  []api.State
	waited time.Duration // since it was asked for
	looks  int           // this one included
	moved  bool          // a part was on its way at an earlier look
}

// everything is a connector's instance and its tasks.
func everything(s *api.Status) []api.State {
	parts := instance(s)
	for _, t := range s.Tasks {
		parts = append(parts, t.State)
	}
	return parts
}

func instance(s *api.Status) []api.State { return []api.State{s.Connector} }

func oneTask(s *api.Status, n int) []api.State {
	for _, t := range s.Tasks {
		if t.ID == n {
			return []api.State{t.State}
		}
	}
	return nil
}

// in waits until all parts are in one of a few states.
func in(states ...store.State) func(sight) bool {
	return func(s sight) bool {
		return !slices.ContainsFunc(s.parts, func(p api.State) bool { return !slices.Contains(states, p.State) })
	}
}

// onItsWay reports that a part is between states.
func onItsWay(p api.State) bool {
	return p.State == store.StateRestarting || p.State == store.StateUnassigned
}

// By when, and within how many looks, a restart shows in the status: Kafka Connect, distributed, begins with it after it has
// answered, and where the machine is slow a moment is no more than a look.
const (
	restartShows = time.Second
	restartLooks = 5
)

// rests waits until nothing is on its way, having been so.
func rests(s sight) bool {
	return (s.moved || s.waited >= restartShows && s.looks >= restartLooks) && !slices.ContainsFunc(s.parts, onItsWay)
}

// noTasksAfter is when a connector that runs without tasks is taken to have none, rather than not to have made them yet.
const noTasksAfter = 3 * time.Second

// runs waits until all parts run or have failed.
func runs(s sight) bool {
	return in(store.StateRunning, store.StateFailed)(s) &&
		(len(s.parts) > 1 || s.waited >= noTasksAfter || in(store.StateFailed)(s))
}

// target runs a command that asks for a state that lasts.
func (s *steering) target(t config.Target, g goal) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return s.steer(cmd.Context(), args, g, func(ctx context.Context, c *api.Client, name string) error {
			return c.SetTarget(ctx, name, t)
		})
	}
}

// steer asks all connectors first and then waits for each, so that they change side by side.
func (s *steering) steer(ctx context.Context, names []string, g goal, ask func(context.Context, *api.Client, string) error) error {
	return s.do(ctx, func(ctx context.Context, c *api.Client) error {
		var asked []string
		var found diag.List
		for _, name := range names {
			if err := ask(ctx, c, name); err != nil {
				found = append(found, aboutConnector(ctx, c, name, err)...)
				continue
			}
			asked = append(asked, name)
		}
		var list []*api.Status
		for _, name := range asked {
			is, missed := s.await(ctx, c, name, g)
			found = append(found, missed...)
			if is != nil {
				list = append(list, is)
			}
		}
		return (&statusCommand{remote: s.remote}).outcome(look{list: list, missing: found})
	})
}

// How often a state that is waited for is looked at, and when people are told what is waited for.
const (
	lookEvery = 50 * time.Millisecond
	tellAfter = time.Second
)

// await waits until a connector has reached a goal and returns how it is, with what it has missed.
func (s *steering) await(ctx context.Context, c *api.Client, name string, g goal) (*api.Status, diag.List) {
	parts := g.parts
	if parts == nil {
		parts = everything
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	start, told, moved := time.Now(), false, false
	for looks := 1; ; looks++ {
		is, err := c.Status(ctx, name)
		if err != nil {
			return nil, aboutConnector(ctx, c, name, err)
		}
		seen := sight{parts(is), time.Since(start), looks, moved}
		moved = moved || slices.ContainsFunc(seen.parts, onItsWay)
		switch {
		case s.wait <= 0:
			return is, nil
		case g.reached(seen):
			return is, g.missed(is, seen.parts)
		case seen.waited >= s.wait:
			return is, diag.List{diag.New(diag.NotReached, diag.Place{}, "%s is not %s after %s: it is %s, tasks %s. The worker goes on with it; \"engine status %s\" shows how far it is.",
				name, g.name, s.wait, is.Connector.State, tasksOf(is), word(name))}
		case !told && seen.waited >= tellAfter:
			told = true
			_, _ = fmt.Fprintf(s.err, "waiting for %s to be %s: it is %s, tasks %s\n", name, g.name, is.Connector.State, tasksOf(is)) // as in tell
		}
		select {
		case <-ctx.Done():
			return is, explained(ctx.Err())
		case <-tick.C:
		}
	}
}

// missed says that a part has failed, where that counts.
func (g goal) missed(is *api.Status, parts []api.State) diag.List {
	if !g.healthy || !slices.ContainsFunc(parts, func(p api.State) bool { return p.State == store.StateFailed }) {
		return nil
	}
	return diag.List{diag.New(diag.TaskFailed, diag.Place{}, "%s is not %s: %s.", is.Name, g.name, strings.TrimSuffix(strings.Join((&statusCommand{}).failuresOf(is), "; "), "."))}
}
