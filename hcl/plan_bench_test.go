package hcl_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/hcl"
)

// thousand is a project of pipelines in as many files, with transforms, and a share of moved blocks.
func thousand(tb testing.TB, pipelines int) string {
	tb.Helper()
	dir := tb.TempDir()
	for i := range pipelines {
		text := fmt.Sprintf(`pipeline "orders-%[1]d" {
  tasks_max = 2
  sink "com.acme.Sink" {
    topics         = ["orders-%[1]d", "lines"]
    connection_url = "jdbc:x:${local.host}/%[1]d"
    batch_size     = 500
  }
  value_converter "json" {
    schemas_enable = false
  }
  transform "mask_field" "mask" {
    target = "value"
    fields = ["card"]
  }
  transform "regex_router" "route" {
    regex       = "shop\\.(.*)"
    replacement = "$1"
  }
  errors {
    tolerance = "all"
  }
  dead_letter_queue {
    topic_name = "orders-%[1]d.dlq"
  }
}
`, i)
		if i%10 == 0 {
			text += fmt.Sprintf("moved {\n  from = \"old-%[1]d\"\n  to   = pipeline[\"orders-%[1]d\"]\n}\n", i)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%04d.hcl", i)), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte("project \"shop\" {}\nlocals {\n  host = \"db\"\n}\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// processorTime is what this process has used of all processors.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Skip(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkLoadAProject loads, evaluates and flattens projects of one pipeline a file. The time of a pipeline is to be the same for
// all sizes; what stays in memory is told per load.
func BenchmarkLoadAProject(b *testing.B) {
	for _, n := range []int{250, 1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := thousand(b, n)
			o := options(b)
			o.ForCluster = true
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var p *hcl.Project
			spent := processorTime(b)
			for b.Loop() {
				loaded, found := hcl.Load(dir, o)
				if found.HasErrors() || len(loaded.Pipelines) != n {
					b.Fatal(found.Err(), len(loaded.Pipelines))
				}
				p = loaded
			}
			spent = processorTime(b) - spent
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(spent.Microseconds())/float64(b.N*n), "cpu-µs/pipeline")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB-kept")
			runtime.KeepAlive(p)
		})
	}
}
