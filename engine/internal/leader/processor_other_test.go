//go:build !linux

package leader

import "time"

var begun = time.Now() //nolint:gochecknoglobals // an origin, never changed

// processorTime is the time that has passed, where that of a thread is not to be had.
func processorTime() time.Duration { return time.Since(begun) }
