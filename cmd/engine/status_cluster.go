package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/store"
)

// showCluster prints who is in a worker's cluster and who runs what.
func (r *remote) showCluster(ctx context.Context, c *api.Client) error {
	p, err := c.Plan(ctx)
	if a, ok := errors.AsType[*api.AnswerError](err); ok && a.Code == http.StatusNotFound {
		return refusal(diag.New(diag.WorkerRefused, diag.Place{}, "The worker at %s is not one of a cluster: engine run, or a worker of Kafka Connect. \"engine status\" shows its connectors.", c.URL()))
	}
	if err != nil {
		return err
	}
	if r.json {
		return printJSON(r.out, p)
	}
	statuses, err := c.Statuses(ctx)
	if err != nil {
		return err
	}
	runsAt := map[placement]string{} // as who runs it says
	for _, s := range statuses {
		runsAt[placement{s.Name, store.Instance}] = s.Connector.WorkerID
		for _, t := range s.Tasks {
			runsAt[placement{s.Name, t.ID}] = t.WorkerID
		}
	}
	address := map[string]string{}
	for _, m := range p.Members {
		address[m.ID] = cmp.Or(m.Address, m.ID)
	}
	connectors, tasks := map[string]int{}, map[string]int{}
	runs := [][]string{{"CONNECTOR", "TASK", "WORKER", ""}}
	for _, pl := range p.Placements {
		if !pl.Leaving {
			count := tasks
			if pl.Task == store.Instance {
				count = connectors
			}
			count[pl.Member]++
		}
		there := runsAt[placement{pl.Connector, pl.Task}] == address[pl.Member]
		runs = append(runs, placed(pl, address, there))
	}
	workers := [][]string{{"WORKER", "ROLE", "CONNECTORS", "TASKS"}}
	for _, m := range p.Members {
		role := "-"
		if m.ID == p.Leader {
			role = "leader"
		}
		workers = append(workers, []string{address[m.ID], role, strconv.Itoa(connectors[m.ID]), strconv.Itoa(tasks[m.ID])})
	}
	if err := table(r.out, workers); err != nil || len(runs) == 1 {
		return err
	}
	if _, err := io.WriteString(r.out, "\n"); err != nil {
		return err
	}
	return table(r.out, runs)
}

// placement names an instance or a task.
type placement struct {
	connector string
	task      int
}

// placed is one line of who runs what, with what is still to come about; there: the member says that it has it.
func placed(pl api.PlanPlacement, address map[string]string, there bool) []string {
	task, note := strconv.Itoa(pl.Task), ""
	if pl.Task == store.Instance {
		task = "-"
	}
	name := func(member string) string { return cmp.Or(address[member], member) }
	switch {
	case pl.Leaving:
		note = "stopping"
	case address[pl.Member] == "":
		note = "gone; others wait for it to come back"
	case pl.Follows != "" && !there:
		note = fmt.Sprintf("is to be taken over from %s", name(pl.Follows))
	}
	return []string{pl.Connector, task, name(pl.Member), note}
}
