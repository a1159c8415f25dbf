package member

import "golang.org/x/sys/unix"

// Now reads CLOCK_BOOTTIME, which goes on while the machine is suspended; Go's monotonic clock stands still then.
func Now() Instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("CLOCK_BOOTTIME: " + err.Error()) // in every kernel since 2.6.39
	}
	return Instant(t.Nano())
}
