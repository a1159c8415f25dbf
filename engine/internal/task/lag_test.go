package task_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// TestSinkLagsByItsOldestRecord: while records are in the hands of a sink their age is its lag, and when it has taken all
// there is it lags by nothing.
func TestSinkLagsByItsOldestRecord(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	stamp := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	c.Produce("in", &kgo.Record{Value: []byte("old"), Timestamp: stamp}, &kgo.Record{Value: []byte("young"), Timestamp: stamp.Add(time.Minute)})
	entered, leave := make(chan struct{}), make(chan struct{})
	snk := &plugintest.RecordingSink{OnPut: func(_ context.Context, _ plugin.SinkHost, b *record.Batch) error {
		if len(b.Records) > 0 {
			close(entered)
			<-leave
		}
		return nil
	}}
	r := start(t, sink(t, c, snk, "in", fast))
	<-entered
	if got, want := r.meter.Behind(stamp.Add(2*time.Hour)), 2*time.Hour; got != want {
		t.Errorf("with the records in hand: got %s, want %s", got, want)
	}
	if got := r.meter.Behind(stamp.Add(-time.Hour)); got != 0 {
		t.Errorf("by a clock that is behind: got %s, want 0", got)
	}
	close(leave)
	snk.AwaitRecords(t, 2)
	r.await("no lag", func() bool { return r.meter.Behind(time.Now()) == 0 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	if got := r.meter.Behind(time.Now()); got != -1 {
		t.Errorf("after the end: got %s, want -1", got)
	}
}

// TestSourceLagsByItsNewestRecord: the age of what Kafka took last, by the record's own time.
func TestSourceLagsByItsNewestRecord(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src := &plugintest.ScriptedSource{}
	r := start(t, source(t, c, src, newOffsets()))
	if got := r.meter.Behind(time.Now()); got != -1 {
		t.Errorf("before the first record: got %s, want -1", got)
	}
	stamp := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	src.Push(func(ctx context.Context, b *record.Batch) error {
		err := plugintest.Numbered("a", 0, 2)(ctx, b)
		for i := range b.Records {
			b.Records[i].Timestamp = stamp.Add(time.Duration(i) * time.Second).UnixMilli()
		}
		return err
	})
	r.await("the delivery", func() bool { return r.meter.Delivered.Load() == 2 })
	if got, want := r.meter.Behind(stamp.Add(61*time.Second)), time.Minute; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
}
