//go:build unix

package file

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// readable waits up to d until a read of f would not block.
func readable(f *os.File, d time.Duration) (ready bool, err error) {
	err = control(f, func(fd int) error {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(d.Milliseconds()))
		ready = n > 0
		return err
	})
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return ready, err
}

// share marks f as open here as long as it is open, for [alone].
func share(f *os.File) error {
	return control(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) })
}

// alone runs change if nobody else has shared f.
func alone(f *os.File, change func() error) error {
	if err := control(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		return errors.Join(err, share(f)) // a try that fails gives up the shared mark
	}
	return errors.Join(change(), share(f))
}

func control(f *os.File, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	return errors.Join(conn.Control(func(fd uintptr) { callErr = call(int(fd)) }), callErr)
}

// lookUp looks at the file of a name, without making garbage: a source does so for as long as its file brings nothing.
func lookUp(name string) (glance, error) {
	var st unix.Stat_t
	for {
		switch err := unix.Stat(name, &st); {
		case err == nil:
			return glanceOf(&st), nil
		case !errors.Is(err, unix.EINTR):
			return glance{}, pathError(name, err)
		}
	}
}

// opened looks at an open file.
func opened(f *os.File) (glance, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return glance{}, pathError(f.Name(), err)
	}
	return glanceOf(&st), nil
}

func glanceOf(st *unix.Stat_t) glance {
	return glance{size: st.Size, regular: st.Mode&unix.S_IFMT == unix.S_IFREG, id: fileID{uint64(st.Dev), st.Ino}} //nolint:unconvert // of another type elsewhere
}

// fileID says which file one is.
type fileID struct{ device, inode uint64 }

func (i fileID) same(j fileID) bool { return i == j }
