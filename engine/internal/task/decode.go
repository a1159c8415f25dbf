package task

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// decoder makes records of consumed messages: key, value, headers, in Kafka Connect's order for sinks.
type decoder struct {
	converters
	chain   *chain // for its policy
	headers []record.Header
}

// decode fills in what the messages of a batch say; messages is parallel to b.Records. A record that cannot be converted
// goes the way of the policy. The error is errHalted.
func (d *decoder) decode(ctx context.Context, b *record.Batch, messages []*kgo.Record) error {
	clear(d.headers)
	d.headers = d.headers[:0]
	for i := 0; i < len(b.Records); i++ {
		at, err := d.one(ctx, b, &b.Records[i], messages[i])
		switch {
		case err == nil:
		case errors.Is(err, errHalted):
			return err
		default:
			d.chain.fail(ctx, b, fault{index: i, at: at, err: err})
		}
	}
	return nil
}

func (d *decoder) one(ctx context.Context, b *record.Batch, r *record.Record, m *kgo.Record) (at place, err error) {
	d.around.Topic, d.around.Headers = m.Topic, d.around.Headers[:0]
	if d.key.wide != nil || d.value.wide != nil {
		for _, h := range m.Headers {
			d.around.Headers = append(d.around.Headers, plugin.MessageHeader(h))
		}
	}
	if r.Key, err = d.read(ctx, &d.key, b, m.Key); err != nil {
		return d.key.at, err
	}
	if r.Value, err = d.read(ctx, &d.value, b, m.Value); err != nil {
		return d.value.at, err
	}
	if len(m.Headers) == 0 {
		return at, nil
	}
	first := len(d.headers)
	for i := range m.Headers {
		h := record.Header{Key: m.Headers[i].Key}
		if h.Datum, err = d.read(ctx, &d.header, b, m.Headers[i].Value); err != nil {
			return d.header.at, err
		}
		d.headers = append(d.headers, h)
	}
	r.Headers = d.headers[first:len(d.headers):len(d.headers)]
	return at, nil
}

func (d *decoder) read(ctx context.Context, c *converter, b *record.Batch, src []byte) (record.Datum, error) {
	datum, err := c.readFrom(ctx, &b.Arena, &d.around, src)
	if err != nil {
		return d.again(ctx, c, b, src, err)
	}
	return datum, nil
}

// again tries a conversion again as far as the policy goes.
func (d *decoder) again(ctx context.Context, c *converter, b *record.Batch, src []byte, err error) (datum record.Datum, _ error) {
	err = d.chain.policy.retry(ctx, err, func() (err error) {
		datum, err = c.readFrom(ctx, &b.Arena, &d.around, src)
		return err
	})
	return datum, err
}
