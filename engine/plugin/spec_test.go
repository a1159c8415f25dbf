package plugin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
)

type settings struct {
	Name     string        `cfg:"name,required,nonempty" doc:"A name." importance:"high"`
	File     *string       `cfg:"file" doc:"A file."`
	Mode     string        `cfg:"mode" doc:"A mode." oneof:"none|all"`
	Case     string        `cfg:"case,anycase" doc:"A mode in any case." oneof:"None|All"`
	On       bool          `cfg:"on" doc:"A switch." importance:"low"`
	Small    int16         `cfg:"small" doc:"A short." example:"7"`
	Count    int           `cfg:"count" doc:"A count." min:"1" max:"10"`
	Long     int64         `cfg:"long" doc:"A long."`
	Ratio    float64       `cfg:"ratio" doc:"A ratio."`
	Wait     time.Duration `cfg:"wait.ms" doc:"A wait." min:"0"`
	List     []string      `cfg:"list" doc:"A list."`
	Topics   []string      `cfg:"topics,nonempty,unique" doc:"Names that differ."`
	Token    plugin.Secret `cfg:"token" doc:"A secret."`
	Internal string        // not a setting
}

var defaults = settings{Mode: "none", Case: "all", Count: 3, Wait: 1500 * time.Millisecond, List: []string{"a", "b"}, Topics: []string{"t"}}

func TestSpecOf(t *testing.T) {
	t.Parallel()
	n := func(n int64) *int64 { return &n }
	want := []plugin.Setting{
		{Name: "name", Type: plugin.StringType, Required: true, NonEmpty: true, Doc: "A name.", Importance: "high"},
		{Name: "file", Type: plugin.StringType, Doc: "A file."},
		{Name: "mode", Type: plugin.StringType, HasDefault: true, Default: "none", Doc: "A mode.", OneOf: []string{"none", "all"}},
		{Name: "case", Type: plugin.StringType, HasDefault: true, Default: "all", Doc: "A mode in any case.", OneOf: []string{"None", "All"}, AnyCase: true},
		{Name: "on", Type: plugin.BooleanType, HasDefault: true, Default: "false", Doc: "A switch.", Importance: "low"},
		{Name: "small", Type: plugin.ShortType, HasDefault: true, Default: "0", Doc: "A short.", Example: "7"},
		{Name: "count", Type: plugin.IntType, HasDefault: true, Default: "3", Doc: "A count.", Min: n(1), Max: n(10)},
		{Name: "long", Type: plugin.LongType, HasDefault: true, Default: "0", Doc: "A long."},
		{Name: "ratio", Type: plugin.DoubleType, HasDefault: true, Default: "0", Doc: "A ratio."},
		{Name: "wait.ms", Type: plugin.LongType, HasDefault: true, Default: "1500", Doc: "A wait.", Min: n(0)},
		{Name: "list", Type: plugin.ListType, HasDefault: true, Default: "a,b", Doc: "A list."},
		{Name: "topics", Type: plugin.ListType, HasDefault: true, Default: "t", Doc: "Names that differ.", NonEmpty: true, Unique: true},
		{Name: "token", Type: plugin.PasswordType, Doc: "A secret."},
	}
	for i := range want {
		if want[i].Importance == "" {
			want[i].Importance = "medium"
		}
	}
	for _, of := range []any{defaults, &defaults} {
		if d := cmp.Diff(want, plugin.SpecOf(of).Fields); d != "" {
			t.Errorf("spec of %T (-want +got):\n%s", of, d)
		}
	}
	spec := plugin.SpecOf(defaults)
	if f, ok := spec.Field("wait.ms"); !ok || f.Type != plugin.LongType {
		t.Errorf("field wait.ms: got %+v, %v", f, ok)
	}
	if _, ok := spec.Field("Internal"); ok || len(spec.Names()) != len(want) || spec.Names()[1] != "file" {
		t.Errorf("names: got %v", spec.Names())
	}
}

func TestSpecOfPanicsOnMistakesInTags(t *testing.T) {
	t.Parallel()
	for want, of := range map[string]any{
		`unknown option "requird"`: struct {
			A string `cfg:"a,requird"`
		}{},
		"cannot be of type map[string]string": struct {
			A map[string]string `cfg:"a"`
		}{},
		`min is not a number: "x"`: struct {
			A int `cfg:"a" min:"x"`
		}{},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panic: got %q, want %q in it", got, want)
				}
			}()
			plugin.SpecOf(of)
		}()
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got := defaults
	err := plugin.Decode(plugin.Config{
		"name": " n ", "file": "", "mode": "all", "case": "NONE", "on": "TRUE", "small": "-7", "count": " 10 ", "long": "9000000000",
		"ratio": "0.5", "wait.ms": "250", "list": " x , ,y", "topics": "a,b", "token": " secret ", "other": "left alone",
	}, &got)
	if err != nil {
		t.Fatal(err)
	}
	empty := ""
	want := settings{
		Name: "n", File: &empty, Mode: "all", Case: "NONE", On: true, Small: -7, Count: 10, Long: 9e9, Ratio: 0.5,
		Wait: 250 * time.Millisecond, List: []string{"x", "", "y"}, Topics: []string{"a", "b"}, Token: "secret",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("decoded (-want +got):\n%s", d)
	}

	got = defaults
	if err := plugin.Decode(plugin.Config{"name": "n"}, &got); err != nil {
		t.Fatal(err)
	}
	want = defaults
	want.Name = "n"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("defaults (-want +got):\n%s", d)
	}
}

