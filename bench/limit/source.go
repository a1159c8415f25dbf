package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/bench/rows"
)

// batch owns the bytes of its records until the broker has them.
type batch struct {
	in      []byte // whole lines
	out     []byte // values, one after the other
	ends    []int  // of the values in out
	records []kgo.Record
	fields  []field
	end     int64 // of the input after this batch
	left    atomic.Int64
	done    chan struct{} // gets one when nothing is left
	promise func(*kgo.Record, error)
}

func newBatch(lost chan<- error) *batch {
	b := &batch{done: make(chan struct{}, 1)}
	b.promise = func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case lost <- err:
			default:
			}
			return // never done, so no position after it is stored
		}
		if b.left.Add(-1) == 0 {
			b.done <- struct{}{}
		}
	}
	return b
}

// source is one goroutine from input to producer and one that stores positions in order.
func source(ctx context.Context, s settings) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.broker), kgo.DefaultProduceTopic(s.topic), kgo.AllowAutoTopicCreation(),
		kgo.ProducerLinger(s.lingerFor), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	next, err := reader(s)
	if err != nil {
		return err
	}
	lost := make(chan error, 1)
	free, flying := make(chan *batch, s.batchesAtOnce), make(chan *batch, s.batchesAtOnce)
	for range s.batchesAtOnce {
		free <- newBatch(lost)
	}
	stored := make(chan error, 1)
	go func() { stored <- commit(s, flying, free, lost) }()
	for b := range free {
		err := next(b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		send(ctx, client, b)
		flying <- b
	}
	close(flying)
	return <-stored
}

func send(ctx context.Context, client *kgo.Client, b *batch) {
	if cap(b.records) < len(b.ends) {
		b.records = make([]kgo.Record, len(b.ends)*9/8)
	}
	b.left.Store(int64(len(b.ends)))
	start := 0
	for i, end := range b.ends {
		r := &b.records[:len(b.ends)][i]
		*r = kgo.Record{Value: b.out[start:end:end]}
		start = end
		client.Produce(ctx, r, b.promise)
	}
}

// commit stores, once a while, the position up to which everything was acknowledged, and frees batches.
func commit(s settings, flying <-chan *batch, free chan<- *batch, lost <-chan error) error {
	last, position := time.Now(), int64(0)
	for b := range flying {
		select {
		case <-b.done:
		case err := <-lost:
			return err
		}
		position = b.end
		free <- b
		if time.Since(last) >= s.commitEvery {
			if err := storePosition(s.offsets, position); err != nil {
				return err
			}
			last = time.Now()
		}
	}
	return storePosition(s.offsets, position)
}

func storePosition(file string, position int64) error {
	if err := os.WriteFile(file+".new", strconv.AppendInt(nil, position, 10), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// reader returns what fills the next batch with values; io.EOF is the end.
func reader(s settings) (func(*batch) error, error) {
	if s.job == rows.Struct {
		return maker(s.rows), nil
	}
	f, err := os.Open(s.in)
	if err != nil {
		return nil, err
	}
	var position int64
	return func(b *batch) error {
		if b.in == nil {
			b.in = make([]byte, s.blockBytes)
		}
		n, err := f.ReadAt(b.in[:cap(b.in)], position)
		b.in = b.in[:bytes.LastIndexByte(b.in[:n], '\n')+1]
		if len(b.in) == 0 {
			if n > 0 {
				err = bufio.ErrTooLong
			}
			return errors.Join(err, f.Close())
		}
		position += int64(len(b.in))
		b.end = position
		return b.convert(s.job)
	}, nil
}

// convert makes values of the lines.
func (b *batch) convert(job rows.Job) (err error) {
	b.out, b.ends = b.out[:0], b.ends[:0]
	for rest := b.in; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		line := rest[:i]
		rest = rest[i+1:]
		switch job {
		case rows.Hoist:
			b.out = append(appendString(append(b.out, `{"line":`...), text(line)), `,"source":"file"}`...)
		case rows.JSON:
			if b.fields, err = parse(line, b.fields[:0]); err != nil {
				return err
			}
			b.fields = append(b.fields, field{"source", value{kind: isText, text: "file"}})
			b.out = appendJSON(b.out, b.fields)
		default:
			b.out = append(b.out, line...)
		}
		b.ends = append(b.ends, len(b.out))
	}
	return nil
}

// maker makes typed rows, as a database would hand them over, and writes them.
func maker(n int) func(*batch) error {
	const most = 1000 // rows of a batch
	row := 0
	return func(b *batch) error {
		if row == n {
			return io.EOF
		}
		if b.in == nil {
			b.in = make([]byte, rows.TextBytes)
		}
		b.out, b.ends = b.out[:0], b.ends[:0]
		var m rows.Made
		for range min(most, n-row) {
			m.Make(row, b.in)
			b.fields = append(b.fields[:0],
				field{"id", value{kind: isInt, num: uint64(m.ID)}}, field{"ts", value{kind: isInt, num: uint64(m.TS)}},
				field{"user", value{kind: isText, text: text(m.User)}}, field{"email", value{kind: isText, text: text(m.Email)}},
				field{"country", value{kind: isText, text: m.Country}}, field{"amount", ofFloat(m.Amount)},
				field{"active", ofBool(m.Active)}, field{"note", value{kind: isText, text: text(m.Note)}},
				field{"source", value{kind: isText, text: "file"}})
			b.out = appendJSON(b.out, b.fields)
			b.ends = append(b.ends, len(b.out))
			row++
		}
		b.end = int64(row)
		return nil
	}
}
