package plugin_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
)

// A number that may be unset is nil without the setting, and takes no default into the spec.
func TestUnsetNumber(t *testing.T) {
	t.Parallel()
	type config struct {
		N *int `cfg:"n" min:"1" doc:"A number."`
	}
	one := int64(1)
	want := plugin.Spec{Fields: []plugin.Setting{{Name: "n", Type: plugin.IntType, Doc: "A number.", Importance: "medium", Min: &one}}}
	if d := cmp.Diff(want, plugin.SpecOf(config{})); d != "" {
		t.Error(d)
	}
	five := 5
	if got, _ := plugin.SpecOf(config{N: &five}).Field("n"); !got.HasDefault || got.Default != "5" {
		t.Errorf("got the default %q, want 5", got.Default)
	}
	for text, want := range map[string]string{
		"7": "", " 7 ": "", "": "Invalid value  for configuration n: Not a number of type INT",
		"0": "Invalid value 0 for configuration n: Value must be at least 1", "2147483648": "Invalid value 2147483648 for configuration n: Not a number of type INT",
	} {
		var c config
		err := plugin.Decode(plugin.Config{"n": text}, &c)
		switch {
		case want == "" && (err != nil || c.N == nil || *c.N != 7):
			t.Errorf("%q: got %v, %v, want 7", text, c.N, err)
		case want != "" && (err == nil || err.Error() != want || c.N != nil):
			t.Errorf("%q: got %v, %v, want %s", text, c.N, err, want)
		}
	}
	var c config
	if err := plugin.Decode(plugin.Config{}, &c); err != nil || c.N != nil {
		t.Errorf("without the setting: got %v, %v", c.N, err)
	}
}
