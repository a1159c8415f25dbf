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
