//go:build !unix

package file

import (
	"errors"
	"os"
	"time"
)

// readable refuses: without a way to wait for input a task that reads it could not be stopped.
func readable(*os.File, time.Duration) (bool, error) {
	return false, errors.New("reading it is not available on this system; set file")
}

// share and alone refuse: it is not known here who else has a file open.
func share(*os.File) error { return errors.ErrUnsupported }

func alone(*os.File, func() error) error { return errors.ErrUnsupported }

func lookUp(name string) (glance, error) {
	info, err := os.Stat(name)
	return glanceOf(info), err
}

func opened(f *os.File) (glance, error) {
	info, err := f.Stat()
	return glanceOf(info), err
}

func glanceOf(info os.FileInfo) glance {
	if info == nil {
		return glance{}
	}
	return glance{size: info.Size(), regular: info.Mode().IsRegular(), id: fileID{info}}
}

// fileID says which file one is.
type fileID struct{ info os.FileInfo }

func (i fileID) same(j fileID) bool { return os.SameFile(i.info, j.info) }
