package broker

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes the file's lock without waiting; it goes with the process. The locked byte lies beyond the text, since
// Windows keeps others from reading what is locked.
func tryLock(file *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{Offset: 1 << 20})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// space is the number of bytes that this user may still write to the volume of dir, and that it has in all.
func space(dir string) (free, total int64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	var available, all uint64
	if err := windows.GetDiskFreeSpaceEx(path, &available, &all, nil); err != nil {
		return 0, 0, err
	}
	return int64(available), int64(all), nil
}

// syncDir does nothing: Windows cannot sync a directory, and does not need to for a rename.
func syncDir(string) error { return nil }
