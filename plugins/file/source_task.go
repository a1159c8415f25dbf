package file

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

const (
	block       = 256 << 10 // bytes that one read asks for
	longestLine = 64 << 20  // bytes of a line and its end
	interval    = 100 * time.Millisecond
	slow        = 400 * time.Millisecond // between looks at a file that has long brought nothing
	slower      = time.Second            // the same, for a file that is not there (Kafka Connect: FileStreamSourceTask.poll)
	long        = 50                     // looks without a line after which it has
)

// input is where lines come from: a [follower] of a file or a [stream].
type input interface {
	// waiting is about how many bytes there are to read; 0 while there are none.
	waiting() (int64, error)
	// read, after waiting has told of some, fills buf, which begins with the first byte that was not consumed, and returns how much of it is filled; 0 or
	// what it returned before when there is nothing more at the moment.
	read(buf []byte) (int, error)
	// consume says that the first n bytes of the last read were delivered as lines.
	consume(n int)
	// position is the number of bytes consumed, as an offset has it: null for what has no positions.
	position() record.Value
	close() error
}

// sourceTask reads lines.
type sourceTask struct {
	stdin *os.File
	log   *slog.Logger
	in    input

	name      string // of the input, for messages
	topic     string
	batchSize int
	partition record.Value
	size      int // bytes to ask for: about what batchSize lines need
	idle      int // looks in a row that brought no line
}

func newSourceTask(stdin *os.File) *sourceTask { return &sourceTask{stdin: stdin} }

// Start reads where to go on from; the file is opened by Poll, which waits for it to appear.
func (t *sourceTask) Start(ctx context.Context, h plugin.Host, c plugin.Config, o plugin.Offsets) error {
	sc := sourceDefaults
	if err := plugin.Decode(c, &sc); err != nil {
		return err
	}
	t.log, t.topic = h.Logger(), sc.Topic
	t.batchSize = max(sc.BatchSize, 1) // a batch of zero or less holds one record, as in Java
	t.size = block
	name := record.Value{}
	if sc.File != nil {
		name = record.OfString(*sc.File)
	}
	t.partition = record.OfMap([]record.Value{record.OfString(filenameField), name})
	if !named(sc.File) {
		t.name, t.in = "standard input", &stream{f: t.stdin}
		return nil
	}
	t.name = fmt.Sprintf("source file %q", *sc.File)
	position, err := storedPosition(ctx, o, t.partition)
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	t.in = &follower{name: *sc.File, at: position, log: t.log}
	return nil
}

// Poll looks for lines every interval until there are some, less often when there were none for long.
func (t *sourceTask) Poll(ctx context.Context, b *record.Batch) error {
	if n, err := t.look(b); err != nil || n > 0 {
		return err
	}
	timer := time.NewTimer(t.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if n, err := t.look(b); err != nil || n > 0 {
			return err
		}
		timer.Reset(t.pause())
	}
}

// look appends the lines that are there now.
func (t *sourceTask) look(b *record.Batch) (int, error) {
	have, err := t.in.waiting()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", t.name, err)
	}
	n := 0
	if have > 0 {
		if n, err = t.fill(b, int(min(int64(t.size), have+1))); err != nil {
			return 0, err
		}
	}
	t.idle++
	if n > 0 {
		t.idle = 0
	}
	return n, nil
}

// pause is the wait before the next look.
func (t *sourceTask) pause() time.Duration {
	if t.idle < long {
		return interval
	}
	if w, ok := t.in.(*follower); ok && w.f == nil {
		return slower
	}
	return slow
}

// fill appends the lines of one read of size bytes, more when a line is longer, and returns how many they are. What is
// left of the read is read again the next time, together with what follows it: nothing is carried from batch to batch.
func (t *sourceTask) fill(b *record.Batch, size int) (int, error) {
	for ; ; size *= 2 {
		rest := b.Rest(size)
		filled, err := t.in.read(rest[:size])
		if err != nil {
			b.Keep(rest, 0)
			return 0, fmt.Errorf("%s: %w", t.name, err)
		}
		first := len(b.Records)
		used := t.append(b, rest[:filled])
		b.Keep(rest, used)
		switch lines := len(b.Records) - first; {
		case lines > 0:
			if !utf8.Valid(rest[:used]) {
				mend(b, first)
			}
			t.in.consume(used)
			t.adapt(lines, used)
			return lines, nil
		case filled < size:
			return 0, nil
		case size >= longestLine:
			return 0, plugin.Permanent(fmt.Errorf("%s: a line is longer than %d MiB", t.name, longestLine>>20))
		}
	}
}

// append makes records of the lines in data, up to a whole batch, and returns how many bytes they take.
func (t *sourceTask) append(b *record.Batch, data []byte) (used int) {
	c := cut(data)
	now := time.Now().UnixMilli()
	partition := b.Partitions.Intern(t.partition)
	at := t.in.position()
	for range t.batchSize {
		line, ok := c.next()
		if !ok {
			break
		}
		r := b.Append()
		r.Topic, r.Timestamp = t.topic, now
		r.Value = record.Datum{Schema: record.Required(record.String), Value: record.OfText(line)}
		offset := b.Values(2)
		offset[0], offset[1] = record.OfString(positionField), at
		if !at.IsNull() {
			offset[1] = record.OfInt64(at.Int() + int64(c.at))
		}
		r.Position = record.Position{Partition: partition, Offset: record.OfMap(offset)}
	}
	return c.at
}

// mend replaces what is not UTF-8 in the records from first on, as Java's decoder does.
func mend(b *record.Batch, first int) {
	for i := range b.Records[first:] {
		v := &b.Records[first+i].Value.Value
		if text := []byte(v.Text()); !utf8.Valid(text) {
			*v = b.Text(record.AppendUTF8(nil, text))
		}
	}
}

// adapt learns how much to read for a batch: what batchSize lines took, and a quarter more.
func (t *sourceTask) adapt(lines, used int) {
	t.size = min(max(used/lines*t.batchSize*5/4, block/16), block)
}

// Stop closes the file.
func (t *sourceTask) Stop(context.Context) error {
	if t.in == nil {
		return nil
	}
	in := t.in
	t.in = nil
	return in.close()
}
