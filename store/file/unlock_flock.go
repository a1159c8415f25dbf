//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package file

import (
	"os"
	"syscall"
)

// unlock gives bbolt's lock back. Closing the file is not enough: where bbolt panicked it left the file mapped into
// memory, which keeps the lock.
func unlock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) //nolint:gosec // a file descriptor is an int
}
