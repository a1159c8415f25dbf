package main

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/plugins"
)

// unchanged is a plan of a project of one pipeline a file, against a cluster that has them all.
func unchanged(tb testing.TB, pipelines int) (plan func()) {
	tb.Helper()
	dir, c := tb.TempDir(), newConnect()
	for i := range pipelines {
		write(tb, dir, fmt.Sprintf("p%04d.hcl", i), fmt.Sprintf(`pipeline "orders-%[1]d" {
  sink "file" {
    topics = ["orders-%[1]d", "lines"]
    file   = "/data/%[1]d"
    config = { "connection.password" = "s3cr3t-%[1]d" }
  }
  value_converter "json" {
    schemas_enable = false
  }
  transform "mask_field" "mask" {
    target = "value"
    fields = ["card"]
  }
}
`, i))
	}
	write(tb, dir, "project.hcl", "project \"shop\" {}\n")
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		tb.Fatal(err)
	}
	files, found := hcl.Load(dir, hcl.Options{Registry: registry, ForCluster: true})
	if found.HasErrors() {
		tb.Fatal(found.Err())
	}
	for _, d := range files.Pipelines {
		c.configs[d.Name()], c.states[d.Name()] = with(d.Map, "engine.owner", `v1 "shop" x`), "RUNNING"
	}
	server := httptest.NewServer(c)
	tb.Cleanup(server.Close)
	return func() {
		said := &output{}
		p := process{args: []string{"plan", "-url", server.URL, "-detailed-exitcode", dir}, in: strings.NewReader(""), out: said, err: said, env: func(string) (string, bool) { return "", false }}
		if status := execute(tb.Context(), p); status != 0 {
			tb.Fatal(said.String())
		}
	}
}

// BenchmarkPlan plans projects of one pipeline a file against a cluster that has them all. What a pipeline costs is to be the
// same for all sizes.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{250, 1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			plan := unchanged(b, n)
			spent := processorTime(b)
			for b.Loop() {
				plan()
			}
			b.ReportMetric(float64((processorTime(b)-spent).Microseconds())/float64(b.N*n), "cpu-µs/pipeline")
		})
	}
}

// TestAllocOfAPlan bounds what a plan of pipelines that have not changed allocates, the cluster's part included, and that it
// grows no faster than their number.
func TestAllocOfAPlan(t *testing.T) { //nolint:paralleltest // others would allocate meanwhile
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const few, many, bound = 100, 400, 1300 // measured: 1,080
	allocs := func(n int) float64 { return testing.AllocsPerRun(2, unchanged(t, n)) }
	base, more := allocs(few), allocs(many)
	if each := (more - base) / (many - few); each > bound {
		t.Errorf("got %.0f allocations for each pipeline, want %d at most", each, bound)
	}
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
