package engine

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// processMetrics are those of Go's runtime and of the process, under the names and with the meaning that Prometheus' own
// library for Go gives them.
func processMetrics(p *page) {
	p.family("go_info", gauge, "Information about the Go environment.")
	p.sample(1, label("version", runtime.Version()))
	threads, _ := runtime.ThreadCreateProfile(nil)
	p.alone("go_goroutines", gauge, "Number of goroutines that currently exist.", float64(runtime.NumGoroutine()))
	p.alone("go_threads", gauge, "Number of OS threads created.", float64(threads))
	p.alone("go_sched_gomaxprocs_threads", gauge, "The current runtime.GOMAXPROCS setting, or the number of operating system threads that can execute user-level Go code simultaneously.", float64(runtime.GOMAXPROCS(0)))
	collections(p)
	memory(p)
	operatingSystem(p)
}

// collections tell how long the garbage collector has stopped everything.
func collections(p *page) {
	gc := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&gc)
	p.family("go_gc_duration_seconds", summary, "A summary of the wall-time pause (stop-the-world) duration in garbage collection cycles.")
	for i, q := range gc.PauseQuantiles {
		p.sample(q.Seconds(), label("quantile", strconv.FormatFloat(float64(i)/4, 'g', -1, 64)))
	}
	p.series("_sum", gc.PauseTotal.Seconds())
	p.series("_count", float64(gc.NumGC))
}

func memory(p *page) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for _, f := range []struct {
		name string
		kind kind
		help string
		v    uint64
	}{
		{"alloc_bytes", gauge, "Number of bytes allocated in heap and currently in use.", m.Alloc},
		{"alloc_bytes_total", counter, "Total number of bytes allocated in heap until now, even if released already.", m.TotalAlloc},
		{"buck_hash_sys_bytes", gauge, "Number of bytes used by the profiling bucket hash table.", m.BuckHashSys},
		{"frees_total", counter, "Total number of heap objects frees.", m.Frees},
		{"gc_sys_bytes", gauge, "Number of bytes used for garbage collection system metadata.", m.GCSys},
		{"heap_alloc_bytes", gauge, "Number of heap bytes allocated and currently in use.", m.HeapAlloc},
		{"heap_idle_bytes", gauge, "Number of heap bytes waiting to be used.", m.HeapIdle},
		{"heap_inuse_bytes", gauge, "Number of heap bytes that are in use.", m.HeapInuse},
		{"heap_objects", gauge, "Number of currently allocated objects.", m.HeapObjects},
		{"heap_released_bytes", gauge, "Number of heap bytes released to OS.", m.HeapReleased},
		{"heap_sys_bytes", gauge, "Number of heap bytes obtained from system.", m.HeapSys},
		{"mallocs_total", counter, "Total number of heap objects allocated, both live and gc-ed.", m.Mallocs},
		{"mcache_inuse_bytes", gauge, "Number of bytes in use by mcache structures.", m.MCacheInuse},
		{"mcache_sys_bytes", gauge, "Number of bytes used for mcache structures obtained from system.", m.MCacheSys},
		{"mspan_inuse_bytes", gauge, "Number of bytes in use by mspan structures.", m.MSpanInuse},
		{"mspan_sys_bytes", gauge, "Number of bytes used for mspan structures obtained from system.", m.MSpanSys},
		{"next_gc_bytes", gauge, "Number of heap bytes when next garbage collection will take place.", m.NextGC},
		{"other_sys_bytes", gauge, "Number of bytes used for other system allocations.", m.OtherSys},
		{"stack_inuse_bytes", gauge, "Number of bytes obtained from system for stack allocator in non-CGO environments.", m.StackInuse},
		{"stack_sys_bytes", gauge, "Number of bytes obtained from system for stack allocator.", m.StackSys},
		{"sys_bytes", gauge, "Number of bytes obtained from system.", m.Sys},
	} {
		p.alone("go_memstats_"+f.name, f.kind, f.help, float64(f.v))
	}
	p.alone("go_memstats_last_gc_time_seconds", gauge, "Number of seconds since 1970 of last garbage collection.", float64(m.LastGC)/1e9)
}

// ticks is how many ticks of /proc make a second (USER_HZ).
const ticks = 100

// operatingSystem is what Linux tells of the process (proc(5)); other systems have no such files, and no such series.
func operatingSystem(p *page) {
	fields := procStat()
	if fields == nil {
		return
	}
	at := func(n int) float64 { // numbered as in proc(5), from 1
		v, _ := strconv.ParseFloat(fields[n-3], 64) // a number always
		return v
	}
	p.alone("process_cpu_seconds_total", counter, "Total user and system CPU time spent in seconds.", (at(14)+at(15))/ticks)
	p.alone("process_virtual_memory_bytes", gauge, "Virtual memory size in bytes.", at(23))
	p.alone("process_resident_memory_bytes", gauge, "Resident memory size in bytes.", at(24)*float64(os.Getpagesize()))
	if boot, ok := procNumber("/proc/stat", "btime "); ok {
		p.alone("process_start_time_seconds", gauge, "Start time of the process since unix epoch in seconds.", boot+at(22)/ticks)
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.alone("process_open_fds", gauge, "Number of open file descriptors.", float64(len(open)))
	}
	if most, ok := procNumber("/proc/self/limits", "Max open files"); ok {
		p.alone("process_max_fds", gauge, "Maximum number of open file descriptors.", most)
	}
}

// procStat are the fields of /proc/self/stat from the third on: the second is a name in which anything may stand.
func procStat() []string {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 22 {
		return nil
	}
	return fields
}

// procNumber is the first number after a word at the beginning of a line.
func procNumber(file, word string) (n float64, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, word); found {
			_, err := fmt.Sscan(rest, &n)
			return n, err == nil
		}
	}
	return 0, false
}
