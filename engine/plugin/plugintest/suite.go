package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Env is what a suite needs to know of a plugin to put it through its paces. Only Config is needed by every role.
type Env struct {
	// Config makes a configuration that works, with an external system of its own, for one part of the suite.
	Config func(t testing.TB) plugin.Config
	// Invalid are configurations that must be refused with a ConfigError.
	Invalid []plugin.Config

	// Feed makes the external system hold n more records for a source. Without it, the source makes at least 20 records
	// of itself.
	Feed func(t testing.TB, c plugin.Config, n int)

	// Stored is what the external system of a sink holds by now, a text for each record in the order of arrival. Without
	// it the suite does not look.
	Stored func(t testing.TB, c plugin.Config) []string

	// Fill appends records that suit a sink, a transform or a predicate, each with a Position. Without it they have a
	// text as key and value.
	Fill func(b *record.Batch, n int)

	// Varies is what a transform makes another of each time, such as the time of the day: two runs need not agree on it.
	Varies *regexp.Regexp

	// Data are what a converter is tried with, and RoundTrip says that reading gives back what was written, schemas
	// included. Without data it gets texts and null.
	Data      []record.Datum
	RoundTrip bool
}

// load is how many records the suites move.
const load = 20

// Source holds a source to the contract, plain and through a Loopback.
func Source(t *testing.T, d plugin.Descriptor, e Env) { suite(t, d, plugin.SourceRole, e, source) }

// Sink holds a sink to the contract, plain and through a Loopback.
func Sink(t *testing.T, d plugin.Descriptor, e Env) { suite(t, d, plugin.SinkRole, e, sink) }

// Transform holds a transform to the contract, for each of its targets, plain and through a Loopback.
func Transform(t *testing.T, d plugin.Descriptor, e Env) {
	suite(t, d, plugin.TransformRole, e, transform)
}

// Predicate holds a predicate to the contract, plain and through a Loopback.
func Predicate(t *testing.T, d plugin.Descriptor, e Env) {
	suite(t, d, plugin.PredicateRole, e, predicate)
}

// Converter holds a converter to the contract, for each of its uses, plain and through a Loopback.
func Converter(t *testing.T, d plugin.Descriptor, e Env) {
	suite(t, d, plugin.ConverterRole, e, converter)
}

func suite(t *testing.T, d plugin.Descriptor, role plugin.Role, e Env, run func(*testing.T, plugin.Descriptor, Env)) {
	t.Helper()
	if d.Role() != role {
		t.Fatalf("%s is a %s, not a %s", d.Name, d.Role(), role)
	}
	if e.Fill == nil {
		e.Fill = fillTexts
	}
	t.Run("descriptor", func(t *testing.T) {
		for _, fault := range Faults(d) {
			t.Error(fault)
		}
		if diff := cmp.Diff(d.Spec, Loopback(d).Spec); diff != "" {
			t.Errorf("spec after its way through bytes (-want +got):\n%s", diff)
		}
	})
	t.Run("plain", func(t *testing.T) { run(t, d, e) })
	t.Run("loopback", func(t *testing.T) { run(t, Loopback(d), e) })
}

