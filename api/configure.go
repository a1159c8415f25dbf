package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Calls that would change the configuration. In standalone mode the files of the project are the configuration, so that
// all of them are refused with the file to edit (decision D5); what cannot be read at all is said first.

func (s *Server) declared(name string) error {
	return failure(http.StatusMethodNotAllowed, "The configuration of this worker is read from files: edit %s instead. Nothing was changed.", s.File(name))
}

// create answers POST /connectors.
func (s *Server) create(c *call) (answer, error) {
	v, err := c.readJSON()
	if err != nil {
		return answer{}, err
	}
	object, err := members("The body", v, "name", "config", "initial_state")
	if err != nil {
		return answer{}, err
	}
	if _, err := flatMap("config", object["config"]); err != nil {
		return answer{}, err
	}
	if state, given := object["initial_state"]; given && state != nil {
		if !slices.Contains([]string{"RUNNING", "PAUSED", "STOPPED"}, strings.ToUpper(text(state))) {
			return answer{}, failure(http.StatusBadRequest, "initial_state must be RUNNING, PAUSED or STOPPED")
		}
	}
	name := ""
	if n := object["name"]; n != nil {
		name = strings.TrimFunc(fmt.Sprint(n), func(r rune) bool { return r <= ' ' })
	}
	return answer{}, s.declared(name)
}

// replace answers PUT /connectors/{n}/config.
func (s *Server) replace(c *call) (answer, error) {
	if _, err := c.readMap(); err != nil {
		return answer{}, err
	}
	return answer{}, s.declared(c.name())
}

// patch answers PATCH /connectors/{n}/config.
func (s *Server) patch(c *call) (answer, error) {
	if _, err := c.readMap(); err != nil {
		return answer{}, err
	}
	if _, err := s.stored(c); err != nil {
		return answer{}, err
	}
	return answer{}, s.declared(c.name())
}

// remove answers DELETE /connectors/{n}.
func (s *Server) remove(c *call) (answer, error) {
	if _, err := s.stored(c); err != nil {
		return answer{}, err
	}
	return answer{}, s.declared(c.name())
}

// putTasks and fence are what a distributed worker tells its leader.

func (s *Server) putTasks(*call) (answer, error) {
	return answer{}, failure(http.StatusInternalServerError, "Kafka Connect in standalone mode does not support externally setting task configurations.")
}

func (s *Server) fence(*call) (answer, error) {
	return answer{}, failure(http.StatusInternalServerError, "Kafka Connect in standalone mode does not support exactly-once source connectors.")
}
