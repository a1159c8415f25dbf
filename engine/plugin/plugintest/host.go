package plugintest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Host is the engine's side for a test of a plugin: it does what the contract says a host does, which is to take note.
// The zero Host logs nothing. It is safe for concurrent use.
type Host struct {
	Log *slog.Logger // nil: nothing is kept

	mu       sync.Mutex
	asked    Asked
	reported chan struct{} // closed at the first Fail or Reconfigure; nil when nobody waits
}

// Asked is what a plugin asked of its host.
type Asked struct {
	Reconfigure int
	Failed      error // the first
	Rewound     map[plugin.TopicPartition]int64
	Paused      []plugin.TopicPartition // by topic and partition
	Timeout     time.Duration
	Commits     int
}

var (
	_ plugin.Host     = (*Host)(nil)
	_ plugin.SinkHost = (*Host)(nil)
)

// Asked copies what was asked so far.
func (h *Host) Asked() Asked {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.asked
	a.Rewound, a.Paused = maps.Clone(a.Rewound), slices.Clone(a.Paused)
	return a
}

// Logger is Log, or one that keeps nothing.
func (h *Host) Logger() *slog.Logger {
	if h.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.Log
}

// Reconfigure counts.
func (h *Host) Reconfigure() { h.note(func(a *Asked) { a.Reconfigure++ }) }

// Fail keeps the first error.
func (h *Host) Fail(err error) {
	h.note(func(a *Asked) {
		if a.Failed == nil {
			a.Failed = err
		}
	})
}

// Rewind merges the wanted offsets.
func (h *Host) Rewind(offsets map[plugin.TopicPartition]int64) {
	h.note(func(a *Asked) {
		if a.Rewound == nil {
			a.Rewound = map[plugin.TopicPartition]int64{}
		}
		maps.Copy(a.Rewound, offsets)
	})
}

// Pause adds partitions to those that are paused.
func (h *Host) Pause(ps ...plugin.TopicPartition) {
	h.note(func(a *Asked) {
		for _, p := range ps {
			if !slices.Contains(a.Paused, p) {
				a.Paused = append(a.Paused, p)
			}
		}
	})
}

// Resume takes partitions from those that are paused.
func (h *Host) Resume(ps ...plugin.TopicPartition) {
	h.note(func(a *Asked) {
		a.Paused = slices.DeleteFunc(slices.Clone(a.Paused), func(p plugin.TopicPartition) bool { return slices.Contains(ps, p) })
	})
}

// Timeout keeps the last wish.
func (h *Host) Timeout(d time.Duration) { h.note(func(a *Asked) { a.Timeout = d }) }

// RequestCommit counts.
func (h *Host) RequestCommit() { h.note(func(a *Asked) { a.Commits++ }) }

func (h *Host) note(f func(*Asked)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.asked)
	if h.reported != nil {
		close(h.reported)
		h.reported = nil
	}
}

// Await waits until ok holds of what was asked.
func (h *Host) Await(t testing.TB, what string, ok func(Asked) bool) {
	t.Helper()
	deadline := patience(t)
	for {
		h.mu.Lock()
		if ok(h.asked) {
			h.mu.Unlock()
			return
		}
		if h.reported == nil {
			h.reported = make(chan struct{})
		}
		reported := h.reported
		h.mu.Unlock()
		select {
		case <-reported:
		case <-deadline:
			t.Fatalf("waiting for %s: the plugin asked for %+v", what, h.Asked())
		}
	}
}

// Offsets is a store of source offsets for a test of a plugin. It hands out what a JSON store would: integers as Int64,
// fractions as Float64. The zero Offsets is empty. It is safe for concurrent use.
type Offsets struct {
	mu    sync.Mutex
	byKey map[string]record.Value
}

// Set stores an offset; null takes it away.
func (o *Offsets) Set(partition, offset record.Value) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKey == nil {
		o.byKey = map[string]record.Value{}
	}
	key := string(partition.AppendCanonical(nil))
	if offset.IsNull() {
		delete(o.byKey, key)
		return
	}
	o.byKey[key] = asStored(offset.Clone())
}

// Store sets the offsets of a batch as a task does that has delivered the records before end.
func (o *Offsets) Store(b *record.Batch, end int) {
	for _, r := range b.Records[:end] {
		o.Set(b.Partitions.At(r.Position.Partition), r.Position.Offset)
	}
}

// Read returns stored offsets as [plugin.Offsets] says.
func (o *Offsets) Read(ctx context.Context, partitions ...record.Value) ([]record.Value, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	vs := make([]record.Value, len(partitions))
	for i, p := range partitions {
		vs[i] = o.byKey[string(p.AppendCanonical(nil))]
	}
	return vs, nil
}

// asStored widens numbers as JSON does.
func asStored(v record.Value) record.Value {
	switch v.Kind() {
	case record.Int8, record.Int16, record.Int32:
		return record.OfInt64(v.Int())
	case record.Float32:
		return record.OfFloat64(v.Float())
	case record.Map:
		pairs := slices.Clone(v.Elements())
		for i := range pairs {
			pairs[i] = asStored(pairs[i])
		}
		return record.OfMap(pairs)
	default:
		return v
	}
}
