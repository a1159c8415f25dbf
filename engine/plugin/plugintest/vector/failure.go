package vector

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
)

// Error is a recorded failure.
type Error struct {
	Stage   string // such as "configure", "apply", "encode.value"
	Index   int    // of the transform or call, where the stage has one
	Class   string
	Message *string // nil is null
	Causes  []struct {
		Class   string
		Message *string
	}
}

// Check says how a failure at a stage differs from the recorded one, the receiver, which is nil when none was recorded. A
// nil err is no failure. Texts count where the recorded class is one of Kafka's; a DataException wants a
// [plugin.DataError], a ConfigException a [plugin.ConfigError].
func (e *Error) Check(stage string, index int, err error) error {
	switch {
	case e == nil && err == nil:
		return nil
	case e == nil:
		return fmt.Errorf("got an error at %s: %w", stage, err)
	case err == nil:
		return fmt.Errorf("got no error, want one at %s: %s", e.Stage, e.text())
	case stage != e.Stage || index != e.Index:
		return fmt.Errorf("got an error at %s %d, want it at %s %d: %s; it is: %w", stage, index, e.Stage, e.Index, e.text(), err)
	case !strings.HasPrefix(e.Class, "org.apache.kafka"):
		return nil
	case !e.matches(err.Error()):
		return fmt.Errorf("error:\n got %w\nwant %s", err, e.text())
	}
	return e.checkClass(err)
}

func (e *Error) checkClass(err error) error {
	switch class := e.Class[strings.LastIndexByte(e.Class, '.')+1:]; class {
	case "DataException", "SchemaBuilderException", "SchemaProjectorException":
		if _, ok := errors.AsType[*plugin.DataError](err); !ok {
			return fmt.Errorf("got a %T, want a DataError for %s", err, class)
		}
	case "ConfigException":
		if _, ok := errors.AsType[*plugin.ConfigError](err); !ok {
			return fmt.Errorf("got a %T, want a ConfigError for %s", err, class)
		}
	}
	return nil
}

func (e *Error) text() string {
	if e.Message == nil {
		return ""
	}
	return *e.Message
}

// matches compares messages; the recording has @* for an identity hash code, and U+FFFD for lone surrogates.
func (e *Error) matches(got string) bool {
	want := e.text()
	got = strings.ToValidUTF8(got, "\ufffd")
	if got == want || !strings.Contains(want, "@*") {
		return got == want
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `@\*`, `@[0-9a-f]+`)
	ok, err := regexp.MatchString("^"+pattern+"$", got)
	return err == nil && ok
}
