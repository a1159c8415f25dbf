package task

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// converter is one of a task's converters with its place in messages.
type converter struct {
	plugin.Converter
	wide plugin.MessageConverter // the same one if it wants the whole message, else nil
	at   place
}

// appendTo converts a datum for a message.
func (c *converter) appendTo(ctx context.Context, dst []byte, m *plugin.Message, d record.Datum) ([]byte, error) {
	if c.wide != nil {
		return c.wide.AppendMessage(ctx, dst, m, d)
	}
	return c.AppendData(dst, m.Topic, d)
}

// readFrom converts bytes of a message.
func (c *converter) readFrom(ctx context.Context, a *record.Arena, m *plugin.Message, src []byte) (record.Datum, error) {
	if c.wide != nil {
		return c.wide.ReadMessage(ctx, a, m, src)
	}
	return c.ReadData(a, m.Topic, src)
}

// converters are the three of a task.
type converters struct {
	key, value, header converter
	around             plugin.Message // the message at hand, used again for the next one
}

func newConverters(g Guard, t *graph.Task) (cs converters, err error) {
	for _, c := range []struct {
		from  graph.Converter
		stage string
		into  *converter
	}{{t.Key, stageKey, &cs.key}, {t.Value, stageValue, &cs.value}, {t.Header, stageHeader, &cs.header}} {
		var made plugin.Converter
		err := g.Call("Configure", func() error {
			made = c.from.Plugin.NewConverter()
			return made.Configure(c.from.Settings, c.from.Use)
		})
		if err != nil {
			return cs, plugin.Permanent(fmt.Errorf("configure the %s converter: %w", c.from.Use, err))
		}
		wide, _ := made.(plugin.MessageConverter)
		*c.into = converter{made, wide, place{stage: c.stage, class: c.from.Plugin.Class}}
	}
	return cs, nil
}

// encoder makes messages of the records of a batch: headers, key, value, in Kafka Connect's order for sources.
type encoder struct {
	converters
	chain  *chain // for its policy
	topics *topics
	names  map[string]string // header keys in memory that outlives the batch
	now    time.Time         // for the records of a batch that have no timestamp: a look at the clock costs as much as a conversion
}

// mostNames bounds the header keys that are remembered.
const mostNames = 1024

// encode appends a message to f for each live record, in order. A record that cannot be converted goes the way of the
// policy. The error is errHalted.
func (e *encoder) encode(ctx context.Context, b *record.Batch, f *flight) error {
	e.now = time.Now()
	e.topics.last = "" // so that each batch says which topics it goes to
	for i := 0; i < len(b.Records); i++ {
		if !b.Live(i) {
			continue
		}
		headers, bytes := len(f.headers), len(f.buffer)
		at, err := e.one(ctx, &b.Records[i], f)
		if err == nil {
			continue
		}
		if errors.Is(err, errHalted) {
			return err
		}
		f.headers, f.buffer = f.headers[:headers], f.buffer[:bytes]
		ft := fault{index: i, at: at, err: err}
		if at.stage == "" {
			e.chain.cut(b, ft) // no error policy lets this pass
		} else {
			e.chain.fail(ctx, b, ft)
		}
	}
	return nil
}

// one appends the message of a record. The place is zero where no error policy applies.
func (e *encoder) one(ctx context.Context, r *record.Record, f *flight) (at place, err error) {
	if r.Topic == "" {
		return at, plugin.Data("a record has no topic")
	}
	if r.Timestamp < 0 && r.Timestamp != record.NoTimestamp {
		return at, plugin.Data("Invalid timestamp: %d. Timestamp should always be non-negative or null.", r.Timestamp)
	}
	m := kgo.Record{Partition: r.Partition}
	if m.Topic, err = e.topics.use(ctx, r.Topic); err != nil {
		return at, err
	}
	if m.Timestamp = e.now; r.Timestamp != record.NoTimestamp {
		m.Timestamp = time.UnixMilli(r.Timestamp)
	}
	e.around.Topic, e.around.Headers = m.Topic, e.around.Headers[:0]
	for i := range r.Headers {
		h := plugin.MessageHeader{Key: e.name(r.Headers[i].Key)}
		if h.Value, err = e.append(ctx, &e.header, f, r.Headers[i].Datum); err != nil {
			return e.header.at, err
		}
		e.around.Headers = append(e.around.Headers, h)
	}
	if m.Key, err = e.append(ctx, &e.key, f, r.Key); err != nil {
		return e.key.at, err
	}
	if m.Value, err = e.append(ctx, &e.value, f, r.Value); err != nil {
		return e.value.at, err
	}
	if first := len(f.headers); len(e.around.Headers) > 0 {
		for _, h := range e.around.Headers {
			f.headers = append(f.headers, kgo.RecordHeader(h))
		}
		m.Headers = f.headers[first:len(f.headers):len(f.headers)]
	}
	f.messages = append(f.messages, m)
	return at, nil
}

// append converts one datum into the flight's buffer and returns its bytes, nil for the null message. When the buffer
// grows, what was returned before stays where it was.
func (e *encoder) append(ctx context.Context, c *converter, f *flight, d record.Datum) ([]byte, error) {
	start := len(f.buffer)
	out, err := c.appendTo(ctx, f.buffer, &e.around, d)
	if err != nil {
		if out, err = e.again(ctx, c, f, d, err); err != nil {
			return nil, err
		}
	}
	if out == nil {
		return nil, nil
	}
	f.buffer = out
	return out[start:len(out):len(out)], nil
}

// again tries a conversion again as far as the policy goes.
func (e *encoder) again(ctx context.Context, c *converter, f *flight, d record.Datum, err error) (out []byte, _ error) {
	err = e.chain.policy.retry(ctx, err, func() (err error) {
		out, err = c.appendTo(ctx, f.buffer, &e.around, d)
		return err
	})
	return out, err
}

// name returns a header's key in memory that outlives the batch.
func (e *encoder) name(key string) string {
	if name, ok := e.names[key]; ok {
		return name
	}
	name := strings.Clone(key)
	if len(e.names) < mostNames {
		e.names[name] = name
	}
	return name
}
