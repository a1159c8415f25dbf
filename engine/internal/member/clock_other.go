//go:build !linux

package member

import "time"

var start = time.Now() //nolint:gochecknoglobals // an origin, never changed

// Now reads Go's monotonic clock, which may stand still while the machine is suspended: a worker that wakes up learns from
// the group alone that it has been expelled.
func Now() Instant { return Instant(time.Since(start)) }
