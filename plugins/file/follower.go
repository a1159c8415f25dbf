package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/penstock/penstock/engine/record"
)

// follower reads a file that others append to, by name: it waits for the file to appear, and goes over to the new
// content when the file was cut off or another took its name.
type follower struct {
	name string
	at   int64 // position: bytes of the file that were consumed
	log  *slog.Logger

	f        *os.File
	seen     int64 // size of the file at the last look
	size     int64 // of the file when all of it had been read and no line was left to consume; else -1
	replaced int   // looks at which the name stood for another file and this one brought nothing
	reported bool  // that the file is missing
}

// lastLooks is how often, an interval apart, a file that lost its name is looked at before it is given up: whoever
// rotates it renames first and then tells the writer, who goes on writing a moment longer.
const lastLooks = 5

func (w *follower) position() record.Value { return record.OfInt64(w.at) }

func (w *follower) consume(n int) {
	w.at += int64(n)
	w.size, w.replaced = -1, 0
}

// waiting is how many bytes there are to read; 0 while the file has brought nothing since the last read.
func (w *follower) waiting() (int64, error) {
	if w.f == nil {
		if found, err := w.open(); err != nil || !found {
			return 0, err
		}
	}
	is, err := opened(w.f)
	if err != nil {
		return 0, err
	}
	size := is.size
	switch {
	case size < w.at:
		// What stands there now has not been read: the file was emptied and written again (logrotate: copytruncate).
		w.log.Warn("file is shorter than the position in it; reading it from the beginning", "file", w.name, "position", w.at, "size", size)
		w.at = 0
	case size == w.at, size == w.size:
		return 0, w.rotate(is)
	}
	w.seen = size
	return size - w.at, nil
}

func (w *follower) read(buf []byte) (int, error) {
	n, err := w.f.ReadAt(buf[:min(int64(len(buf)), w.seen-w.at)], w.at)
	if n > 0 || errors.Is(err, io.EOF) {
		err = nil // what is wrong shows again at the next read; an end before size is a file that was cut off just now
	}
	w.size = -1
	if w.at+int64(n) == w.seen {
		w.size = w.seen
	}
	return n, err
}

// open opens the file, or reports that it is not there, once.
func (w *follower) open() (found bool, err error) {
	is, err := lookUp(w.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !w.reported {
			w.log.Warn("file does not exist; waiting for it", "file", w.name)
			w.reported = true
		}
		return false, nil
	case err != nil:
		return false, err
	case !is.regular:
		return false, fmt.Errorf("%s is not a regular file", w.name)
	}
	f, err := os.Open(w.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	w.f, w.size, w.replaced, w.reported = f, -1, 0, false
	return true, nil
}

// rotate looks, when the open file brings nothing more, whether its name stands for another file by now.
func (w *follower) rotate(open glance) error {
	named, err := lookUp(w.name)
	if err != nil || open.id.same(named.id) {
		w.replaced = 0
		return nil //nolint:nilerr // without a file of that name the open one is still the newest
	}
	if w.replaced++; w.replaced < lastLooks {
		return nil
	}
	w.log.Warn("another file has taken the name; reading it from the beginning", "file", w.name, "unfinished_bytes", open.size-w.at)
	w.at = 0
	return w.close()
}

// glance is what a look at a file says of it.
type glance struct {
	size    int64
	regular bool
	id      fileID
}

// pathError names the file; that there is none says itself.
func pathError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &fs.PathError{Op: "stat", Path: name, Err: err}
}

func (w *follower) close() error {
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f = nil
	return f.Close()
}
