package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/penstock/penstock/store"
)

// answer is what a handler gives back. The zero body is none.
type answer struct {
	status int
	body   any
	write  func(w http.ResponseWriter) // in place of body: it sets the content type
}

func ok(body any) (answer, error) { return answer{status: http.StatusOK, body: body}, nil }

// problem is an error with a status of its own; its JSON is the body of errors.
type problem struct {
	Code        int         `json:"error_code"`
	Message     string      `json:"message"`
	Diagnostics Diagnostics `json:"diagnostics,omitempty"` // of POST /reload only
}

func (p *problem) Error() string { return p.Message }

func (p *problem) json() []byte {
	b, _ := encode(p) // a number and a text have JSON
	return b
}

func failure(code int, format string, args ...any) *problem {
	return &problem{Code: code, Message: fmt.Sprintf(format, args...)}
}

// standard is an error with the text that JAX-RS gives to a status.
func standard(code int) *problem {
	reason := http.StatusText(code)
	return &problem{Code: code, Message: fmt.Sprintf("HTTP %d %s", code, reason)}
}

// problemOf gives an error a status: that of a problem, that which fits a refusal, else 500 (Kafka Connect:
// ConnectExceptionMapper).
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if r, ok := errors.AsType[*store.RefusedError](err); ok {
		code := http.StatusInternalServerError
		switch r.Refusal {
		case store.NotFound:
			code = http.StatusNotFound
		case store.Invalid:
			code = http.StatusBadRequest
		case store.Exists, store.Conflict, store.Outdated, store.Busy:
			code = http.StatusConflict
		case store.Expired, store.Unstored:
		}
		return &problem{Code: code, Message: r.Reason}
	}
	if errors.Is(err, store.ErrClosed) {
		return failure(http.StatusInternalServerError, "Worker is shutting down")
	}
	return &problem{Code: http.StatusInternalServerError, Message: err.Error()}
}

// longest is up to how many bytes an answer carries its length; longer ones go in chunks, as Jersey does.
const longest = 8192

func encode(body any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, fmt.Errorf("write an answer: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// send writes an answer or an error. A client that is gone hears nothing, which is nobody's error.
func send(w http.ResponseWriter, a answer, err error) {
	var body []byte
	switch {
	case err != nil:
		p := problemOf(err)
		a.status, body = p.Code, p.json()
	case a.write != nil:
		a.write(w)
		return
	case a.body != nil:
		if body, err = encode(a.body); err != nil {
			p := problemOf(err)
			a.status, body = p.Code, p.json()
		}
	}
	h := w.Header()
	if body != nil {
		h.Set("Content-Type", "application/json")
	}
	if a.status != http.StatusNoContent && len(body) <= longest {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}
