package task_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// previewed runs a preview and gives, for each record, what came in, the verdicts, and what came out.
func previewed(ctx context.Context, p *task.Preview, n int) (lines []string, err error) {
	p.Logger = slog.New(slog.DiscardHandler)
	err = p.Run(ctx, n, func(t task.Told) error {
		line := ":"
		if !t.In.Value.Value.IsNull() {
			line = t.In.Value.Value.Text() + ":"
		}
		for _, s := range t.Outcome.Steps {
			line += " " + s.Name + " " + string(s.Verdict)
		}
		for _, r := range t.Outcome.Records {
			line += " → " + r.Value.Value.Text()
		}
		if t.Outcome.Err != nil {
			line += " ! " + t.Outcome.Stage + ": " + t.Outcome.Err.Error()
		}
		lines = append(lines, line)
		return nil
	})
	return lines, err
}

// upper is a chain of one transform, which drops "b" and fails "c".
func upper(g *graph.Task) {
	g.Chain = []graph.Stage{stage("upper", func(b *record.Batch, i int, r *record.Record) error {
		switch r.Value.Value.Text() {
		case "b":
			b.Drop(i)
		case "c":
			return plugin.Data("not c")
		default:
			r.Value.Value = record.OfString(strings.ToUpper(r.Value.Value.Text()))
		}
		return nil
	})}
	g.Value = converter(plugin.ValueUse, func(s string) error {
		if s == "D" || s == "\xff" {
			return plugin.Data("not this")
		}
		return nil
	})
}

func TestPreviewOfASource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &plugintest.ScriptedSource{OnTaskStart: func(ctx context.Context, _ plugin.Host, _ plugin.Config, o plugin.Offsets) error {
			at, err := o.Read(ctx, record.OfString("p"))
			if err == nil && (len(at) != 1 || !at[0].IsNull()) {
				t.Errorf("stored offsets: got %v", at)
			}
			return err
		}}
		again := func(context.Context, *record.Batch) error { return plugin.Retry(errors.New("not yet"), 0) }
		s.Push(plugintest.Emit(plugintest.Row{Value: "a"}, plugintest.Row{Value: "b"}), again, plugintest.Emit(plugintest.Row{Value: "c"}), plugintest.Emit(plugintest.Row{Value: "d"}, plugintest.Row{Value: "e"}))
		p := &task.Preview{Instance: instance("src", s.Descriptor(), upper)}
		got, err := previewed(t.Context(), p, 4)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "records", got, []string{"a: upper applied → A", "b: upper dropped", "c: upper failed ! transform.upper: not c", "d: upper applied → D ! value_converter: not this"})

		// What does not come is waited for until the time is over, which is no error, and all is stopped.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		s.Push(plugintest.Emit(plugintest.Row{Value: "f"}))
		if got, err = previewed(ctx, p, 4); err != nil {
			t.Fatal(err)
		}
		same(t, "records", got, []string{"f: upper applied → F"})
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("waited %s, want a minute", took)
		}
		if n := len(s.Committed(&record.Partitions{})); n != 0 {
			t.Errorf("%d partitions were committed", n)
		}
		stops := 0
		for _, c := range s.Calls() {
			if strings.HasSuffix(c.Name, "stop") {
				stops++
			}
		}
		if stops != 4 { // a connector and a task, twice
			t.Errorf("stops: got %d, want 4: %v", stops, s.Calls())
		}
	})
}

// A call that does not come back holds the preview no longer than five seconds behind its end, wherever it hangs, and then
// nothing more is told.
func TestPreviewAbandonsWhatHangs(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"start", "tasks", "task start", "poll", "stop", "task stop", "transform"} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			hang := func() { <-release } // whatever becomes of the context
			s := &plugintest.ScriptedSource{}
			g := instance("src", s.Descriptor())
			switch where {
			case "start":
				s.OnStart = func(plugin.Host, plugin.Config) error { hang(); return nil }
			case "tasks":
				s.Split = func(c plugin.Config, _ int) ([]plugin.Config, error) { hang(); return []plugin.Config{c}, nil }
			case "task start":
				s.OnTaskStart = func(context.Context, plugin.Host, plugin.Config, plugin.Offsets) error { hang(); return nil }
			case "poll":
				s.Push(func(context.Context, *record.Batch) error { hang(); return nil })
			case "stop":
				s.OnStop = func(context.Context) error { hang(); return nil }
			case "task stop":
				s.OnTaskStop = func(context.Context) error { hang(); return nil }
			case "transform":
				g = instance("src", s.Descriptor(), func(g *graph.Task) {
					g.Chain = []graph.Stage{stage("slow", func(*record.Batch, int, *record.Record) error { hang(); return nil })}
				})
			}
			s.Push(plugintest.Emit(plugintest.Row{Value: "a"}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begun := time.Now()
			_, err := previewed(ctx, &task.Preview{Instance: g}, 2)
			if took := time.Since(begun); took != time.Minute+5*time.Second {
				t.Errorf("%s: took %s, want a minute and five seconds", where, took)
			}
			if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.TaskFailed || !strings.Contains(err.Error(), "hangs") {
				t.Errorf("%s: got %v", where, err)
			}
			close(release)
			synctest.Wait()
		})
	}
}

func TestPreviewFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	failing := func(context.Context, *record.Batch) error { return broken }
	for name, s := range map[string]*plugintest.ScriptedSource{
		"start":      {OnStart: func(plugin.Host, plugin.Config) error { return broken }},
		"tasks":      {Split: func(plugin.Config, int) ([]plugin.Config, error) { return nil, broken }},
		"task start": {OnTaskStart: func(context.Context, plugin.Host, plugin.Config, plugin.Offsets) error { return broken }},
		"poll":       {},
		"stop":       {OnStop: func(context.Context) error { return broken }},
		"task stop":  {OnTaskStop: func(context.Context) error { return broken }},
		"fail":       {OnStart: func(h plugin.Host, _ plugin.Config) error { h.Fail(broken); return nil }},
		"task fail": {OnTaskStart: func(_ context.Context, h plugin.Host, _ plugin.Config, _ plugin.Offsets) error {
			h.Fail(broken)
			return nil
		}},
	} {
		switch name {
		case "poll":
			s.Push(failing)
		case "stop", "task stop":
			s.Push(plugintest.Emit(plugintest.Row{Value: "a"}))
		}
		if _, err := previewed(t.Context(), &task.Preview{Instance: instance("src", s.Descriptor())}, 1); !errors.Is(err, broken) {
			t.Errorf("%s: got %v, want %v", name, err, broken)
		}
	}
	s := &plugintest.ScriptedSource{}
	s.Push(func(context.Context, *record.Batch) error { panic("poll") })
	if _, err := previewed(t.Context(), &task.Preview{Instance: instance("src", s.Descriptor())}, 1); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("a panic: got %v", err)
	}
}

func TestPreviewOfASink(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	c.CreateTopic("in", 2, nil)
	produce := func(partition int32, at int64, value string) {
		c.Produce("in", &kgo.Record{Partition: partition, Timestamp: time.UnixMilli(at), Value: []byte(value)})
	}
	for i, v := range []string{"x", "a", "b", "\xff"} {
		produce(int32(i%2), int64(1000+i), v)
	}
	s := &plugintest.RecordingSink{}
	settings := sink(t, c, s, "in", upper)
	p := &task.Preview{Instance: settings.Instance, Clients: settings.Clients}
	p.Clients.Consumer = map[string]string{"group.id": "of-the-worker"}
	p.Instance.Task.Consumer["group.id"] = "of-the-connector"
	got, err := previewed(t.Context(), p, 3)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "newest records", got, []string{"a: upper applied → A", "b: upper dropped", ": ! value_converter: not this"})
	if len(s.Calls()) > 0 {
		t.Errorf("the sink was used: %v", s.Calls())
	}
	client, err := c.Clients().AdminClient(nil, "groups")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	groups, err := kadm.NewClient(client).ListGroups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups.Groups() {
		if strings.HasPrefix(g, "of-the-") || strings.Contains(g, p.Instance.Name) {
			t.Errorf("there is a group %s", g)
		}
	}

	// All there is, which is fewer; and by a pattern.
	p.Instance.Task.Topics, p.Instance.Task.TopicsRegex = nil, "i."+strings.TrimPrefix(c.Name("in"), "in")
	if got, err = previewed(t.Context(), p, 9); err != nil || len(got) != 4 {
		t.Errorf("by a pattern: got %q, %v", got, err)
	}
	p.Instance.Task.TopicsRegex = c.Name("nothing.*")
	if got, err = previewed(t.Context(), p, 9); err != nil || len(got) != 0 {
		t.Errorf("no topic: got %q, %v", got, err)
	}
	p.Instance.Task.Topics, p.Instance.Task.TopicsRegex = []string{c.Name("missing")}, ""
	if _, err = previewed(t.Context(), p, 9); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a topic that is missing: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Instance.Task.Topics = []string{c.Name("in")}
	if got, err = previewed(ctx, p, 9); err != nil || slices.Contains(got, "a") {
		t.Errorf("interrupted: got %q, %v", got, err)
	}
}
