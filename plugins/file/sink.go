package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// sink is the instance: all its tasks append to the same file.
type sink struct{ config plugin.Config }

// Start checks the settings.
func (s *sink) Start(_ context.Context, _ plugin.Host, c plugin.Config) error {
	s.config = c
	return plugin.Decode(c, new(sinkConfig))
}

// Tasks gives as many equal tasks as are allowed, as Java does.
func (s *sink) Tasks(_ context.Context, limit int) ([]plugin.Config, error) {
	return slices.Repeat([]plugin.Config{s.config}, limit), nil
}

// NewTask makes a task that would write standard output.
func (s *sink) NewTask() plugin.SinkTask { return newSinkTask(os.Stdout) }

// Stop has nothing to end.
func (s *sink) Stop(context.Context) error { return nil }

// AlterOffsets accepts every change, as FileStreamSinkConnector does: what is in the file stays there.
func (s *sink) AlterOffsets(context.Context, plugin.Config, []plugin.OffsetChange) error { return nil }

// sinkTask appends lines.
type sinkTask struct {
	stdout io.Writer

	out    output
	name   string // of the output, for messages
	buf    []byte
	half   bool  // the output ends within a line, so the next one begins with an end of line
	dirty  bool  // something was written and not made durable
	broken error // of a Sync: after it nobody knows what is durable
}

// output is what lines are appended to.
type output interface {
	io.Writer
	// Sync makes what was written durable.
	Sync() error
	// size is the length of a file, 0 of what has none.
	size() (int64, error)
	// takeBack cuts off what was written from start on, provided that it is all there is after start, up to end.
	takeBack(start, end int64) error
	Close() error
}

func newSinkTask(stdout io.Writer) *sinkTask { return &sinkTask{stdout: stdout} }

// Start opens the file, which it makes when there is none.
func (t *sinkTask) Start(_ context.Context, _ plugin.SinkHost, c plugin.Config) error {
	var sc sinkConfig
	if err := plugin.Decode(c, &sc); err != nil {
		return err
	}
	if !named(sc.File) {
		t.name, t.out = "standard output", plainOutput{t.stdout}
		return nil
	}
	t.name = fmt.Sprintf("sink file %q", *sc.File)
	f, err := os.OpenFile(*sc.File, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", t.name, err), f.Close())
	}
	if !info.Mode().IsRegular() {
		t.out = deviceOutput{f}
		return nil
	}
	_ = share(f) // where that is not known, takeBack refuses
	t.out, t.half = fileOutput{f}, endsWithinLine(*sc.File)
	return nil
}

// endsWithinLine reports whether a file can be read and does not end with an end of line: a machine went down while a
// line was written, or somebody left the last one open.
func endsWithinLine(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only read
	var last [1]byte
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return false
	}
	n, _ := f.ReadAt(last[:], end-1)
	return n == 1 && last[0] != '\n'
}

// Put appends the values as lines, each batch as a whole: when a write fails, what was written of the batch is taken
// back, so that the batch can come again and no line stands twice or half.
func (t *sinkTask) Put(_ context.Context, b *record.Batch) error {
	start, err := t.out.size()
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	p := put{t: t, start: start, end: start, half: t.half}
	t.buf = t.buf[:0]
	for i := range b.Records {
		if !b.Live(i) {
			continue
		}
		if t.half && len(t.buf) == 0 {
			t.buf = append(t.buf, '\n')
		}
		t.buf = append(b.Records[i].Value.AppendJava(t.buf), '\n')
		if len(t.buf) >= block {
			if err := p.write(); err != nil {
				return err
			}
		}
	}
	if len(t.buf) == 0 {
		return nil
	}
	return p.write()
}

// put is one Put under way.
type put struct {
	t          *sinkTask
	start, end int64 // of the output, before the batch and after what is written of it
	half       bool  // the output ended within a line before
}

// write writes the buffer and empties it, or takes back the batch.
func (p *put) write() error {
	t := p.t
	n, err := t.out.Write(t.buf)
	p.end += int64(n)
	t.dirty = t.dirty || n > 0
	if err != nil {
		t.half = p.half
		if p.end > p.start && t.out.takeBack(p.start, p.end) != nil {
			t.half = true
		}
		return fmt.Errorf("%s: %w", t.name, err)
	}
	t.half, t.buf = false, t.buf[:0]
	if cap(t.buf) > 4*block {
		t.buf = nil
	}
	return nil
}

// Flush makes the lines durable. After a failed one the task is of no more use: the system may have forgotten what it
// could not write and say so only once.
func (t *sinkTask) Flush(context.Context) error {
	switch {
	case t.broken != nil:
		return t.broken
	case !t.dirty:
		return nil
	}
	if err := t.out.Sync(); err != nil {
		t.broken = fmt.Errorf("%s: %w", t.name, err)
		return t.broken
	}
	t.dirty = false
	return nil
}

// Stop closes the file. What was put since the last Flush may be lost with the machine, not with the process.
func (t *sinkTask) Stop(context.Context) error {
	if t.out == nil {
		return nil
	}
	out := t.out
	t.out = nil
	if err := out.Close(); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	return nil
}

// fileOutput is a regular file opened for appending.
type fileOutput struct{ *os.File }

func (o fileOutput) size() (int64, error) {
	info, err := o.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (o fileOutput) takeBack(start, end int64) error {
	return alone(o.File, func() error {
		size, err := o.size()
		switch {
		case err != nil:
			return err
		case size != end:
			return errors.New("somebody else has written to the file")
		}
		return o.Truncate(start)
	})
}

// deviceOutput is a terminal, a pipe or the like under a name.
type deviceOutput struct{ *os.File }

// Sync has nothing to wait for: a device keeps no promise.
func (deviceOutput) Sync() error                 { return nil }
func (deviceOutput) size() (int64, error)        { return 0, nil }
func (deviceOutput) takeBack(int64, int64) error { return errors.ErrUnsupported }

// plainOutput is standard output, which belongs to the process.
type plainOutput struct{ io.Writer }

// Sync has nothing to wait for.
func (plainOutput) Sync() error                 { return nil }
func (plainOutput) size() (int64, error)        { return 0, nil }
func (plainOutput) takeBack(int64, int64) error { return errors.ErrUnsupported }

// Close leaves it open.
func (plainOutput) Close() error { return nil }
