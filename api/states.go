package api

import (
	"errors"
	"net/http"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

func (s *Server) pause(c *call) (answer, error)  { return s.target(c, config.Paused) }
func (s *Server) resume(c *call) (answer, error) { return s.target(c, config.Started) }

func (s *Server) target(c *call, t config.Target) (answer, error) {
	err := s.Operator.SetTarget(c.Context(), c.name(), t)
	if isNotFound(err) {
		return answer{}, failure(http.StatusNotFound, "Unknown connector %s", c.name())
	}
	return answer{status: http.StatusAccepted}, err
}

func isNotFound(err error) bool {
	r, refused := errors.AsType[*store.RefusedError](err)
	return refused && r.Refusal == store.NotFound
}

func (s *Server) stop(c *call) (answer, error) {
	err := s.Operator.SetTarget(c.Context(), c.name(), config.Stopped)
	switch {
	case isNotFound(err) && s.Configurer != nil:
		return answer{}, failure(http.StatusNotFound, "Unknown connector %s", c.name())
	case isNotFound(err):
		return answer{}, failure(http.StatusInternalServerError, "No connector `%s` configured", c.name())
	}
	return answer{status: http.StatusNoContent}, err
}

// restart answers POST /connectors/{n}/restart (KIP-745): without flags the connector alone restarts and the answer waits
// for it; with flags the answer is what will restart.
func (s *Server) restart(c *call) (answer, error) {
	includeTasks, onlyFailed := c.flag("includeTasks"), c.flag("onlyFailed")
	v, err := s.fresh(c)
	if err != nil {
		return answer{}, err
	}
	if _, exists := v.Connectors[c.name()]; !exists {
		return answer{}, failure(http.StatusNotFound, "Unknown connector: %s", c.name())
	}
	if !includeTasks && !onlyFailed {
		return answer{status: http.StatusNoContent}, s.restartInstance(c)
	}
	is := s.statusOf(v, c.name())
	if is == nil {
		return answer{}, failure(http.StatusNotFound, "Status for connector %s not found", c.name())
	}
	chosen := func(st *state) bool {
		if onlyFailed && st.State != store.StateFailed {
			return false
		}
		st.State = store.StateRestarting
		return true
	}
	instance := chosen(&is.Connector)
	var tasks []int
	for n := range is.Tasks {
		if includeTasks && chosen(&is.Tasks[n].state) {
			tasks = append(tasks, n)
		}
	}
	if instance || len(tasks) > 0 {
		if err := s.restartSome(c, instance, tasks); err != nil {
			return answer{}, err
		}
	}
	return answer{status: http.StatusAccepted, body: is}, nil
}

// restartInstance restarts the connector alone, and fails when that fails.
func (s *Server) restartInstance(c *call) error {
	err := s.Operator.Restart(c.Context(), c.name(), true, nil)
	if _, refused := errors.AsType[*store.RefusedError](err); err == nil || refused || s.Configurer == nil {
		return err
	}
	return failure(http.StatusInternalServerError, "Failed to start connector: %s", c.name())
}

// restartSome restarts what the answer names. That an instance fails again is seen in its status, not in the answer.
func (s *Server) restartSome(c *call, instance bool, tasks []int) error {
	err := s.Operator.Restart(c.Context(), c.name(), instance, tasks)
	if _, refused := errors.AsType[*store.RefusedError](err); err == nil || refused {
		return err
	}
	v, unread := s.view(c)
	if is := s.statusOf(v, c.name()); unread == nil && is != nil && is.Connector.State == store.StateFailed {
		return nil
	}
	return err
}

func (s *Server) restartTask(c *call) (answer, error) {
	n, err := c.task()
	if err != nil {
		return answer{}, err
	}
	v, err := s.fresh(c)
	if err != nil {
		return answer{}, err
	}
	conn, exists := v.Connectors[c.name()]
	switch {
	case !exists && (c.Method == http.MethodGet || s.Configurer != nil):
		return answer{}, failure(http.StatusNotFound, "Unknown connector: %s", c.name())
	case !exists:
		return answer{}, failure(http.StatusInternalServerError, "Failed to start task %s-%d since it is not a recognizable type (source or sink)", c.name(), n)
	case (n < 0 || n >= len(conn.Tasks)) && s.Configurer != nil:
		return answer{}, failure(http.StatusNotFound, "Unknown task: %s-%d", c.name(), n)
	case n < 0 || n >= len(conn.Tasks):
		return answer{}, failure(http.StatusNotFound, "Task %s-%d not found", c.name(), n)
	}
	return answer{status: http.StatusNoContent}, s.Operator.Restart(c.Context(), c.name(), false, []int{n})
}

// setTaskStatus answers PUT /connectors/{n}/tasks/{i}/status, an addition: {"state":"PAUSED"} holds one task and
// {"state":"RUNNING"} lets it go on.
func (s *Server) setTaskStatus(c *call) (answer, error) {
	n, err := c.task()
	if err != nil {
		return answer{}, err
	}
	v, err := c.readJSON()
	if err != nil {
		return answer{}, err
	}
	object, err := members("The body", v, "state")
	if err != nil {
		return answer{}, err
	}
	target := map[any]config.Target{"PAUSED": config.Paused, "RUNNING": config.Started}[text(object["state"])]
	if target == "" {
		return answer{}, failure(http.StatusBadRequest, `The state of a task can be set to "PAUSED" or "RUNNING"`)
	}
	err = s.Operator.SetTaskTarget(c.Context(), c.name(), n, target)
	return answer{status: http.StatusAccepted}, err
}

// text is a JSON string, "" for everything else.
func text(v any) string {
	s, _ := v.(string)
	return s
}
