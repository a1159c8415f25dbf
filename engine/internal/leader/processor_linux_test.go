package leader

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is what the calling thread has used of a processor: on a machine where much else runs, a clock would count that.
func processorTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic("CLOCK_THREAD_CPUTIME_ID: " + err.Error()) // in every kernel since 2.6.12
	}
	return time.Duration(t.Nano())
}
