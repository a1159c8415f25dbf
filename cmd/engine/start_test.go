package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The gates of package initialisation, which every process pays for, whatever it does: about a third above what it is.
const (
	mostInitBytes    = 1_500_000 // all packages
	mostInitAllocs   = 10_000
	mostPackageBytes = 250_000 // one package: expressions and tables that are made before anybody needs them
	mostOwnBytes     = 32_000  // one package of this module
)

// TestInitAllocations builds the binary and looks at what its packages allocate before main runs. Metaschemas that were
// compiled there, and expressions, once took 2.5 MB and 25,000 allocations of every process.
func TestInitAllocations(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the binary")
	}
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "engine")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	c := exec.CommandContext(t.Context(), binary, "version")
	c.Env = append(c.Environ(), "GODEBUG=inittrace=1")
	text, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var packages, bytes, allocs int
	for line := range strings.Lines(string(text)) {
		// init NAME @0.1 ms, 0.01 ms clock, 123 bytes, 4 allocs
		f := strings.Fields(line)
		if len(f) != 11 || f[0] != "init" {
			continue
		}
		b, err := strconv.Atoi(f[7])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		n, err := strconv.Atoi(f[9])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		packages, bytes, allocs = packages+1, bytes+b, allocs+n
		if most := mostPackageBytes; b > most || strings.Contains(f[1], "penstock/penstock/") && b > mostOwnBytes {
			t.Errorf("%s allocates %d bytes in its initialisation; make it when it is first needed", f[1], b)
		}
	}
	if packages < 50 {
		t.Fatalf("the trace tells of %d packages:\n%s", packages, text)
	}
	if bytes > mostInitBytes || allocs > mostInitAllocs {
		t.Errorf("packages allocate %d bytes in %d allocations before main, at most %d in %d are allowed:\n%s", bytes, allocs, mostInitBytes, mostInitAllocs, text)
	}
	t.Logf("%d packages allocate %d bytes in %d allocations before main", packages, bytes, allocs)
}
