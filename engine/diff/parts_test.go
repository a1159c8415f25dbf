package diff_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diff"
)

// TestWhatDiffersInsideOfAProperty shows JSON by its paths and texts by their lines.
func TestWhatDiffersInsideOfAProperty(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("old\n", 30)
	for name, tt := range map[string]struct {
		change config.Change
		full   bool
		want   []string
	}{
		"members":            {changed(`{"a":{"b":1,"c":[1,2]},"d":true,"x.y":0}`, `{"a":{"b":2,"c":[1,2,3]},"e":null,"x.y":1}`), false, []string{"~ k   JSON, 5 differences", "    ~ a.b   1 → 2", "    + a.c[2]   3", "    - d   true", "    + e   null", `    ~ "x.y"   0 → 1`}},
		"an array":           {changed(`[{"a":"x"}, 2]`, `[{"a":"y"}]`), false, []string{"~ k   JSON, 2 differences", `    ~ [0].a   "x" → "y"`, "    - [1]   2"}},
		"numbers as written": {changed(`{"a":1.0}`, `{"a":1}`), false, []string{"~ k   JSON, 1 difference", "    ~ a   1.0 → 1"}},
		"an equal document":  {changed(`{"a": 1}`, `{"a":1}`), false, []string{`~ k   "{\"a\": 1}" → "{\"a\":1}"`}},
		"not all JSON":       {changed(`{"a":1}`, `{"a":1} x`), false, []string{`~ k   "{\"a\":1}" → "{\"a\":1} x"`}},
		"one line":           {changed("a", "b"), false, []string{"~ k   a → b"}},
		"a long value":       {changed(`["x"]`, `["`+strings.Repeat("y", 99)+`"]`), false, []string{"~ k   JSON, 1 difference", `    ~ [0]   "x" → "` + strings.Repeat("y", 59) + "…"}},
		"lines":              {changed("select a\nfrom t\nwhere x", "select a, b\nfrom t\njoin u\nwhere x"), false, []string{"~ k   3 lines differ", "    - select a", "    + select a, b", "    + join u"}},
		"a control":          {changed("a\nb", "a\n\x1b[2Jb"), false, []string{"~ k   2 lines differ", "    - b", `    + \x1b[2Jb`}},
		"a secret":           {config.Change{Key: "k", Had: true, Wants: true, Hidden: true}, false, []string{"~ k   (sensitive, changed)"}},
		"many lines":         {changed(long, "new\n"), false, append(append([]string{"~ k   31 lines differ"}, repeated("    - old", 20)...), "    and 11 more (-full shows all)")},
		"many lines in full": {changed(long, "new\n"), true, append(append([]string{"~ k   31 lines differ"}, repeated("    - old", 30)...), "    + new")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &diff.Document{Entries: []diff.Entry{{Action: diff.Update, Name: "p", Changes: []config.Change{tt.change}}}}
			d.Counts.Update = 1
			var b strings.Builder
			if err := (diff.Text{Full: tt.full}).Write(&b, d); err != nil {
				t.Fatal(err)
			}
			shown, _, _ := strings.Cut(strings.TrimPrefix(b.String(), "  ~ p\n"), "\n\n")
			want := "      " + strings.Join(tt.want, "\n      ")
			if diff := cmp.Diff(want, shown); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func changed(have, want string) config.Change {
	return config.Change{Key: "k", Have: have, Want: want, Had: true, Wants: true}
}

func repeated(line string, n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = line
	}
	return lines
}
