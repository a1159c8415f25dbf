package plugintest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// upper is a well-behaved transform and predicate; the broken ones differ from it in one thing each.
type upper struct {
	target plugin.Target
	kept   *record.Record
	broken string
	stops  int
}

func (u *upper) Configure(c plugin.Config) error {
	if c["bad"] != "" && u.broken != "accepts" {
		return plugin.Invalid("bad", c["bad"], "")
	}
	if u.broken == "starts" {
		go func() { select {} }()
	}
	return nil
}

func (u *upper) Apply(_ context.Context, b *record.Batch) error {
	switch u.broken {
	case "removes":
		b.Cut(len(b.Records) / 2)
	case "ignores marks":
		b.Show()
	case "keeps":
		if u.kept != nil && len(b.Records) > 0 {
			b.Records[0].Value = u.kept.Value
		}
	}
	b.Each(func(i int, r *record.Record) error {
		d := &r.Value
		if u.target == plugin.Key {
			d = &r.Key
		}
		d.Value = b.Text([]byte(strings.ToUpper(d.Value.Text())))
		if u.broken == "moves" {
			r.Position.Offset = record.OfInt64(99)
		}
		if u.broken == "keeps" && i == 0 {
			kept := *r
			u.kept = &kept
		}
		return nil
	})
	return nil
}

func (u *upper) Start(context.Context, plugin.Host) error {
	switch u.broken {
	case "leaks":
		go func() { select {} }()
	case "cannot start":
		return errors.New("no")
	}
	return nil
}

func (u *upper) Stop(context.Context) error {
	if u.stops++; u.stops > 2 && u.broken == "stops once" {
		return errors.New("stopped already")
	}
	return nil
}

func (u *upper) Test(r *record.Record) (bool, error) {
	switch u.broken {
	case "changes":
		r.Topic = "changed"
	case "fails":
		return false, errors.New("cannot say")
	case "flickers":
		u.kept, r = r, u.kept
		return r == nil, nil
	}
	return r.Value.Value.Kind() == record.String, nil
}

// texts is a well-behaved converter of texts.
type texts struct{ broken string }

func (c texts) Configure(plugin.Config, plugin.Use) error { return nil }

func (c texts) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	if d.Value.IsNull() {
		return nil, nil
	}
	if c.broken == "overwrites" {
		dst = dst[:0:cap(dst)]
		return append(dst, "0123456789"...), nil
	}
	return append(dst, d.Value.Text()...), nil
}

func (c texts) ReadData(_ *record.Arena, _ string, src []byte) (record.Datum, error) {
	d := record.Datum{Schema: record.OptionalOf(record.String)}
	if src != nil {
		d.Value = record.OfText(src)
	}
	if c.broken == "loses" && len(src) > 1 {
		d.Value = record.OfText(src[1:])
	}
	return d, nil
}

// leaky is a source task that starts what it does not end, or breaks another rule.
type leaky struct {
	plugin.SourceTask
	broken string
	stops  int
	next   int64
}

func (l *leaky) Start(ctx context.Context, _ plugin.Host, _ plugin.Config, o plugin.Offsets) error {
	stored, err := o.Read(ctx, plugintest.Partition("p"))
	if err != nil {
		return err
	}
	if !stored[0].IsNull() {
		n, _ := stored[0].Get("n")
		l.next = n.Int()
		if l.broken != "repeats" {
			l.next++
		}
	}
	switch l.broken {
	case "leaks":
		go func() { select {} }()
	case "uses the context":
		context.AfterFunc(ctx, func() { l.next += 100 })
	}
	return nil
}

func (l *leaky) Poll(ctx context.Context, b *record.Batch) error {
	if l.broken == "hangs" && l.next > 0 {
		select {}
	}
	r := plugintest.Row{Partition: "p", Offset: l.next}.Append(b)
	if l.broken == "odd offsets" {
		r.Position.Offset = record.OfArray(nil)
	}
	l.next++
	return nil
}

func (l *leaky) Stop(context.Context) error {
	if l.stops++; l.stops > 1 && l.broken == "stops once" {
		return errors.New("stopped already")
	}
	return nil
}

type leakySource struct {
	plugin.Source
	broken string
}

func (s leakySource) Start(context.Context, plugin.Host, plugin.Config) error { return nil }
func (s leakySource) Stop(context.Context) error                              { return nil }
func (s leakySource) NewTask() plugin.SourceTask                              { return &leaky{broken: s.broken} }

