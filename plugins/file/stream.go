package file

import (
	"errors"
	"io"
	"os"

	"github.com/penstock/penstock/engine/record"
)

// stream reads standard input, which cannot be read twice: what was not consumed is kept here.
type stream struct {
	f    *os.File
	left []byte // read and not consumed
}

func (s *stream) position() record.Value { return record.Value{} }

func (s *stream) consume(n int) { s.left = s.left[:copy(s.left, s.left[n:])] }

// waiting cannot be told: read waits itself.
func (s *stream) waiting() (int64, error) { return block, nil }

// read waits up to an interval for input, so that a poll can end while nobody types.
func (s *stream) read(buf []byte) (int, error) {
	have := len(s.left)
	if have < len(buf) {
		n, err := s.more(buf[have:])
		if err != nil {
			return 0, err
		}
		s.left = append(s.left, buf[have:have+n]...)
	}
	return copy(buf, s.left), nil
}

func (s *stream) more(buf []byte) (int, error) {
	ready, err := readable(s.f, interval)
	if err != nil || !ready {
		return 0, err
	}
	n, err := s.f.Read(buf)
	if errors.Is(err, io.EOF) {
		err = nil // a terminal goes on after its end of file
	}
	return n, err
}

// close leaves standard input open, as it belongs to the process.
func (s *stream) close() error { return nil }
