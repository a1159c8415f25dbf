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

// BenchmarkPlan plans projects of one pipeline a file against a cluster that has them all. What a pipeline costs is to be the
// same for all sizes.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{250, 1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir, c := b.TempDir(), newConnect()
			for i := range n {
				write(b, dir, fmt.Sprintf("p%04d.hcl", i), fmt.Sprintf(`pipeline "orders-%[1]d" {
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
			write(b, dir, "project.hcl", "project \"shop\" {}\n")
			registry, err := plugin.NewRegistry(plugins.All())
			if err != nil {
				b.Fatal(err)
			}
			files, found := hcl.Load(dir, hcl.Options{Registry: registry, ForCluster: true})
			if found.HasErrors() {
				b.Fatal(found.Err())
			}
			for _, d := range files.Pipelines {
				c.configs[d.Name()], c.states[d.Name()] = with(d.Map, "engine.owner", `v1 "shop" x`), "RUNNING"
			}
			server := httptest.NewServer(c)
			defer server.Close()
			spent := processorTime(b)
			for b.Loop() {
				said := &output{}
				p := process{args: []string{"plan", "-url", server.URL, "-detailed-exitcode", dir}, in: strings.NewReader(""), out: said, err: said, env: func(string) (string, bool) { return "", false }}
				if status := execute(b.Context(), p); status != 0 {
					b.Fatal(said.String())
				}
			}
			b.ReportMetric(float64((processorTime(b)-spent).Microseconds())/float64(b.N*n), "cpu-µs/pipeline")
		})
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