func (s leakySource) Tasks(_ context.Context, limit int) ([]plugin.Config, error) {
	if s.broken == "too many" {
		limit++
	}
	return make([]plugin.Config, min(limit, 2)), nil
}

func describe(name string) plugin.Descriptor {
	return plugin.Descriptor{Name: name, Class: "x.Y", Version: "1", Doc: "A test."}
}

func sourceBroken(how string) func(*testing.T) {
	return func(t *testing.T) {
		d := describe("leaky")
		d.NewSource = func() plugin.Source { return leakySource{broken: how} }
		plugintest.Source(t, d, plugintest.Env{Config: func(testing.TB) plugin.Config { return nil }})
	}
}

func sinkBroken(s *plugintest.RecordingSink) func(*testing.T) {
	return func(t *testing.T) {
		plugintest.Sink(t, s.Descriptor(), plugintest.Env{
			Config: func(testing.TB) plugin.Config { return nil },
			Stored: func(testing.TB, plugin.Config) []string { return nil },
		})
	}
}

func transformBroken(how string) func(*testing.T) {
	return func(t *testing.T) {
		d := describe("upper")
		d.Targets = true
		d.NewTransform = func(target plugin.Target) plugin.Transform { return &upper{target: target, broken: how} }
		plugintest.Transform(t, d, plugintest.Env{
			Config:  func(testing.TB) plugin.Config { return nil },
			Invalid: []plugin.Config{{"bad": "x"}},
		})
	}
}

func predicateBroken(how string) func(*testing.T) {
	return func(t *testing.T) {
		d := describe("is_text")
		d.NewPredicate = func() plugin.Predicate { return &upper{broken: how} }
		plugintest.Predicate(t, d, plugintest.Env{Config: func(testing.TB) plugin.Config { return nil }})
	}
}

func converterBroken(how string) func(*testing.T) {
	return func(t *testing.T) {
		d := describe("texts")
		d.NewConverter = func() plugin.Converter { return texts{how} }
		s := record.OptionalOf(record.String)
		plugintest.Converter(t, d, plugintest.Env{
			Config: func(testing.TB) plugin.Config { return nil }, RoundTrip: true,
			Data: []record.Datum{{Schema: s}, {Schema: s, Value: record.OfString("abc")}},
		})
	}
}

func TestSuitesPassWhatKeepsTheRules(t *testing.T) {
	t.Parallel()
	for name, suite := range map[string]func(*testing.T){
		"source": sourceBroken(""), "transform": transformBroken(""), "predicate": predicateBroken(""), "converter": converterBroken(""),
	} {
		t.Run(name, suite)
	}
}

// broken are plugins that break a rule, and what the suite must say.
var broken = map[string]struct {
	suite func(*testing.T)
	says  string
}{
	"source that leaks":           {sourceBroken("leaks"), "what the plugin started goes on after Stop"},
	"source that hangs":           {sourceBroken("hangs"), "records of 20|panic: test timed out|waiting"},
	"source that repeats":         {sourceBroken("repeats"), "(-without a stop +with)"},
	"source with odd offsets":     {sourceBroken("odd offsets"), "a source offset is a map"},
	"source that stops once":      {sourceBroken("stops once"), "stopped already"},
	"source of too many tasks":    {sourceBroken("too many"), "tasks with a limit of 1: got 2"},
	"source that keeps a context": {sourceBroken("uses the context"), "(-without a stop +with)"},

	"sink that stores nothing": {sinkBroken(&plugintest.RecordingSink{}), "stored (-want +got)"},
	"sink that fails good ones": {sinkBroken(&plugintest.RecordingSink{OnPut: func(_ context.Context, _ plugin.SinkHost, b *record.Batch) error {
		if len(b.Records) > 0 {
			b.Fail(0, errors.New("no"))
		}
		return nil
	}}), "put failed record 0"},
	"sink that commits too far": {sinkBroken(&plugintest.RecordingSink{OnPreCommit: func(_ context.Context, m map[plugin.TopicPartition]int64) (map[plugin.TopicPartition]int64, error) {
		for p := range m {
			m[p]++
		}
		return m, nil
	}}), "which has got up to 20"},

	"transform that removes":       {transformBroken("removes"), "a transform marks, it does not remove"},
	"transform that ignores marks": {transformBroken("ignores marks"), "hidden were worked on"},
	"transform that keeps":         {transformBroken("keeps"), "the same records in a batch used before"},
	"transform that moves":         {transformBroken("moves"), "has another position"},
	"transform that starts":        {transformBroken("starts"), "what the plugin started goes on"},
	"transform that leaks":         {transformBroken("leaks"), "what the plugin started goes on"},
	"transform that stops once":    {transformBroken("stops once"), "second stop: stopped already"},
	"transform that cannot start":  {transformBroken("cannot start"), "start: no"},
	"transform that accepts":       {transformBroken("accepts"), "accepted, want a ConfigError"},

	"predicate that changes":  {predicateBroken("changes"), "a predicate changed a record"},
	"predicate that fails":    {predicateBroken("fails"), "cannot say"},
	"predicate that flickers": {predicateBroken("flickers"), "and true before"},

	"converter that overwrites": {converterBroken("overwrites"), "changed what stood before it"},
	"converter that loses":      {converterBroken("loses"), "want abc"},
}