// The texts of ConfigDef.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, value, want string }{
		{"name", " ", "Invalid value  for configuration name: String must be non-empty"},
		{"mode", "All", "Invalid value All for configuration mode: String must be one of: none, all"},
		{"case", "some", "Invalid value some for configuration case: String must be one of (case insensitive): None, All"},
		{"on", "yes", "Invalid value yes for configuration on: Expected value to be either true or false"},
		{"small", "40000", "Invalid value 40000 for configuration small: Not a number of type SHORT"},
		{"count", "x", "Invalid value x for configuration count: Not a number of type INT"},
		{"count", "", "Invalid value  for configuration count: Not a number of type INT"},
		{"count", "3000000000", "Invalid value 3000000000 for configuration count: Not a number of type INT"},
		{"count", "0", "Invalid value 0 for configuration count: Value must be at least 1"},
		{"count", "11", "Invalid value 11 for configuration count: Value must be no more than 10"},
		{"long", "1.5", "Invalid value 1.5 for configuration long: Not a number of type LONG"},
		{"ratio", "half", "Invalid value half for configuration ratio: Not a number of type DOUBLE"},
		{"wait.ms", "1s", "Invalid value 1s for configuration wait.ms: Not a number of type LONG"},
		{"wait.ms", "-1", "Invalid value -1 for configuration wait.ms: Value must be at least 0"},
		{"topics", "", "Configuration 'topics' must not be empty. Valid values include: any non-empty value"},
		{"topics", "a,,b", "Configuration 'topics' values must not be empty."},
		{"topics", "a,b,a", "Configuration 'topics' values must not be duplicated."},
	} {
		config := plugin.Config{"name": "n"}
		config[c.key] = c.value
		got := defaults
		err := plugin.Decode(config, &got)
		ce, ok := errors.AsType[*plugin.ConfigError](err)
		if !ok || ce.Key != c.key || ce.Reason != c.want {
			t.Errorf("%s=%q: got %v, want %s", c.key, c.value, err, c.want)
		}
		f, _ := plugin.SpecOf(defaults).Field(c.key)
		if err := f.Check(c.value); err == nil || err.Error() != c.want {
			t.Errorf("check of %s=%q: got %v, want %s", c.key, c.value, err, c.want)
		}
	}
	for _, f := range plugin.SpecOf(defaults).Fields {
		if !f.HasDefault {
			continue
		}
		if err := f.Check(f.Default); err != nil {
			t.Errorf("check of the default of %s: %v", f.Name, err)
		}
	}
}

func TestDecodeReportsEveryFault(t *testing.T) {
	t.Parallel()
	got := defaults
	err := plugin.Decode(plugin.Config{"count": "x", "on": "y"}, &got)
	want := `Missing required configuration "name" which has no default value.
Invalid value y for configuration on: Expected value to be either true or false
Invalid value x for configuration count: Not a number of type INT`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSecretIsNotShown(t *testing.T) {
	t.Parallel()
	s := plugin.Secret("hunter2")
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %s", s, s), fmt.Sprintf("%+v", struct{ S plugin.Secret }{s})} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("shown: %s", shown)
		}
	}
	limited := struct {
		Token plugin.Secret `cfg:"token,nonempty" oneof:"a|b"`
	}{}
	if err := plugin.Decode(plugin.Config{"token": "hunter2"}, &limited); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error of a bad secret: %v", err)
	}
}

func TestErrorMarks(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	retry := fmt.Errorf("around: %w", plugin.Retry(cause, time.Second))
	if after, ok := plugin.IsRetry(retry); !ok || after != time.Second || !errors.Is(retry, cause) {
		t.Errorf("retry: got %v, %v", after, ok)
	}
	if _, ok := plugin.IsRetry(plugin.Permanent(cause)); ok {
		t.Error("a permanent error asks for a retry")
	}
	if plugin.Retry(nil, 0) != nil || plugin.Permanent(nil) != nil {
		t.Error("marking no error makes one")
	}
	if err := plugin.Permanent(cause); !errors.Is(err, cause) || err.Error() != "cause" {
		t.Errorf("permanent: got %v", err)
	}
	if err := plugin.Invalid("k", "v", ""); err.Error() != "Invalid value v for configuration k" {
		t.Errorf("invalid: got %v", err)
	}
	if err := plugin.Data("field %s", "a"); err.Error() != "field a" || errors.Unwrap(err) != nil {
		t.Errorf("data: got %v", err)
	}
}
