package plugintest

import (
	"context"
	"fmt"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// loopTransform is a transform on the other side.
type loopTransform struct {
	l *link
	t plugin.Transform
}

// Configure sends the settings.
func (x *loopTransform) Configure(c plugin.Config) error {
	return x.l.err(x.t.Configure(x.l.config(c)))
}

// Apply sends the whole batch. Records come back into their places; their positions stay as they were.
func (x *loopTransform) Apply(ctx context.Context, b *record.Batch) error {
	far := record.NewBatch(b.Side, &record.Partitions{})
	x.l.batch(b, far)
	before := len(far.Failures())
	err := x.t.Apply(ctx, far)
	if len(far.Records) != len(b.Records) {
		return fmt.Errorf("a transform was given %d records and left %d: it may drop records, not remove or add any", len(b.Records), len(far.Records))
	}
	for i := range b.Records {
		if !b.Live(i) {
			continue
		}
		position := b.Records[i].Position
		x.l.cross(&b.Arena, func(w *writer) { w.record(&far.Records[i]) }, func(r *reader) { r.record(&b.Records[i]) })
		b.Records[i].Position = position
	}
	x.l.marks(far, before, b)
	poison(far)
	return x.l.err(err)
}

// loopPredicate is a predicate on the other side.
type loopPredicate struct {
	l *link
	p plugin.Predicate
}

// Configure sends the settings.
func (x *loopPredicate) Configure(c plugin.Config) error {
	return x.l.err(x.p.Configure(x.l.config(c)))
}

// Test sends the record; what the other side does to it is lost.
func (x *loopPredicate) Test(r *record.Record) (bool, error) {
	far := record.Record{Position: record.Position{Partition: r.Position.Partition}}
	x.l.cross(nil, func(w *writer) { w.record(r) }, func(rd *reader) { rd.record(&far) })
	ok, err := x.p.Test(&far)
	return ok, x.l.err(err)
}

// loopConverter is a converter on the other side.
type loopConverter struct {
	l *link
	c plugin.Converter
}

// Configure sends the settings.
func (x *loopConverter) Configure(c plugin.Config, use plugin.Use) error {
	return x.l.err(x.c.Configure(x.l.config(c), use))
}

// AppendData sends the datum and brings the bytes.
func (x *loopConverter) AppendData(dst []byte, topic string, d record.Datum) ([]byte, error) {
	var far record.Datum
	x.l.cross(nil, func(w *writer) { w.datum(d) }, func(r *reader) { far = r.datum() })
	out, err := x.c.AppendData([]byte{}, topic, far)
	if err != nil || out == nil {
		return nil, x.l.err(err)
	}
	return append(dst, out...), nil
}

// ReadData gives the other side memory of its own, which is overwritten once the data has crossed.
func (x *loopConverter) ReadData(a *record.Arena, topic string, src []byte) (d record.Datum, err error) {
	var far record.Arena
	var in []byte
	if src != nil {
		in = append(far.Bytes(len(src))[:0], src...)
		if in == nil {
			in = []byte{}
		}
	}
	data, err := x.c.ReadData(&far, topic, in)
	if err != nil {
		return record.Datum{}, x.l.err(err)
	}
	x.l.cross(a, func(w *writer) { w.datum(data) }, func(r *reader) { d = r.datum() })
	far.Reset()
	return d, nil
}
