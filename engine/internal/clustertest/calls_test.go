package clustertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// slowest is how long an answer may take: the leader that has died is missed after a session, another one claims, and what
// was asked waits for it.
const slowest = 35 * time.Second

// caller asks workers for things while they are killed and frozen, and keeps account of the answers.
type caller struct {
	*cluster
	random *rand.Rand

	mu     sync.Mutex
	counts map[string]int
	slow   []time.Duration // of writes that were carried out
}

// ask calls a worker that seems to be up. Nobody can answer who was killed or frozen in the meantime; all others must, and
// in words: known is false when it cannot be said what became of the call.
func (c *caller) ask(ctx context.Context, w *worker, method, path string, body any) (a answer, known bool) {
	before, up := w.untouched()
	if !up {
		return answer{}, false
	}
	a = w.call(ctx, method, path, body)
	after, up := w.untouched()
	disturbed := before != after || !up
	kind := fmt.Sprintf("%s %d", method, a.status)
	switch {
	case ctx.Err() != nil:
		return a, false
	case disturbed && (a.err != nil || a.status >= 500):
		kind = method + " to a worker that went down"
	case a.err != nil:
		c.t.Errorf("worker %d: %s %s was not answered: %s", w.number, method, path, a)
	case a.took > slowest && !disturbed:
		c.t.Errorf("worker %d: %s %s was answered too late: %s", w.number, method, path, a)
	case a.status >= 400:
		var refused struct {
			Code    int `json:"error_code"`
			Message string
		}
		if json.Unmarshal(a.body, &refused) != nil || refused.Code != a.status || refused.Message == "" {
			c.t.Errorf("worker %d: %s %s was refused without a reason: %s", w.number, method, path, a)
		}
		if !slices.Contains([]int{404, 409, 412, 500, 503, 504}, a.status) {
			c.t.Errorf("worker %d: %s %s: %s", w.number, method, path, a)
		}
		if a.status >= 500 && method == http.MethodGet && !strings.HasSuffix(path, "/offsets") {
			c.t.Errorf("worker %d: GET %s, which needs no broker, was refused: %s", w.number, path, a)
		}
		if a.status >= 500 {
			kind += " " + refused.Message[:min(len(refused.Message), 90)]
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[kind]++
	if a.status < 300 && a.err == nil && method != http.MethodGet && !disturbed {
		c.slow = append(c.slow, a.took)
	}
	return a, a.err == nil && a.status < 500
}

// other is a worker that is up and not w, if there is one.
func (c *caller) other(w *worker) *worker {
	for _, i := range c.random.Perm(len(c.workers)) {
		if o := c.workers[i]; o != w {
			if _, up := o.untouched(); up {
				return o
			}
		}
	}
	return w
}

// ledger writes a growing number into one connector's configuration through any worker and reads it on another: once a
// write was answered, no later read may show an older number (decision D3), unless it says by Age that it is behind. It
// returns the number that was acknowledged last and the one that was written last.
func (c *caller) ledger(ctx context.Context, name string, config map[string]string) (stored, written int) {
	for ctx.Err() == nil {
		w := c.other(nil)
		written++
		config["batch.size"] = strconv.Itoa(1000 + written)
		a, known := c.ask(ctx, w, http.MethodPut, "/connectors/"+name+"/config", config)
		if known && a.status < 300 {
			stored = written
		}
		if a, known = c.ask(ctx, c.other(w), http.MethodGet, "/connectors/"+name+"/config", nil); known && a.status == http.StatusOK && a.header.Get("Age") == "" {
			if got := size(c.t, a.body); got < stored || got > written {
				c.t.Errorf("%s is %d in an answer, after %d was acknowledged, with %d the last that was written", name, got, stored, written)
			}
		}
		pause(ctx, 200*time.Millisecond)
	}
	return stored, written
}

func size(t *testing.T, body []byte) int {
	var is struct {
		Size string `json:"batch.size"`
	}
	if err := json.Unmarshal(body, &is); err != nil {
		t.Errorf("%v in %s", err, body)
	}
	n, err := strconv.Atoi(is.Size)
	if err != nil {
		t.Errorf("%v in %s", err, body)
	}
	return n - 1000
}

// visitor does to connectors what people do: looks, pauses, resumes, restarts, creates and deletes.
func (c *caller) visitor(ctx context.Context, names []string, config map[string]string) {
	for made := 0; ctx.Err() == nil; {
		w := c.other(nil)
		name := names[c.random.IntN(len(names))]
		switch c.random.IntN(8) {
		case 0:
			c.ask(ctx, w, http.MethodGet, "/connectors", nil)
		case 1:
			c.ask(ctx, w, http.MethodGet, "/connectors/"+name+"/status", nil)
		case 2:
			c.ask(ctx, w, http.MethodGet, "/connectors/"+name+"/offsets", nil)
		case 3:
			c.ask(ctx, w, http.MethodPost, "/connectors/"+name+"/restart?includeTasks=true", nil)
		case 4:
			c.ask(ctx, w, http.MethodPut, "/connectors/"+name+"/pause", nil)
			c.ask(ctx, c.other(w), http.MethodPut, "/connectors/"+name+"/resume", nil)
		case 5, 6:
			made++
			name := fmt.Sprintf("visit-%d", made)
			if a, known := c.ask(ctx, w, http.MethodPost, "/connectors", map[string]any{"name": name, "config": config}); !known || a.status != http.StatusCreated {
				continue
			}
			o := c.other(w)
			if a, known := c.ask(ctx, o, http.MethodGet, "/connectors/"+name, nil); known && a.status != http.StatusOK && a.header.Get("Age") == "" {
				c.t.Errorf("worker %d created %s, of which worker %d says %s\n%s", w.number, name, o.number, a, c.traces(name))
			}
			if a, known := c.ask(ctx, o, http.MethodDelete, "/connectors/"+name, nil); known && a.status != http.StatusNoContent {
				c.t.Errorf("worker %d created %s, and worker %d does not delete it: %s", w.number, name, o.number, a)
			}
		case 7:
			c.ask(ctx, w, http.MethodGet, "/connectors?expand=status&expand=info", nil)
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// traces is what the config topic has of a connector, and what the workers say of it, for whoever looks for the reason of a
// failure.
func (c *cluster) traces(name string) string {
	var text strings.Builder
	for _, w := range c.workers {
		fmt.Fprintf(&text, "worker %d: %s\n", w.number, w.call(c.t.Context(), http.MethodGet, "/connectors/"+name, nil))
	}
	committed := map[int64]bool{}
	for _, r := range c.all(c.group+"-configs", true) {
		committed[r.Offset] = true
	}
	begun := false // from where the connector is spoken of
	for _, r := range c.all(c.group+"-configs", false) {
		begun = begun || strings.Contains(string(r.Key), name) || strings.Contains(string(r.Value), name)
		if begun {
			fmt.Fprintf(&text, "%d %s %s, %d bytes, transactional %t, producer %d/%d, committed %t\n", r.Offset, r.Timestamp.Format(time.StampMilli), r.Key, len(r.Value), r.Attrs.IsTransactional(), r.ProducerID, r.ProducerEpoch, committed[r.Offset])
		}
	}
	return text.String()
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
