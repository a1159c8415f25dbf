package kafka

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestAWarningIsToldOnceAMinute a client and broker, however often the library says it; the rest is there for who looks
// for a fault.
func TestAWarningIsToldOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		l := &logger{to: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		for range 100 {
			l.Log(kgo.LogLevelWarn, "no connection", "addr", "a:1", "err", "refused")
			l.Log(kgo.LogLevelWarn, "no connection", "addr", "b:1", "err", "refused")
			l.Log(kgo.LogLevelWarn, "alone")
			<-time.After(time.Second)
		}
		for what, want := range map[string]int{"level=WARN": 6, "level=WARN msg=\"no connection\" addr=a:1": 2, "level=WARN msg=alone": 2, "level=DEBUG": 294} {
			if got := strings.Count(said.String(), what); got != want {
				t.Errorf("%q is there %d times, want %d", what, got, want)
			}
		}
	})
}