var (
	aliasForm   = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	settingForm = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`)
)

// Faults lists what is wrong with a descriptor and its spec.
func Faults(d plugin.Descriptor) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	constructors := 0
	for _, set := range []bool{d.NewSource != nil, d.NewSink != nil, d.NewTransform != nil, d.NewPredicate != nil, d.NewConverter != nil} {
		if set {
			constructors++
		}
	}
	if constructors != 1 {
		fault("the descriptor has %d constructors, not one", constructors)
	}
	if !aliasForm.MatchString(d.Name) {
		fault("the alias %q is not lower case words joined by underscores", d.Name)
	}
	if d.Class == "" || strings.HasSuffix(d.Class, "$Key") || strings.HasSuffix(d.Class, "$Value") {
		fault("the class %q is empty or names a target", d.Class)
	}
	if d.Version == "" || d.Doc == "" {
		fault("version %q or documentation %q is missing", d.Version, d.Doc)
	}
	seen := map[string]bool{}
	for _, f := range d.Spec.Fields {
		if seen[f.Name] {
			fault("setting %s is declared twice", f.Name)
		}
		seen[f.Name] = true
		faults = append(faults, settingFaults(f)...)
	}
	return faults
}

func settingFaults(f plugin.Setting) []string {
	var faults []string
	fault := func(format string, args ...any) {
		faults = append(faults, "setting "+f.Name+": "+fmt.Sprintf(format, args...))
	}
	if !settingForm.MatchString(f.Name) {
		fault("the name is not lower case words joined by dots")
	}
	if f.Doc == "" {
		fault("there is no documentation")
	}
	switch f.Importance {
	case "high", "medium", "low":
	default:
		fault("importance %q is not high, medium or low", f.Importance)
	}
	if f.Required && f.HasDefault {
		fault("a required setting has no default")
	}
	if f.HasDefault {
		if err := f.Check(f.Default); err != nil {
			fault("the default is refused: %v", err)
		}
	}
	if f.Example != "" {
		if err := f.Check(f.Example); err != nil {
			fault("the example is refused: %v", err)
		}
	}
	return faults
}

func fillTexts(b *record.Batch, n int) {
	for i := range n {
		r := Row{Partition: "p", Offset: int64(i), Topic: "topic", Key: "key " + strconv.Itoa(i), Value: "value " + strconv.Itoa(i)}.Append(b)
		r.Timestamp = int64(1000 + i)
		if b.Side == record.ToSink {
			r.Partition, r.Position.Offset = 0, record.OfInt64(int64(i))
		}
	}
}

// Text is a record in a form for comparing and for people: everything but the timestamp, as Java prints it, and the
// source partition and offset. Position and schema are part of it.
func Text(ps *record.Partitions, r *record.Record) string {
	var b []byte
	datum := func(d record.Datum) {
		b = append(d.AppendJava(append(b, ' ')), " ("+schemaText(d.Schema)+", "+d.Value.Kind().String()+")"...)
	}
	b = append(b, r.Topic...)
	b = strconv.AppendInt(append(b, ' '), int64(r.Partition), 10)
	datum(r.Key)
	datum(r.Value)
	for _, h := range r.Headers {
		b = append(append(b, ' '), h.Key...)
		datum(h.Datum)
	}
	if n := r.Position.Partition; ps != nil && n >= 0 && int(n) < ps.Len() {
		b = record.Datum{Value: ps.At(n)}.AppendJava(append(b, " from "...))
	}
	return string(record.Datum{Value: r.Position.Offset}.AppendJava(append(b, " at "...)))
}

func schemaText(s *record.Schema) string {
	if s == nil {
		return "none"
	}
	return s.String()
}

// Texts are those of the live records of a batch.
func Texts(b *record.Batch) []string {
	var texts []string
	for i := range b.Records {
		if b.Live(i) {
			texts = append(texts, Text(b.Partitions, &b.Records[i]))
		}
	}
	return texts
}

// within calls f with a context of its own that is done once f has returned: whoever goes on using it stops.
func within(t testing.TB, f func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	return f(ctx)
}

func must(t testing.TB, what string, f func(ctx context.Context) error) {
	t.Helper()
	if err := within(t, f); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// ownGoroutines marks the goroutines that f and what it calls start, and checks that all have ended when f returns.
func ownGoroutines(t *testing.T, f func()) {
	t.Helper()
	mark := fmt.Sprintf("%s-%p", t.Name(), t)
	before, cancel := context.WithCancel(t.Context())
	defer cancel()
	pprof.Do(before, pprof.Labels("plugintest", mark), func(context.Context) { f() })
	deadline := patience(t)
	for {
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(profile.String(), strconv.Quote(mark)) {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond): // the last steps of a goroutine come after it has told that it ends
		case <-deadline:
			t.Fatalf("what the plugin started goes on after Stop:\n%s", profile.String())
		}
	}
}

// refused checks that a configuration was refused in a way that names a setting.
func refused(t *testing.T, c plugin.Config, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%v: accepted, want a ConfigError", c)
	} else if _, ok := errors.AsType[*plugin.ConfigError](err); !ok {
		t.Errorf("%v: refused with %v (%T), want a ConfigError", c, err, err)
	}
}

// stopTwice stops, and stops again.
func stopTwice(t *testing.T, what string, stop func(context.Context) error) {
	t.Helper()
	for range 2 {
		if err := within(t, stop); err != nil {
			t.Errorf("stop of %s: %v", what, err)
		}
	}
}
