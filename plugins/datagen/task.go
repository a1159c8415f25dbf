package datagen

import (
	"context"
	"errors"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Members of the source partition {"task": k} and of the offset {"row": n}, n being the last row delivered.
const (
	taskField = "task"
	rowField  = "row"
)

// task makes the rows of its share.
type task struct {
	config    config
	shape     *shape
	share     share
	key       int // index of a field, or -1
	partition record.Value
	next      int64 // row

	start time.Time // from when the rate counts
	made  float64   // rows since start
}

// Start finds the row to go on with; the rate counts from here.
func (t *task) Start(ctx context.Context, _ plugin.Host, c plugin.Config, o plugin.Offsets) error {
	var err error
	if t.config, t.shape, err = decode(c); err != nil {
		return err
	}
	if t.share, err = decodeShare(c); err != nil {
		return err
	}
	t.key = t.shape.schema.Field(t.config.Key)
	t.partition = record.OfMap([]record.Value{record.OfString(taskField), record.OfInt64(t.share.Task)})
	stored, err := o.Read(ctx, t.partition)
	if err != nil {
		return err
	}
	row := int64(-1)
	if !stored[0].IsNull() {
		n, _ := stored[0].Get(rowField)
		if n.Kind() != record.Int64 {
			return plugin.Permanent(errors.New("the stored offset has no row number"))
		}
		row = n.Int()
	}
	t.next = t.share.first(row)
	t.start = time.Now()
	return nil
}

// Poll makes the rows that are due.
func (t *task) Poll(ctx context.Context, b *record.Batch) error {
	n, err := t.due(ctx)
	if err != nil || n == 0 {
		return nil //nolint:nilerr // a poll that is ended has nothing to say
	}
	if t.config.Rows > 0 {
		n = min(n, (t.config.Rows-t.next+t.share.Tasks-1)/t.share.Tasks)
	}
	partition := b.Partitions.Intern(t.partition)
	now := time.Now().UnixMilli()
	for range n {
		t.append(b, partition, now)
	}
	t.made += float64(n)
	return nil
}

// due waits until at least one row may be made and returns how many, at most a batch; none when ctx ends first or no row
// is left.
func (t *task) due(ctx context.Context) (int64, error) {
	if t.config.Rows > 0 && t.next >= t.config.Rows {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if t.config.Rate == 0 {
		return int64(t.config.BatchSize), ctx.Err()
	}
	rate := t.config.Rate / float64(t.share.Tasks)
	for {
		// Who could not take records for a while gets at most a second's worth at once.
		elapsed := time.Since(t.start).Seconds()
		if behind := elapsed*rate - t.made; behind > max(rate, 1) {
			t.made = elapsed*rate - max(rate, 1)
		}
		if n := int64(elapsed*rate - t.made); n > 0 {
			return min(n, int64(t.config.BatchSize)), ctx.Err()
		}
		// Small batches cost more than they help: a tick of 10 ms at most rates.
		wait := max((t.made+1)/rate-elapsed, 0.01)
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Duration(wait * float64(time.Second))):
		}
	}
}

// append makes the next row.
func (t *task) append(b *record.Batch, partition int32, now int64) {
	values := b.Values(len(t.shape.fields))
	for i := range t.shape.fields {
		f := &t.shape.fields[i]
		r := throw(t.shape.seed, uint64(t.next), uint64(i))
		if f.optional && r.below(10) == 0 {
			continue
		}
		values[i] = f.make(&b.Arena, t.next, r)
	}
	r := b.Append()
	r.Topic, r.Timestamp = t.config.Topic, now
	r.Value = record.Datum{Schema: t.shape.schema, Value: record.OfStruct(values)}
	if t.key >= 0 {
		r.Key = record.Datum{Schema: t.shape.fields[t.key].schema, Value: values[t.key]}
	}
	offset := b.Values(2)
	offset[0], offset[1] = record.OfString(rowField), record.OfInt64(t.next)
	r.Position = record.Position{Partition: partition, Offset: record.OfMap(offset)}
	t.next += t.share.Tasks
}

// Stop has nothing to end.
func (t *task) Stop(context.Context) error { return nil }
