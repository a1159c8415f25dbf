package plugin

import (
	"errors"
	"fmt"
	"time"
)

// RetryError marks what is worth another try (Kafka Connect: RetriableException).
type RetryError struct {
	Err   error
	After time.Duration // at least so long from now; 0 leaves the wait to the engine
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// Retry marks err as worth another try, not before after has passed. A nil error stays nil.
func Retry(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &RetryError{err, after}
}

// IsRetry reports whether err is marked by Retry, and its wait.
func IsRetry(err error) (after time.Duration, ok bool) {
	if r, ok := errors.AsType[*RetryError](err); ok {
		return r.After, true
	}
	return 0, false
}

// PermanentError marks what a restart of the task cannot cure, so that the engine does not try.
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

// Permanent marks err as one that a restart cannot cure. A nil error stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{err}
}

// ConfigError is a setting that a plugin cannot accept (Kafka Connect: ConfigException). Reason is a sentence for people;
// it has no value of a sensitive setting in it.
type ConfigError struct {
	Key    string // without prefix; "" when no single setting is at fault
	Reason string
	// From and To say which characters (runes) of the value's text are at fault, From counting from 0 and To not
	// included; To 0: all of it.
	From, To   int
	Expression bool // the value is an expression over records that cannot be compiled
}

func (e *ConfigError) Error() string { return e.Reason }

// Invalid makes the ConfigError of a value, in Kafka Connect's words.
func Invalid(key, value, reason string) *ConfigError {
	s := fmt.Sprintf("Invalid value %s for configuration %s", value, key)
	if reason != "" {
		s += ": " + reason
	}
	return &ConfigError{Key: key, Reason: s}
}

// DataError is a record that cannot be worked on (Kafka Connect: DataException), as opposed to a failure of a system.
type DataError struct {
	Reason string
	Masked string // Reason without what the record holds, where that is in it; "": it is not
	Field  string // path of the field that is at fault, "" where that is the whole, or in the reason
	Err    error  // a cause, or nil
}

func (e *DataError) Error() string { return e.Reason }
func (e *DataError) Unwrap() error { return e.Err }

// Data makes a DataError.
func Data(format string, args ...any) *DataError {
	return &DataError{Reason: fmt.Sprintf(format, args...)}
}
