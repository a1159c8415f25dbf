package graph_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, d)
	}
}

// house has topics shared by pipelines, a pattern, a renamed topic, dead letters that somebody reads, and a circle: the
// copy is read again.
func house() []*config.Declared {
	return declared(
		orders, archive,
		[]string{"name=users", "connector.class=FileStreamSource", "file=/srv/./users.txt", "topic=users"},
		[]string{"name=tables", "connector.class=com.example.TableSource", "tasks.max=2", "topic.prefix=shop."},
		[]string{"name=routed", "connector.class=FileStreamSource", "file=/srv/archive.log", "topic=\"odd\"<b>", "transforms=r", "transforms.r.type=RegexRouter"},
		[]string{"name=all", "connector.class=FileStreamSink", "topics.regex=or.*|.*\\.dlq", "file=/srv/all.log", "transforms=d", "transforms.d.type=Filter"},
		[]string{"name=back", "connector.class=FileStreamSource", "file=/srv/all.log", "topic=orders"},
		[]string{"name=elsewhere", "connector.class=com.example.TableSource"},
	)
}

func TestRender(t *testing.T) {
	t.Parallel()
	r := registry(t)
	g, found := graph.Compile(house(), worker(t, r), r)
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	small, _ := graph.Compile(declared(
		[]string{"name=app-log", "connector.class=FileStreamSource", "file=/var/log/app.log", "topic=app-log"},
		[]string{"name=app-log-copy", "connector.class=FileStreamSink", "topics=app-log", "file=/srv/copy/app.log"},
	), worker(t, r), r)
	extension := map[graph.Format]string{graph.Text: "txt", graph.DOT: "dot", graph.Mermaid: "mmd", graph.JSON: "json"}
	for _, f := range graph.Formats() {
		golden(t, "render/house."+extension[f], rendered(t, g, f))
		golden(t, "render/small."+extension[f], rendered(t, small, f))
		for _, name := range []string{"orders", "archive", "all"} {
			var b strings.Builder
			if err := graph.RenderTask(&b, g.Instance(name), f); err != nil {
				t.Fatal(err)
			}
			golden(t, "render/task-"+name+"."+extension[f], b.String())
		}
	}
}

func rendered(t *testing.T, g *graph.Graph, f graph.Format) string {
	t.Helper()
	var b strings.Builder
	if err := graph.Render(&b, g, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRenderNothing(t *testing.T) {
	t.Parallel()
	for _, f := range graph.Formats() {
		text := rendered(t, &graph.Graph{}, f)
		if f == graph.JSON {
			var v struct{ Nodes, Edges []any }
			if err := json.Unmarshal([]byte(text), &v); err != nil || v.Nodes == nil || v.Edges == nil {
				t.Errorf("JSON of nothing is %s (%v)", text, err)
			}
		}
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestRenderErrors(t *testing.T) {
	t.Parallel()
	if err := graph.Render(&strings.Builder{}, &graph.Graph{}, "svg"); err == nil {
		t.Error("an unknown format is accepted")
	}
	if err := graph.Render(brokenWriter{}, &graph.Graph{}, graph.DOT); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the writer's error", err)
	}
}
