// Package diag holds the messages that people read: what is wrong, where, what was expected and found, and what to do.
//
// Everything a user sees about a mistake or a failure is a [Diagnostic] with a stable [Code]; the codes are listed in
// codes.go and nowhere else. Packages return a [List]; only commands and the REST API print one. Values of sensitive
// settings, keys and payloads never enter a diagnostic (invariant 6).
package diag

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a diagnostic stops the work. The zero value is Error, so that a forgotten severity is not lenient.
type Severity uint8

// The severities.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "Warning"
	}
	return "Error"
}

// Place is a range in a source file. The zero Place means that there is no file. Line and Column start at 1 and count
// lines and Unicode characters; the end is exclusive. Without an end the place is a single character.
type Place struct {
	File      string // as the user wrote it, or relative to the project folder
	Line      int
	Column    int
	EndLine   int
	EndColumn int
	Context   string // the enclosing block, such as `pipeline "orders"`; may be empty
	Hidden    bool   // a secret is written there, so that the text is not shown (invariant 6)
}

// IsZero reports whether there is no file to point at.
func (p Place) IsZero() bool { return p.File == "" }

// String gives file:line:col, the form that editors understand.
func (p Place) String() string {
	switch {
	case p.File == "":
		return ""
	case p.Line == 0:
		return p.File
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// Diagnostic is one message. Summary is a few words without a full stop; Detail is one or more paragraphs that say what
// was expected, what was found and what to do, with lines indented by four blanks kept as they are. Inline code is
// quoted as the user would type it.
type Diagnostic struct {
	Severity Severity
	Code     Code
	Summary  string
	Detail   string
	Place    Place
}

// Error makes a diagnostic usable as an error: one line, with the place when there is one.
func (d *Diagnostic) Error() string {
	var b strings.Builder
	if !d.Place.IsZero() {
		b.WriteString(d.Place.String())
		b.WriteString(": ")
	}
	b.WriteString(d.Summary)
	if d.Code != "" {
		fmt.Fprintf(&b, " [%s]", d.Code)
	}
	if d.Detail != "" {
		b.WriteString(": ")
		b.WriteString(strings.Join(strings.Fields(d.Detail), " "))
	}
	return b.String()
}

// New makes an error diagnostic whose summary is the code's own.
func New(code Code, at Place, format string, args ...any) Diagnostic {
	return Diagnostic{Code: code, Summary: code.Summary(), Place: at, Detail: fmt.Sprintf(format, args...)}
}

// Warn makes a warning whose summary is the code's own.
func Warn(code Code, at Place, format string, args ...any) Diagnostic {
	d := New(code, at, format, args...)
	d.Severity = Warning
	return d
}

// List is any number of diagnostics. A nil List is "nothing to say".
type List []Diagnostic

// HasErrors reports whether at least one entry is an error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Sorted returns the list ordered by file, line, column and code, errors and warnings together.
func (l List) Sorted() List {
	s := slices.Clone(l)
	slices.SortStableFunc(s, func(a, b Diagnostic) int {
		if c := strings.Compare(a.Place.File, b.Place.File); c != 0 {
			return c
		}
		if c := a.Place.Line - b.Place.Line; c != 0 {
			return c
		}
		if c := a.Place.Column - b.Place.Column; c != 0 {
			return c
		}
		return strings.Compare(string(a.Code), string(b.Code))
	})
	return s
}

// Err returns nil when the list has no errors, else an error that unwraps to each of the list's diagnostics.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return &listError{l}
}

type listError struct{ list List }

func (e *listError) Error() string {
	var first *Diagnostic
	more := 0
	for i := range e.list {
		switch {
		case e.list[i].Severity != Error:
		case first == nil:
			first = &e.list[i]
		default:
			more++
		}
	}
	if more > 0 {
		return fmt.Sprintf("%s (and %d more)", first.Error(), more)
	}
	return first.Error()
}

func (e *listError) Unwrap() []error {
	errs := make([]error, len(e.list))
	for i := range e.list {
		errs[i] = &e.list[i]
	}
	return errs
}

// Of returns the diagnostics inside an error: those of a [List], or a single one, or one made of code for an error that
// is none. A nil error gives an empty list.
func Of(err error, code Code) List {
	if err == nil {
		return nil
	}
	if l, ok := errors.AsType[*listError](err); ok {
		return l.list
	}
	if d, ok := errors.AsType[*Diagnostic](err); ok {
		return List{*d}
	}
	return List{New(code, Place{}, "%s", err)}
}
