package transform

import (
	"context"
	"crypto/sha256"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/condition"
)

type dedupeConfig struct {
	By     string `cfg:"by" importance:"high" example:"value.id" doc:"Expression that gives what makes records the same. A record for which it is null is never dropped."`
	Window int    `cfg:"window.records" min:"1" max:"10000000" doc:"How many different records are remembered; the oldest is forgotten first."`
}

var dedupeDefaults = dedupeConfig{By: "key", Window: 100_000} //nolint:gochecknoglobals // a literal

// dedupe drops a record when another one, equal in what the expression gives, came not long before. It remembers in
// memory, a task for itself, so that after a start a record may come twice. A record that is read again, because a sink
// went back to an earlier offset, is the one that was remembered and passes (invariant 2).
type dedupe struct {
	single
	by     *condition.Program
	seen   map[string]*sighting
	order  []string // a ring of the keys of seen, oldest at next once it is full
	next   int
	window int
	number int // number of the batch at hand
	buffer []byte
}

// sighting is where a record was seen.
type sighting struct {
	partition int32
	offset    int64 // where ordered
	ordered   bool  // offsets of the partition count up: on the way to a sink
	batch     int
}

// longKey is the length from which on a hash stands for a key.
const longKey = 64

func newDedupe(plugin.Target) plugin.Transform {
	t := &dedupe{}
	t.each = t.look
	return t
}

// Configure implements [plugin.Transform].
func (t *dedupe) Configure(c plugin.Config) (err error) {
	cfg := dedupeDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	text := c["by"]
	if text == "" {
		text = cfg.By
	}
	if t.by, err = condition.Compile(text); err != nil {
		return condition.At("by", err)
	}
	t.seen, t.order, t.next, t.window = map[string]*sighting{}, nil, 0, cfg.Window
	return nil
}

// Apply implements [plugin.Transform].
func (t *dedupe) Apply(ctx context.Context, b *record.Batch) error {
	t.number++
	return t.single.Apply(ctx, b)
}

func (t *dedupe) look(i int, r *record.Record) error {
	d, err := t.by.Value(r)
	if err != nil || d.Value.IsNull() {
		return err
	}
	t.buffer = d.Value.AppendCanonical(t.buffer[:0])
	if len(t.buffer) > longKey {
		sum := sha256.Sum256(t.buffer)
		t.buffer = append(t.buffer[:0], sum[:]...)
	}
	now := sighting{partition: r.Position.Partition, batch: t.number}
	if t.batch.Side == record.ToSink && r.Position.Offset.Kind() == record.Int64 {
		now.offset, now.ordered = r.Position.Offset.Int(), true
	}
	if before, ok := t.seen[string(t.buffer)]; ok {
		if !before.isAgain(now) {
			t.batch.Drop(i)
			return nil
		}
		*before = now
		return nil
	}
	t.remember(string(t.buffer), now)
	return nil
}

// isAgain reports whether a record is the one that was seen, or an earlier one, read again.
func (s sighting) isAgain(now sighting) bool {
	return s.ordered && now.ordered && s.partition == now.partition && s.batch != now.batch && now.offset <= s.offset
}

func (t *dedupe) remember(key string, s sighting) {
	if len(t.order) < t.window {
		t.order = append(t.order, key)
	} else {
		delete(t.seen, t.order[t.next])
		t.order[t.next] = key
		t.next = (t.next + 1) % t.window
	}
	t.seen[key] = &s
}
