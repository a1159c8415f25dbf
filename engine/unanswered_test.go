package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/memory"
)

// TestARequestThatNobodyAnswers is given up after half a minute, with who should have answered and, as far as it is known here,
// why not.
func TestARequestThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.Open()
		defer st.Close() //nolint:errcheck // of a test of something else
		e := engine.New(engine.Settings{Worker: &config.Worker{}, Store: st, Logger: slog.New(slog.DiscardHandler)})
		for _, c := range []struct {
			leader  string
			trouble error
			want    string
		}{
			{"", nil, "no worker leads, as far as this one knows"},
			{"w2:8083/X", nil, "the leader is w2:8083/X"},
			{"here", errors.New("the reason"), "this worker leads and cannot answer: the reason"},
		} {
			e.Knows(c.leader, c.trouble)
			begun := time.Now()
			err := e.Delete(t.Context(), store.DeleteConnector{Name: "a"})
			if err == nil || !strings.Contains(err.Error(), c.want) || time.Since(begun) != 30*time.Second {
				t.Errorf("got %v after %s, want %q after 30s", err, time.Since(begun), c.want)
			}
		}
	})
}

// hanging is a store whose broker is away when it has statuses to write.
type hanging struct{ store.Store }

func (h hanging) Statuses() store.Statuses { return hangingStatuses{h.Store.Statuses()} }

type hangingStatuses struct{ store.Statuses }

func (hangingStatuses) Put(ctx context.Context, _ store.Status) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestARestartThatCannotBeMarked is given up in the time of any other call, however many statuses there are.
func TestARestartThatCannotBeMarked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.Open()
		defer st.Close() //nolint:errcheck // of a test of something else
		for task := store.Instance; task < 5; task++ {
			if err := st.Statuses().Put(t.Context(), store.Status{Connector: "a", Task: task, State: store.StateRunning}); err != nil {
				t.Fatal(err)
			}
		}
		e := engine.New(engine.Settings{Worker: &config.Worker{}, Store: hanging{st}, Logger: slog.New(slog.DiscardHandler)})
		begun := time.Now()
		err := e.Restart(t.Context(), "a", true, []int{0, 1, 2, 3, 4})
		if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "not answered within 30s") || took > 35*time.Second {
			t.Errorf("got %v after %s", err, took)
		}
	})
}
