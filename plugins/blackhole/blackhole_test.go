package blackhole_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/blackhole"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	plugintest.Sink(t, blackhole.Descriptor(), plugintest.Env{
		Config:  func(testing.TB) plugin.Config { return plugin.Config{} },
		Invalid: []plugin.Config{{"delay.ms": "-1"}, {"delay.ms": "soon"}},
	})
}

func TestPutTakesItsDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		task := blackhole.Descriptor().NewSink().NewTask()
		if err := task.Start(t.Context(), &plugintest.Host{}, plugin.Config{"delay.ms": "1500"}); err != nil {
			t.Fatal(err)
		}
		b := record.NewBatch(record.ToSink, &record.Partitions{})
		for range 3 {
			b.Append()
		}
		b.Drop(1)
		start := time.Now()
		if err := task.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got, want := time.Since(start), 1500*time.Millisecond; got != want {
			t.Errorf("put took %v, want %v", got, want)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := task.Put(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("put that is ended: got %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
