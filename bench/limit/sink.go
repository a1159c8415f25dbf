package main

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/bench/rows"
)

// sink is one goroutine: poll, convert, write, and now and then commit.
func sink(ctx context.Context, s settings) error {
	w := &writer{buf: make([]byte, 0, writeAt+writeAt/8)}
	if s.job == rows.SinkFile {
		f, err := os.OpenFile(s.out, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		w.f = f
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.broker), kgo.ConsumeTopics(s.topic), kgo.ConsumerGroup(s.group),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.WithPools(&recordPool{}), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	reached := map[string]map[int32]kgo.EpochOffset{s.topic: {}}
	last := time.Now()
	for got := 0; got < s.rows; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for iter := fetches.RecordIter(); !iter.Done(); got++ {
			r := iter.Next()
			if err := w.put(r.Value); err != nil {
				return err
			}
			reached[s.topic][r.Partition] = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
			r.Recycle()
		}
		if time.Since(last) >= s.commitEvery || got >= s.rows {
			if err := w.flush(); err != nil {
				return err
			}
			var refused error
			client.CommitOffsetsSync(ctx, reached, func(_ *kgo.Client, _ *commitRequest, _ *commitResponse, err error) { refused = err })
			if refused != nil {
				return refused
			}
			last = time.Now()
		}
	}
	return w.close()
}

// writeAt is from how many bytes on lines are written.
const writeAt = 1 << 20

// writer converts values and appends them to a file, or drops them.
type writer struct {
	f      *os.File // nil: drop
	buf    []byte
	fields []field
}

func (w *writer) put(v []byte) (err error) {
	if w.fields, err = parse(v, w.fields[:0]); err != nil {
		return err
	}
	for i := range w.fields {
		if w.fields[i].name == "email" {
			w.fields[i].value = value{kind: isText, text: "****"}
		}
	}
	w.fields = append(w.fields, field{"sink", value{kind: isText, text: "file"}})
	if w.f == nil {
		return nil
	}
	w.buf = append(appendJava(w.buf, w.fields), '\n')
	if len(w.buf) >= writeAt {
		return w.flush()
	}
	return nil
}

func (w *writer) flush() error {
	if w.f == nil {
		return nil
	}
	_, err := w.f.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *writer) close() error {
	if w.f == nil {
		return nil
	}
	return w.f.Close()
}

// recordPool gives the client the memory of consumed records again.
type recordPool struct{ records sync.Pool }

func (p *recordPool) GetRecords(n int) []kgo.Record {
	if s, ok := p.records.Get().(*[]kgo.Record); ok && cap(*s) >= n {
		return (*s)[:0]
	}
	return make([]kgo.Record, 0, n)
}

func (p *recordPool) PutRecords(s []kgo.Record) {
	s = s[:0]
	p.records.Put(&s)
}
