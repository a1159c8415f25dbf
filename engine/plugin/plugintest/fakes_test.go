package plugintest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

var errWanted = errors.New("wanted")

func TestScriptedSourceFollowsItsScript(t *testing.T) {
	t.Parallel()
	s := &plugintest.ScriptedSource{}
	task := s.Descriptor().NewSource().NewTask()
	if err := task.Start(t.Context(), &plugintest.Host{}, plugin.Config{"topic": "x"}, &plugintest.Offsets{}); err != nil {
		t.Fatal(err)
	}
	s.Push(
		plugintest.Numbered("a", 3, 2),
		plugintest.EndsTransaction(true, plugintest.Emit(plugintest.Row{Partition: "b", Offset: 9, Key: "k", Value: "v"})),
		plugintest.Fails(plugin.Retry(errWanted, time.Second), plugintest.Numbered("a", 5, 1)),
	)

	b := record.NewBatch(record.FromSource, &record.Partitions{})
	for range 2 {
		if err := task.Poll(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	err := task.Poll(t.Context(), b)
	if after, ok := plugin.IsRetry(err); !ok || after != time.Second || !errors.Is(err, errWanted) {
		t.Errorf("third poll: got %v, want a retry of %v", err, errWanted)
	}
	var got []string
	for _, r := range b.Records {
		got = append(got, r.Topic+" "+plugintest.PartitionText(b.Partitions.At(r.Position.Partition))+" "+r.Value.Value.Text())
	}
	want := []string{"scripted a 3", "scripted a 4", "scripted b v", "scripted a 5"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]record.Boundary{{End: 3, Abort: true}}, b.Boundaries()); d != "" {
		t.Errorf("boundaries (-want +got):\n%s", d)
	}

	last := b.Records[3].Position
	if err := task.(plugin.Committer).Committed(t.Context(), []record.Position{last}); err != nil {
		t.Fatal(err)
	}
	if got := s.Committed(b.Partitions)["a"]; !got.Equal(plugintest.Offset(5)) {
		t.Errorf("committed offset of a: got %v, want 5", got)
	}
	if got, want := s.Sequence(), "0:task.start 0:task.poll 0:task.committed"; got != want {
		t.Errorf("journal: got %q, want %q", got, want)
	}
}

func TestScriptedPollWaitsForAStepOrTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &plugintest.ScriptedSource{}
		task := s.Descriptor().NewSource().NewTask()
		b := record.NewBatch(record.FromSource, &record.Partitions{})

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- task.Poll(ctx, b) }()
		synctest.Wait()
		s.Push(plugintest.Numbered("a", 0, 1))
		if err := <-done; err != nil || len(b.Records) != 1 {
			t.Fatalf("poll after a push: got %v and %d records, want one record", err, len(b.Records))
		}

		go func() { done <- task.Poll(ctx, b) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("poll whose context is done: got %v, want nil", err)
		}
		s.Push(plugintest.Blocks())
		if err := task.Poll(ctx, b); err != nil || s.Pending() != 1 {
			t.Errorf("a poll with a done context took a step: %v, %d pending", err, s.Pending())
		}
	})
}

func TestRecordingSinkKeepsWhatItAccepted(t *testing.T) {
	t.Parallel()
	s := &plugintest.RecordingSink{OnPut: func(_ context.Context, h plugin.SinkHost, b *record.Batch) error {
		switch b.Records[0].Value.Value.Text() {
		case "again":
			return plugin.Retry(errWanted, 0)
		case "mixed":
			b.Fail(1, errWanted)
			h.RequestCommit()
		}
		return nil
	}}
	h := &plugintest.Host{}
	task := s.Descriptor().NewSink().NewTask()
	if err := task.Start(t.Context(), h, nil); err != nil {
		t.Fatal(err)
	}
	b := record.NewBatch(record.ToSink, &record.Partitions{})
	put := func(values ...string) error {
		b.Reset()
		for i, v := range values {
			r := b.Append()
			r.Value.Value, r.Position.Offset = b.Text([]byte(v)), record.OfInt64(int64(i))
		}
		return task.Put(t.Context(), b)
	}
	if err := put("again", "x"); !errors.Is(err, errWanted) {
		t.Errorf("put of again: got %v, want %v", err, errWanted)
	}
	if err := put("mixed", "bad", "good"); err != nil {
		t.Errorf("put of mixed: %v", err)
	}
	b.Reset()
	if d := cmp.Diff([]string{"mixed", "good"}, s.Texts()); d != "" {
		t.Errorf("received (-want +got):\n%s", d)
	}
	s.AwaitRecords(t, 2)
	s.AwaitCalls(t, "task.put", 2)
	if got := h.Asked().Commits; got != 1 {
		t.Errorf("requested commits: got %d, want 1", got)
	}
}

func TestFakesShowOnlyTheAbilitiesTheyAreGiven(t *testing.T) {
	t.Parallel()
	for _, bare := range []bool{false, true} {
		source := (&plugintest.ScriptedSource{Bare: bare}).Descriptor().NewSource()
		sink := (&plugintest.RecordingSink{Bare: bare}).Descriptor().NewSink()
		_, committer := source.NewTask().(plugin.Committer)
		_, alterer := source.(plugin.OffsetAlterer)
		_, opener := sink.NewTask().(plugin.Opener)
		_, preCommitter := sink.NewTask().(plugin.PreCommitter)
		if committer == bare || alterer == bare || opener == bare || preCommitter {
			t.Errorf("bare %v: got Committer %v, OffsetAlterer %v, Opener %v, PreCommitter %v", bare, committer, alterer, opener, preCommitter)
		}
	}
	s := &plugintest.RecordingSink{OnPreCommit: func(_ context.Context, c map[plugin.TopicPartition]int64) (map[plugin.TopicPartition]int64, error) {
		return c, nil
	}}
	if _, ok := s.Descriptor().NewSink().NewTask().(plugin.PreCommitter); !ok {
		t.Error("a recording sink with OnPreCommit is no PreCommitter")
	}
}