const brokenName = "PLUGINTEST_BROKEN"

// TestBrokenPlugin runs one of the broken plugins; it does so in a process of its own, since it has to fail.
func TestBrokenPlugin(t *testing.T) {
	b, ok := broken[os.Getenv(brokenName)]
	if !ok {
		t.Skip("run by TestSuitesCatch")
	}
	b.suite(t)
}

func TestSuitesCatch(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a process for each broken plugin")
	}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenPlugin$", "-test.timeout=6s")
			cmd.Env = append(os.Environ(), brokenName+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite found nothing:\n%s", out)
			}
			for says := range strings.SplitSeq(b.says, "|") {
				if strings.Contains(string(out), says) {
					return
				}
			}
			t.Errorf("the suite does not say %q:\n%.3000s", b.says, out)
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	good := describe("good_name")
	good.NewSource = func() plugin.Source { return nil }
	one := int64(1)
	for want, change := range map[string]func(*plugin.Descriptor){
		"": func(*plugin.Descriptor) {},
		"the descriptor has 2 constructors, not one":                         func(d *plugin.Descriptor) { d.NewSink = func() plugin.Sink { return nil } },
		`the alias "Bad-Name" is not lower case words joined by underscores`: func(d *plugin.Descriptor) { d.Name = "Bad-Name" },
		`the class "x.Y$Key" is empty or names a target`:                     func(d *plugin.Descriptor) { d.Class = "x.Y$Key" },
		`version "" or documentation "A test." is missing`:                   func(d *plugin.Descriptor) { d.Version = "" },
		"setting a is declared twice": func(d *plugin.Descriptor) {
			f := plugin.Setting{Name: "a", Type: plugin.StringType, Doc: "A.", Importance: "low"}
			d.Spec.Fields = []plugin.Setting{f, f}
		},
		"setting aB: the name is not lower case words joined by dots": func(d *plugin.Descriptor) {
			d.Spec.Fields = []plugin.Setting{{Name: "aB", Type: plugin.StringType, Doc: "A.", Importance: "low"}}
		},
		"setting a: there is no documentation": func(d *plugin.Descriptor) {
			d.Spec.Fields = []plugin.Setting{{Name: "a", Type: plugin.StringType, Importance: "low"}}
		},
		`setting a: importance "" is not high, medium or low`: func(d *plugin.Descriptor) {
			d.Spec.Fields = []plugin.Setting{{Name: "a", Type: plugin.StringType, Doc: "A."}}
		},
		"setting a: a required setting has no default": func(d *plugin.Descriptor) {
			d.Spec.Fields = []plugin.Setting{{Name: "a", Type: plugin.StringType, Doc: "A.", Importance: "low", Required: true, HasDefault: true}}
		},
		"setting a: the default is refused: Invalid value 0 for configuration a: Value must be at least 1": func(d *plugin.Descriptor) {
			d.Spec.Fields = []plugin.Setting{{Name: "a", Type: plugin.IntType, Doc: "A.", Importance: "low", HasDefault: true, Default: "0", Min: &one}}
		},
		"setting a: the example is refused: Invalid value 0 for configuration a: Value must be at least 1": func(d *plugin.Descriptor) {
			d.Spec.Fields = []plugin.Setting{{Name: "a", Type: plugin.IntType, Doc: "A.", Importance: "low", Example: "0", Min: &one}}
		},
	} {
		d := good
		change(&d)
		var wants []string
		if want != "" {
			wants = []string{want}
		}
		if diff := cmp.Diff(wants, plugintest.Faults(d)); diff != "" {
			t.Errorf("faults (-want +got):\n%s", diff)
		}
	}
}
