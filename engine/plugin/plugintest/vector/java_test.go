package vector

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"
)

// TestBesideEndsWhenTryPanics: whatever ends the answering, the writer ends too, even one that waits for a pipe from which
// nobody reads.
func TestBesideEndsWhenTryPanics(t *testing.T) {
	t.Parallel()
	requests, in := io.Pipe()
	t.Cleanup(func() { _ = requests.Close() }) // it never fails
	j := &Java{in: in, out: bufio.NewReader(strings.NewReader("{}\n{}\n")), release: "17", cases: 5000, seed: 1}
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		j.Beside(t, func(*Random) string { return `{"op":"none"}` }, func(*Case) error { panic("as expected") })
	}()
	select {
	case got := <-ended:
		if got != "as expected" {
			t.Errorf("got %v, want the panic of try", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the writer is waited for, and it waits")
	}
}
