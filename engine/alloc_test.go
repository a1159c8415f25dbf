package engine_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

// mostAllocations is the gate: allocations a record of the whole process, the client and the fake broker included.
const mostAllocations = 0.3

// TestDataPathAllocations moves records from a file through transforms and JSON into a topic, and from a topic through JSON
// and transforms into a file, and counts what the process allocates meanwhile.
func TestDataPathAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops pooled memory at random")
	}
	const lines = 200_000
	c := kafkatest.Start(t)
	c.Fake() // a genuine broker is measured elsewhere
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	fill(t, in, lines)
	topic := c.CreateTopic("lines", 1, nil)

	source := declared("name=in", "connector.class=FileStreamSource", "file="+in, "topic="+topic, "transforms=hoist,site,mask",
		"transforms.hoist.type=org.apache.kafka.connect.transforms.HoistField$Value", "transforms.hoist.field=line",
		"transforms.site.type=org.apache.kafka.connect.transforms.InsertField$Value", "transforms.site.static.field=site", "transforms.site.static.value=shop",
		"transforms.mask.type=org.apache.kafka.connect.transforms.MaskField$Value", "transforms.mask.fields=site",
		"value.converter=org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable=false")
	r := run(t, c, memoryStore(t))
	gate(t, "file to topic", lines, func() {
		if _, err := r.Apply(t.Context(), one(source)); err != nil {
			t.Fatal(err)
		}
		r.await("all lines in the topic", func(v engine.View) bool { return v.Pipelines[0].Counts().Delivered == lines })
	})

	sink := declared("name="+c.Name("out"), "connector.class=FileStreamSink", "file="+out, "topics="+topic, "transforms=site,line",
		"transforms.site.type=org.apache.kafka.connect.transforms.MaskField$Value", "transforms.site.fields=site",
		"transforms.line.type=org.apache.kafka.connect.transforms.ExtractField$Value", "transforms.line.field=line",
		"value.converter=org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable=false")
	gate(t, "topic to file", lines, func() {
		if _, err := r.Apply(t.Context(), one(sink)); err != nil {
			t.Fatal(err)
		}
		r.await("all lines in the file", func(v engine.View) bool {
			return len(v.Pipelines) == 1 && v.Pipelines[0].Name == sink.Map["name"] && v.Pipelines[0].Counts().Delivered == lines
		})
	})
	r.halt()
	same(t, in, out)
}

// gate demands few allocations a record of what do does.
func gate(t *testing.T, what string, records int, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	perRecord := float64(after.Mallocs-before.Mallocs) / float64(records)
	t.Logf("%s: %.3f allocations, %.0f bytes a record", what, perRecord, float64(after.TotalAlloc-before.TotalAlloc)/float64(records))
	if perRecord > mostAllocations {
		t.Errorf("%s: got %.3f allocations a record, want at most %.1f", what, perRecord, mostAllocations)
	}
}

func fill(t *testing.T, path string, lines int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for n := range lines {
		line := fmt.Sprintf("%07d 10.0.0.%d GET /product/%d HTTP/1.1 200 some text that makes the line as long as a line of a log\n", n, n%250, n%977)
		if _, err := w.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(x) != string(y) {
		t.Errorf("%s and %s differ", a, b)
	}
}
