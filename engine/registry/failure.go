package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// failure is an answer that refuses: a status, Confluent's code and the text that clients print (Confluent: rest.exceptions.Errors).
type failure struct {
	status, code int
	message      string
}

func (f *failure) Error() string { return f.message }

func fail(code int, format string, args ...any) error {
	status := code
	if status > 999 {
		status /= 100
	}
	return &failure{status, code, fmt.Sprintf(format, args...)}
}

func noSubject(subject string) error { return fail(40401, "Subject '%s' not found.", subject) }
func noVersion(n int) error          { return fail(40402, "Version %d not found.", n) }
func noSchema() error                { return fail(40403, "Schema not found") }
func noSchemaID(id any) error        { return fail(40403, "Schema %v not found", id) }

func invalidSchema(err error) error { return fail(42201, "Invalid schema: %s", err) }

func notPermitted(format string, args ...any) error { return fail(42205, format, args...) }

func incompatible(subject string, why []string) error {
	return fail(http.StatusConflict, "Schema being registered is incompatible with an earlier schema for subject \"%s\", details: %s", subject, list(why))
}

// list prints as Java prints a list.
func list(all []string) string {
	b := []byte{'['}
	for i, s := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, s...)
	}
	return string(append(b, ']'))
}

// stored says what became of a write.
func stored(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge):
		return fail(42209, "Write failed because schema is too large")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrRecordTimeout):
		return &failure{http.StatusInternalServerError, 50002, doing + ": the write to the broker timed out"}
	default:
		return &failure{http.StatusInternalServerError, 50001, doing + ": the write to the broker failed: " + err.Error()}
	}
}
