package api

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/penstock/penstock/engine/diag"
)

// Reloaded is what reading a project again has done: the body of POST /reload. With errors among the diagnostics nothing
// has changed.
type Reloaded struct {
	Revision    int         `json:"revision"` // of the files that run, counted from 1, the start
	Loaded      bool        `json:"loaded"`   // this is a new revision; false when nothing has changed since the last one
	Created     []string    `json:"created"`
	Changed     []string    `json:"changed"`
	Deleted     []string    `json:"deleted"`
	Untouched   int         `json:"untouched"`
	Diagnostics Diagnostics `json:"diagnostics"`
}

// Diagnostics are messages about files as JSON. Texts of the files are not among it.
type Diagnostics diag.List

// message is a [diag.Diagnostic] as JSON; without a file its place is left out.
type message struct {
	Severity string    `json:"severity"` // "error" or "warning"
	Code     diag.Code `json:"code"`
	Summary  string    `json:"summary"`
	Detail   string    `json:"detail"`
	File     string    `json:"file,omitempty"`
	Line     int       `json:"line,omitempty"`
	Column   int       `json:"column,omitempty"`
	Context  string    `json:"context,omitempty"`
}

const (
	errorSeverity   = "error"
	warningSeverity = "warning"
)

// MarshalJSON writes an array, also of no messages.
func (l Diagnostics) MarshalJSON() ([]byte, error) {
	out := make([]message, 0, len(l))
	for _, d := range l {
		m := message{errorSeverity, d.Code, d.Summary, d.Detail, d.Place.File, d.Place.Line, d.Place.Column, d.Place.Context}
		if d.Severity == diag.Warning {
			m.Severity = warningSeverity
		}
		out = append(out, m)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. Where a place ends is not part of that.
func (l *Diagnostics) UnmarshalJSON(b []byte) error {
	var in []message
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*l = nil
	for _, m := range in {
		d := diag.Diagnostic{
			Code: m.Code, Summary: m.Summary, Detail: m.Detail,
			Place: diag.Place{File: m.File, Line: m.Line, Column: m.Column, Context: m.Context},
		}
		if m.Severity == warningSeverity {
			d.Severity = diag.Warning
		}
		*l = append(*l, d)
	}
	return nil
}

// reload answers POST /reload, an addition: 400 with the diagnostics when the files have errors, 500 when they have none
// but could not be put into effect.
func (s *Server) reload(c *call) (answer, error) {
	done, err := s.Reload(c.Context())
	if err != nil {
		return answer{}, err
	}
	if diag.List(done.Diagnostics).HasErrors() {
		p := failure(http.StatusBadRequest, "The files have errors, so nothing was changed; revision %d runs on", done.Revision)
		if slices.ContainsFunc(done.Diagnostics, func(d diag.Diagnostic) bool { return d.Code == diag.NotApplied }) {
			p = failure(http.StatusInternalServerError, "The files are right, but could not be put into effect; revision %d runs on", done.Revision)
		}
		p.Diagnostics = done.Diagnostics
		return answer{}, p
	}
	for _, names := range []*[]string{&done.Created, &done.Changed, &done.Deleted} {
		if *names == nil {
			*names = []string{}
		}
	}
	return ok(done)
}
