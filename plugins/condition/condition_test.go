package condition_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/condition"
)

// skipped are the recorded cases that do not apply, with the reason.
var skipped = map[string]string{
	"D1053": "an empty topic, which Kafka does not have, stands for no topic",
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"predicates.jsonl", "ext-predicates.jsonl"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			vector.Run(t, file, func(v *vector.Case) bool { return v.Request.Op == "predicate" }, func(v *vector.Case) error {
				return try(registry(t), v)
			})
		})
	}
}

func registry(t *testing.T) *plugin.Registry {
	t.Helper()
	r, err := plugin.NewRegistry(condition.Descriptors())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func try(r *plugin.Registry, v *vector.Case) error {
	if reason, ok := skipped[v.ID]; ok {
		return vector.Skip("%s", reason)
	}
	d, _, ok := r.Class(plugin.PredicateRole, v.Request.Class)
	if !ok {
		return fmt.Errorf("there is no %s", v.Request.Class)
	}
	p := d.NewPredicate()
	if err := p.Configure(v.Request.Config); err != nil {
		return v.Expect.Error.Check("configure", 0, err)
	}
	b, err := v.Request.Record.Batch()
	if err != nil {
		return err
	}
	got, err := p.Test(&b.Records[0])
	if err != nil || v.Expect.Error != nil {
		return v.Expect.Error.Check("predicate", 0, err)
	}
	if got != v.Expect.OK.Result {
		return fmt.Errorf("got %t, want %t", got, v.Expect.OK.Result)
	}
	return nil
}

// configured makes a predicate by its alias.
func configured(t testing.TB, alias string, c plugin.Config) plugin.Predicate {
	t.Helper()
	for _, d := range condition.Descriptors() {
		if d.Name == alias {
			p := d.NewPredicate()
			if err := p.Configure(c); err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatalf("there is no predicate %q", alias)
	return nil
}

func TestTopicNameMatchesRefusesBacktracking(t *testing.T) {
	t.Parallel()
	d, _ := registry(t).Alias(plugin.PredicateRole, "topic_name_matches")
	err := d.NewPredicate().Configure(plugin.Config{"pattern": `(?!internal-).*`})
	if err == nil || !strings.Contains(err.Error(), "the look-ahead (?!…) at index 0 is not supported") {
		t.Errorf("got %v, want the look-ahead named", err)
	}
}

// A source may invent topics; the answers stay right when the kept ones are forgotten.
func TestTopicNameMatchesManyTopics(t *testing.T) {
	t.Parallel()
	p := configured(t, "topic_name_matches", plugin.Config{"pattern": "|t-.*[02468]"})
	for range 2 {
		if got, err := p.Test(&record.Record{}); got || err != nil {
			t.Fatalf("no topic: got %t, %v", got, err)
		}
		for i := range 2500 {
			got, err := p.Test(&record.Record{Topic: fmt.Sprintf("t-%d", i)})
			if err != nil || got != (i%2 == 0) {
				t.Fatalf("topic t-%d: got %t, %v", i, got, err)
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	records := [2]record.Record{{Topic: "my-a", Headers: []record.Header{{Key: "a"}, {Key: "b"}}}, {Topic: "other"}}
	for alias, c := range map[string]plugin.Config{
		"topic_name_matches":  {"pattern": "my-.*"},
		"has_header_key":      {"name": "b"},
		"record_is_tombstone": {},
	} {
		p := configured(t, alias, c)
		allocs := testing.AllocsPerRun(100, func() {
			for i := range records {
				if _, err := p.Test(&records[i]); err != nil {
					t.Fatal(err)
				}
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations for two records", alias, allocs)
		}
	}
}

func BenchmarkPredicates(b *testing.B) {
	records := [2]record.Record{{Topic: "my-a"}, {Topic: "other"}}
	for alias, c := range map[string]plugin.Config{
		"topic_name_matches":  {"pattern": "my-.*"},
		"has_header_key":      {"name": "b"},
		"record_is_tombstone": {},
	} {
		b.Run(alias, func(b *testing.B) {
			p := configured(b, alias, c)
			n := 0
			for b.Loop() {
				if _, err := p.Test(&records[n%2]); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}
