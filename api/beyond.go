package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/penstock/penstock/engine/config"
)

// Beyond is what the engine knows of a connector and Kafka Connect's API has no place for: the part that ?expand=engine
// asks for, an addition. Who does not ask never sees it.
type Beyond struct {
	Mark                    // whose it is; standalone, Source is the file, line and block that declare it
	Revision  string        `json:"revision,omitempty"` // of the configuration and its mark: what ETag and If-Match hold
	Current   bool          `json:"current"`            // nothing of an older configuration is left to be replaced
	Target    config.Target `json:"target"`             // what was asked for
	Connector Failures      `json:"connector,omitzero"`
	Tasks     []Progress    `json:"tasks,omitzero"` // by number: those that run on the worker that answers; nil: it does not tell
}

// Failures is how often something has failed, healed failures included, and what follows (decision D9).
type Failures struct {
	Count   int64     `json:"failures"`
	Last    string    `json:"last_error,omitempty"`
	At      time.Time `json:"last_failed,omitzero"`
	Attempt int       `json:"restart_attempt,omitempty"` // of the restart that is planned, in a row; 0: none is
	Next    time.Time `json:"next_restart,omitzero"`
}

// Progress is how far a task has come since the process started.
type Progress struct {
	ID int `json:"id"`
	Failures
	Read         int64    `json:"records_read"`
	Delivered    int64    `json:"records_delivered"`
	Dropped      int64    `json:"records_dropped"`
	Failed       int64    `json:"records_failed"`
	DeadLettered int64    `json:"records_dead_lettered"`
	Lag          *int64   `json:"lag_records"` // null: not known, or a source
	Behind       *float64 `json:"lag_seconds"` // null: not known
}

// beyond is what is known of the connectors of a view.
func (s *Server) beyond(ctx context.Context, v view) (map[string]*Beyond, error) {
	var told map[string]*Beyond
	if s.Beyond != nil {
		var err error
		if told, err = s.Beyond(ctx); err != nil {
			return nil, err
		}
	}
	all := make(map[string]*Beyond, len(v.Connectors))
	for name, c := range v.Connectors {
		b := Beyond{}
		if t := told[name]; t != nil {
			b = *t
		}
		if c.Mark.Source == "" {
			c.Mark.Source = b.Source
		}
		b.Mark, b.Revision, b.Target = c.Mark, revisionOf(c), c.Target
		b.Current = c.Target != config.Started || c.Tasks != nil && c.TasksFor == c.Revision
		all[name] = &b
	}
	return all, nil
}

// Configuration is the configuration that runs and how the project's files were loaded: the body of GET /config, an
// addition.
type Configuration struct {
	Revision  int       `json:"revision"` // counted from 1, the start
	Hash      string    `json:"hash"`     // SHA-256 of names and digests of the files, in hexadecimal
	Since     time.Time `json:"loaded_at"`
	Pipelines int       `json:"pipelines"`
	Files     []File    `json:"files"` // by name
	Last      Load      `json:"last_load"`
	// Rejected is the newest load that was not put into effect; nil: each was.
	Rejected *Rejected `json:"rejected,omitempty"`
}

// File is one of a project's files as it was loaded.
type File struct {
	Name   string `json:"name"`
	Digest string `json:"sha256"` // in hexadecimal
}

// Load is the outcome of one load.
type Load struct {
	At     time.Time `json:"at"`
	Loaded bool      `json:"loaded"` // it was put into effect
}

// Rejected is a load that was not put into effect.
type Rejected struct {
	Since       time.Time   `json:"since"` // of the first such load in a row
	At          time.Time   `json:"at"`    // of the newest
	Files       []string    `json:"files"` // that the messages are about
	Diagnostics Diagnostics `json:"diagnostics"`
}

// Degraded says in a few words what is wrong with the configuration, "" when nothing is.
func (c *Configuration) Degraded() string {
	if c.Last.Loaded {
		return ""
	}
	return "configuration not loaded"
}

func (s *Server) configuration(*call) (answer, error) { return ok(s.Configuration()) }

// Configuration asks for the configuration that runs; nil when the worker does not tell, as one of Kafka Connect.
func (c *Client) Configuration(ctx context.Context) (*Configuration, error) {
	found := &Configuration{}
	err := c.call(ctx, http.MethodGet, "/config", nil, found)
	a, answered := errors.AsType[*AnswerError](err)
	switch {
	case answered && a.Code == http.StatusNotFound, err == nil && found.Revision == 0:
		return nil, nil //nolint:nilnil // nothing is an answer
	case err != nil:
		return nil, err
	}
	return found, nil
}

// withMember adds a member to the JSON of an object.
func withMember(object json.RawMessage, name string, v any) (json.RawMessage, error) {
	value, err := encode(map[string]any{name: v})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(bytes.TrimSpace(object), []byte("}")))
	if len(bytes.TrimSpace(b.Bytes())) > 1 {
		b.WriteByte(',')
	}
	b.Write(value[1:])
	return b.Bytes(), nil
}
