package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
)

// Error is a refusal of the registry, in the words of Confluent's RestClientException.
type Error struct {
	Status  int // of HTTP
	Code    int // of the registry, such as 40401
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%s; error code: %d", e.Message, e.Code) }

// unreachable is a question that got no answer.
type unreachable struct{ err error }

func (e *unreachable) Error() string { return e.err.Error() }
func (e *unreachable) Unwrap() error { return e.err }

// unparsable is Confluent's code for an answer that is none of a registry.
const unparsable = 50005

// explain makes an Error of the client's, and marks what got no answer.
func explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*sr.ResponseError](err)
	switch {
	case ok && e.ErrorCode == 0:
		shown := strings.ToValidUTF8(string(e.Raw[:min(len(e.Raw), 200)]), "?")
		return &Error{e.StatusCode, unparsable, "Unable to parse error message from schema registry: '(" + shown + ")'"}
	case ok:
		return &Error{e.StatusCode, e.ErrorCode, e.Message}
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	case passing(err):
		return &unreachable{err}
	}
	return err
}

// isMissing says whether the registry has no such subject, version or schema.
func isMissing(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusNotFound && e.Code >= 40401 && e.Code <= 40403
}

// passing says whether the same question may get another answer a moment later.
func passing(err error) bool {
	if e, ok := errors.AsType[*sr.ResponseError](err); ok {
		return slices.Contains([]int{
			http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		}, e.StatusCode)
	}
	// The client's only other errors are those of transport, whose type says so, and those of an answer that is no JSON.
	_, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok
}

// classify puts a failure into the form that the engine's policies act on: worth another try, or a record that cannot be
// converted. During says what was going on, outer is the converter's sentence, network its beginning for what got no answer.
func classify(err error, during, outer, network string) error {
	if _, ok := errors.AsType[*plugin.DataError](err); ok {
		return err // of the mapping, or already in its form
	}
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("%s: %w", during, err)
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return plugin.Retry(fmt.Errorf("%s: %w", during, err), 0)
		}
	}
	if _, ok := errors.AsType[*unreachable](err); ok {
		return plugin.Retry(fmt.Errorf("%s%s: %w", network, during, err), 0)
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", during, err)
	}
	return &plugin.DataError{Reason: outer, Err: fmt.Errorf("%s: %w", during, err)}
}
