package engine

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// aSource and aSink are all that metrics ask of a connector's plugin.
func aSource() plugin.Descriptor {
	return plugin.Descriptor{Name: "made", Class: "test.Made", Version: "1", NewSource: func() plugin.Source { return nil }}
}

func aSink() plugin.Descriptor {
	return plugin.Descriptor{Name: "taken", Class: "test.Taken", Version: "1", NewSink: func() plugin.Sink { return nil }}
}

// scraped is a scrape of connectors with a task each.
func scraped(d plugin.Descriptor, names ...string) *metrics {
	m := &metrics{now: time.Now(), loads: &Loads{}}
	for _, n := range names {
		s := subject{connector: label("connector", n), plugin: d, state: store.StateRunning, tasks: 1, count: map[store.State]int{store.StateRunning: 1}, now: m.now}
		m.connectors = append(m.connectors, s)
		s.task, s.client, s.meter = label("task", "0"), label("client_id", "connector-consumer-"+n+"-0"), &task.Meter{}
		m.tasks = append(m.tasks, s)
	}
	return m
}

var (
	headLine   = regexp.MustCompile(`^# (HELP|TYPE) ([a-z_]+) (.+)$`)
	sampleLine = regexp.MustCompile(`^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

// parsePage reads the text format as strictly as it is defined: a family has one head and its series follow it, no series
// stands twice, values are numbers. It returns the series by family.
func parsePage(t *testing.T, text string) map[string][]string {
	t.Helper()
	families, seen, kinds := map[string][]string{}, map[string]bool{}, map[string]string{}
	var family string
	for line := range strings.Lines(text) {
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			t.Fatalf("the page ends within %q", line)
		}
		if m := headLine.FindStringSubmatch(line); m != nil {
			if _, again := families[m[2]]; again && m[1] == "HELP" {
				t.Errorf("family %s begins twice", m[2])
			}
			if family = m[2]; m[1] == "TYPE" {
				kinds[family] = m[3]
			}
			families[family] = nil
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("no line of the format: %q", line)
			continue
		}
		if m[1] != family && (kinds[family] != "summary" || strings.TrimPrefix(m[1], family) != "_sum" && strings.TrimPrefix(m[1], family) != "_count") {
			t.Errorf("a series of %s stands under %s", m[1], family)
		}
		if series := m[1] + m[2]; seen[series] {
			t.Errorf("twice: %s", series)
		} else {
			seen[series] = true
		}
		if _, err := strconv.ParseFloat(m[3], 64); err != nil {
			t.Errorf("no number in %q", line)
		}
		families[family] = append(families[family], line)
	}
	return families
}

// TestPageIsOfTheFormat also for names that need escapes.
func TestPageIsOfTheFormat(t *testing.T) {
	t.Parallel()
	names := []string{`plain`, `with "quotes"`, `back\slash`, "two\nlines", "half \xff", "größe,a=\"b\""}
	var b bytes.Buffer
	p := &page{to: &b}
	m := scraped(aSink(), names...)
	m.tasks[0].meter.Delivered.Store(math.MaxInt64)
	m.tasks[1].state, m.tasks[1].failures = store.StateFailed, Failures{Count: 3, At: time.UnixMilli(1_700_000_000_123)}
	m.write(p)
	processMetrics(p)
	p.flush()
	if p.err != nil {
		t.Fatal(p.err)
	}
	families := parsePage(t, b.String())
	status := families["kafka_connect_connector_task_metrics_status"]
	if len(status) != 6*len(names) {
		t.Errorf("got %d states of %d tasks", len(status), len(names))
	}
	for i, name := range names {
		pair := labelPair.FindStringSubmatch(status[6*i])
		got, err := strconv.Unquote(`"` + pair[2] + `"`)
		if want := strings.ToValidUTF8(name, "\ufffd"); err != nil || got != want {
			t.Errorf("got the label %q, %v; want %q", got, err, want)
		}
	}
	for _, want := range []string{
		`kafka_connect_connector_task_metrics_status{connector="with \"quotes\"",status="failed",task="0"} 1`,
		`kafka_connect_connector_task_metrics_status{connector="with \"quotes\"",status="running",task="0"} 0`,
		`engine_task_failures_total{connector="with \"quotes\"",task="0"} 3`,
		`engine_task_last_failure_timestamp_seconds{connector="with \"quotes\"",task="0"} 1.700000000123e+09`,
		`kafka_connect_sink_task_metrics_sink_record_send_total{connector="plain",task="0"} 9.223372036854776e+18`,
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
	for _, family := range []string{"kafka_connect_source_task_metrics_source_record_poll_total", "engine_task_lag_records", "engine_task_lag_seconds"} {
		if got := families[family]; len(got) > 0 {
			t.Errorf("of a sink of which nothing is known: %s", got)
		}
	}
}

// TestScrapeHoldsOneBuffer however many pipelines there are.
func TestScrapeHoldsOneBuffer(t *testing.T) { //nolint:paralleltest // it counts allocations
	var names []string
	for n := range 1000 {
		names = append(names, fmt.Sprint("pipeline", n))
	}
	few, many := scraped(aSource(), names[:1]...), scraped(aSource(), names...)
	p := &page{to: io.Discard, buf: make([]byte, 0, pageBlock+pageBlock/8)}
	of := func(m *metrics) float64 { return testing.AllocsPerRun(3, func() { m.write(p) }) }
	// Three labels of the connector's info are made each time.
	if one, all := of(few), of(many); all-one > 3*4*1000 {
		t.Errorf("a scrape of 1,000 pipelines allocates %.0f times, of one %.0f times", all, one)
	}
	if got := cap(p.buf); got > 2*pageBlock {
		t.Errorf("the buffer has grown to %d bytes", got)
	}
}

func TestScrapesArePackedOnDemand(t *testing.T) {
	t.Parallel()
	for accepted, packed := range map[string]bool{
		"": false, "gzip": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0, identity": false, "br": false, "*": true, "gzip;q=x": false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept-Encoding", accepted)
		w := httptest.NewRecorder()
		answer(w, r, scraped(aSource(), "one").write)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != packed {
			t.Errorf("%q: packed is %t", accepted, got)
			continue
		}
		var body io.Reader = w.Body
		if packed {
			unpacked, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = unpacked
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsePage(t, string(text))["kafka_connect_connect_worker_metrics_connector_count"]; len(got) != 1 {
			t.Errorf("%q: got %s", accepted, got)
		}
	}
}

func BenchmarkScrape(b *testing.B) {
	var names []string
	for n := range 1000 {
		names = append(names, fmt.Sprint("pipeline", n))
	}
	m := scraped(aSource(), names...)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
	for _, coding := range []string{"identity", "gzip"} {
		b.Run(coding, func(b *testing.B) {
			r.Header.Set("Accept-Encoding", coding)
			b.ReportAllocs()
			for b.Loop() {
				answer(nowhere{http.Header{}}, r, m.write)
			}
		})
	}
}

type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}
