package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/config"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	have := config.Map{"name": "a", "tasks.max": "2", "topic": "t", "gone": "x", "connection.password": "old", "empty": ""}
	want := config.Map{"name": "a", "tasks.max": "4", "topic": "two words ", "new": "", "connection.password": "new", "empty": ""}
	var got []string
	for _, c := range config.Diff(have, want, func(key string) bool { return key == "connection.password" }) {
		got = append(got, c.String())
		if c.Hidden && (c.Have != "" || c.Want != "") {
			t.Errorf("%s carries hidden values", c.Key)
		}
	}
	if diff := cmp.Diff([]string{
		"tasks.max 2 → 4",
		"connection.password (hidden) → (hidden)",
		"gone x → (not set)",
		`new (not set) → ""`,
		"topic t → two words ",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDiffLeadsFromOneToTheOther carries changes out: they lead to the other map, and there are none between equal ones.
func TestDiffLeadsFromOneToTheOther(t *testing.T) {
	t.Parallel()
	maps := rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "tasks.max", "transforms.x.type"}), rapid.SampledFrom([]string{"", "1", "2"}))
	rapid.Check(t, func(t *rapid.T) {
		have, want := config.Map(maps.Draw(t, "have")), config.Map(maps.Draw(t, "want"))
		if cs := config.Diff(want, want, nil); cs != nil {
			t.Fatalf("a map differs from itself: %v", cs)
		}
		for _, c := range config.Diff(have, want, nil) {
			if v, ok := have[c.Key]; ok != c.Had || v != c.Have {
				t.Fatalf("%+v says otherwise than %v", c, have)
			}
			if c.Wants {
				have[c.Key] = c.Want
			} else {
				delete(have, c.Key)
			}
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestHiddenValues(t *testing.T) {
	t.Parallel()
	d := &config.Declared{
		Map:     config.Map{"name": "a", "connector.class": "nobody.knows", "from.variable": "x", "some.password": "x", "plain": "x"},
		Origins: map[string]config.Origin{"from.variable": {Sensitive: true}},
	}
	w := config.WorkerDefaults()
	hidden := d.Hidden(&w, registry(t))
	for key, want := range map[string]bool{"from.variable": true, "some.password": true, "plain": false, "name": false} {
		if got := hidden(key); got != want {
			t.Errorf("%s: hidden is %v, want %v", key, got, want)
		}
	}
}
