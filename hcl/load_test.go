package hcl_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/hcl"
)

// codes are those of a list, in order.
func codes(l diag.List) []diag.Code {
	var cs []diag.Code
	for _, d := range l {
		cs = append(cs, d.Code)
	}
	return cs
}

func TestLoadNamesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	onlyValues := folder(t, map[string]string{"prod.vars.hcl": "a = 1\n", ".hidden.hcl": "x", "a.hcl~": "x", "notes.txt": "x"})
	tests := map[string]struct {
		path string
		vars []hcl.Var
		want diag.Code
	}{
		"no folder":      {filepath.Join(t.TempDir(), "none"), nil, diag.NoFolder},
		"empty folder":   {t.TempDir(), nil, diag.EmptyFolder},
		"only values":    {onlyValues, nil, diag.EmptyFolder},
		"no values file": {folder(t, map[string]string{"a.hcl": ""}), []hcl.Var{{File: "/no/such.vars.hcl"}}, diag.Unreadable},
		"dangling link":  {"", nil, diag.Unreadable},
		"no equals":      {folder(t, map[string]string{"a.hcl": ""}), []hcl.Var{{Assignment: "x"}}, diag.Usage},
		"undeclared":     {folder(t, map[string]string{"a.hcl": ""}), []hcl.Var{{Assignment: "x=1"}}, diag.UndeclaredValue},
		"not text":       {folder(t, map[string]string{"a.hcl": "x = \"\xff\"\n"}), nil, diag.InvalidCharacter},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "dangling link" {
				tt.path = t.TempDir()
				if err := os.Symlink("/no/such/file", filepath.Join(tt.path, "a.hcl")); err != nil {
					t.Skip(err)
				}
			}
			o := options(t)
			o.Vars = tt.vars
			p, found := hcl.Load(tt.path, o)
			if diff := cmp.Diff([]diag.Code{tt.want}, codes(found)); diff != "" {
				t.Errorf("codes (-want +got):\n%s\n%v", diff, found.Err())
			}
			if p == nil || len(p.Pipelines) > 0 {
				t.Errorf("project = %+v, want an empty one", p)
			}
		})
	}
}

func TestLoadTakesAFolderOrAFile(t *testing.T) {
	t.Parallel()
	one := "pipeline \"NAME\" {\n  source \"file\" {\n    topic = \"t\"\n  }\n}\n"
	dir := folder(t, map[string]string{"b.hcl": strings.Replace(one, "NAME", "b", 1), "a.hcl": strings.Replace(one, "NAME", "a", 1)})
	if err := os.Mkdir(filepath.Join(dir, "sub.hcl"), 0o700); err != nil {
		t.Fatal(err)
	}
	names := func(path string) []string {
		p, found := hcl.Load(path, options(t))
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
		var ns []string
		for _, d := range p.Pipelines {
			ns = append(ns, d.Name())
		}
		return ns
	}
	if diff := cmp.Diff([]string{"a", "b"}, names(dir)); diff != "" {
		t.Errorf("of the folder (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b"}, names(filepath.Join(dir, "b.hcl"))); diff != "" {
		t.Errorf("of the file (-want +got):\n%s", diff)
	}
}

func TestLoadGivesTheSameForCRLFAndMarks(t *testing.T) {
	t.Parallel()
	text := "pipeline \"a\" {\n  source \"jdbc\" {\n    query = <<-EOT\n      select 1\n      from x\n    EOT\n  }\n}\n"
	plain := load(t, text)
	odd := load(t, "\xef\xbb\xbf"+strings.ReplaceAll(text, "\n", "\r\n"))
	if got, want := odd.Pipelines[0].Map["query"], "select 1\nfrom x\n"; got != want {
		t.Errorf("query = %q, want %q", got, want)
	}
	if diff := cmp.Diff(plain.Pipelines[0].Map, odd.Pipelines[0].Map); diff != "" {
		t.Errorf("with CRLF and a byte order mark (-without +with):\n%s", diff)
	}
}

// TestDeepNestingEnds: HCL's parser recurses, and a full stack cannot be recovered from.
func TestDeepNestingEnds(t *testing.T) {
	t.Parallel()
	for i, s := range []string{"[", "(", "{", "!", "-", "true ? 1 : ", `"${`, "x {\n", "[{a=", "upper("} {
		n := 5000
		if i == 0 {
			n = 200_000 // enough to end the process without a bound
		}
		dir := folder(t, map[string]string{"a.hcl": "locals {\n  x = " + strings.Repeat(s, n) + "1\n}\n"})
		p, found := hcl.Load(dir, options(t))
		if len(found) == 0 || len(found) > 3 {
			t.Errorf("%s: %d messages:\n%.500s", s, len(found), render(t, dir, p, found))
		}
	}
	fine := "pipeline \"p\" { # " + strings.Repeat("[ :-( ", 2000) + "\n  source \"file\" {\n    topic = \"" + strings.Repeat("{-", 2000) + "\"\n  }\n}\n"
	if got := len(load(t, fine).Pipelines); got != 1 {
		t.Errorf("%d pipelines, want 1: brackets in text are not nesting", got)
	}
}

// TestOrigins holds where every key of a map was written.
func TestOrigins(t *testing.T) {
	t.Parallel()
	p := load(t, `variable "token" {
  default   = "x"
  sensitive = true
}

pipeline "á" {
  tasks_max = 4

  source "jdbc" {
    connection_password = "p-${var.token}"
    config              = { "a.b" = "c" }
  }

  topic_creation "compact" {
    include = ["x"]
  }

  predicate "record_is_tombstone" "gone" {}

  transform "mask_field" "mask" {
    unless = predicate.gone
    fields = ["card"]
  }
}
`)
	type origin struct {
		At, Written string
		Sensitive   bool
	}
	d := p.Pipelines[0]
	got := map[string]origin{}
	for k, o := range d.Origins {
		if o.Place.Context != `pipeline "á"` {
			t.Errorf("context of %s = %q", k, o.Place.Context)
		}
		got[k] = origin{fmt.Sprintf("%d:%d-%d", o.Place.Line, o.Place.Column, o.Place.EndColumn), o.Written, o.Sensitive}
	}
	want := map[string]origin{
		"name":                           {At: "6:10-13"},
		"tasks.max":                      {"7:15-16", "tasks_max", false},
		"connector.class":                {At: "9:10-16"},
		"connection.password":            {"10:27-43", "connection_password", true},
		"a.b":                            {At: "11:37-40"},
		"topic.creation.groups":          {At: "14:18-27"},
		"topic.creation.compact.include": {"15:15-20", "include", false},
		"predicates":                     {At: "18:35-41"},
		"predicates.gone.type":           {At: "18:13-34"},
		"transforms":                     {At: "20:26-32"},
		"transforms.mask.type":           {At: "20:13-25"},
		"transforms.mask.predicate":      {At: "21:14-28"},
		"transforms.mask.negate":         {At: "21:5-11"},
		"transforms.mask.fields":         {"22:14-22", "fields", false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
	if len(d.Origins) != len(d.Map) {
		t.Errorf("%d origins for %d keys", len(d.Origins), len(d.Map))
	}
	if got, want := d.Label, `pipeline["á"]`; got != want && got != "pipeline.á" {
		t.Errorf("label = %s, want %s", got, want)
	}
}

// TestVariablesTakeTheLastValue holds the order of the places that give values.
func TestVariablesTakeTheLastValue(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"a.hcl": "variable \"v\" {\n  default = \"default\"\n}\npipeline \"p\" {\n  source \"file\" {\n    topic = var.v\n  }\n}\n",
	}
	auto := map[string]string{"1.auto.vars.hcl": "v = \"auto 1\"\n", "2.auto.vars.hcl": "v = \"auto 2\"\n"}
	env := func(name string) (string, bool) { return "env", name == "ENGINE_VAR_v" }
	none := func(string) (string, bool) { return "", false }
	tests := []struct {
		name string
		auto bool
		env  func(string) (string, bool)
		vars []string // -var values, or "file"
		want string
	}{
		{"default", false, none, nil, "default"},
		{"environment", false, env, nil, "env"},
		{"automatic files by name", true, env, nil, "auto 2"},
		{"flag", true, env, []string{"flag"}, "flag"},
		{"file after flag", true, env, []string{"flag", "file"}, "named"},
		{"flag after file", true, env, []string{"file", "flag"}, "flag"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := map[string]string{"named.vars.hcl": "v = \"named\"\n", "a.hcl": files["a.hcl"]}
			if tt.auto {
				maps.Copy(all, auto)
			}
			dir := folder(t, all)
			o := options(t)
			o.Env = tt.env
			for _, v := range tt.vars {
				if v == "file" {
					o.Vars = append(o.Vars, hcl.Var{File: filepath.Join(dir, "named.vars.hcl")})
				} else {
					o.Vars = append(o.Vars, hcl.Var{Assignment: "v=" + v})
				}
			}
			p, found := hcl.Load(dir, o)
			if err := found.Err(); err != nil {
				t.Fatal(err)
			}
			if got := p.Pipelines[0].Map["topic"]; got != tt.want {
				t.Errorf("topic = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestVariablesFromOutsideHaveTheirType(t *testing.T) {
	t.Parallel()
	text := `variable "n" {
  type = number
}
variable "s" {
  type = string
}
variable "l" {
  type = list(object({ name = string, n = optional(number, 7) }))
}
variable "any" {}

pipeline "p" {
  source "file" {
    topic = "${var.n + 1} ${var.s} ${var.l[0].name} ${var.l[0].n} ${var.any}"
  }
}
`
	p := load(t, text, func(o *hcl.Options) {
		for _, v := range []string{"n=41", "s=[1]", `l=[{ name = "x" }]`, "any=[2]"} {
			o.Vars = append(o.Vars, hcl.Var{Assignment: v})
		}
	})
	if got, want := p.Pipelines[0].Map["topic"], "42 [1] x 7 [2]"; got != want {
		t.Errorf("topic = %q, want %q", got, want)
	}
	dir := folder(t, map[string]string{"a.hcl": text})
	o := options(t)
	o.Vars = []hcl.Var{{Assignment: "n=x"}, {Assignment: "s=1"}, {Assignment: "l=[{"}, {Assignment: "any=1"}}
	p, found := hcl.Load(dir, o)
	if diff := cmp.Diff([]diag.Code{diag.InvalidVariable, diag.InvalidVariable}, codes(found)); diff != "" {
		t.Errorf("codes (-want +got):\n%s%v", diff, found)
	}
	if len(p.Pipelines) > 0 {
		t.Error("a pipeline whose variable has no value was returned")
	}
}

// TestIncompletePipelinesAreLeftOut: whoever checks what a load returns must not report the consequences of a mistake.
func TestIncompletePipelinesAreLeftOut(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.hcl": `
variable "missing" {}
locals {
  bad = upper(["a"])
}
pipeline "variable" {
  source "file" {
    topic = var.missing
  }
}
pipeline "local" {
  source "file" {
    topic = "x-${local.bad}"
  }
}
pipeline "disabled" {
  enabled = false
  source "file" {
    topic = "x"
  }
}
pipeline "never" {
  for_each = {}
  source "file" {
    topic = each.value.anything
  }
}
pipeline "some" {
  for_each = { a = "1", b = "x" }
  source "file" {
    topic = parseint(each.value, 10)
  }
}
pipeline "fine" {
  source "file" {
    topic = "x"
  }
}
`})
	p, found := hcl.Load(dir, options(t))
	if diff := cmp.Diff([]diag.Code{diag.NoValue, diag.InvalidCall, diag.InvalidCall}, codes(found)); diff != "" {
		t.Errorf("codes (-want +got):\n%s%v", diff, render(t, dir, p, found))
	}
	var names []string
	for _, d := range p.Pipelines {
		names = append(names, d.Name())
	}
	if diff := cmp.Diff([]string{"some-a", "fine"}, names); diff != "" {
		t.Errorf("pipelines (-want +got):\n%s", diff)
	}
}

// TestSyntaxErrorsHaveNoEchoes: a name that may stand in a broken block is not called undeclared.
func TestSyntaxErrorsHaveNoEchoes(t *testing.T) {
	t.Parallel()
	user := "pipeline \"p\" {\n  use = [defaults.d]\n  source \"file\" {\n    topic = \"${local.a}${var.v}\"\n    file  = var.fiel\n  }\n}\n"
	all := "variable \"v\" {\n  default = 1\n}\nlocals {\n  a = 1\n}\ndefaults \"d\" {\n}\n"
	tests := map[string]string{
		"in the block":   "locals {\n  a = 'x'\n}\nvariable \"v\" {\n  default =\n}\ndefaults \"d\" {\n  x\n}\n",
		"brace missing":  "pipeline \"q\" {\n  source \"file\" {\n  }\n" + all,
		"brace too many": "}\n" + all,
		"quote missing":  "locals {\n  b = \"x\n}\n" + all,
		"not text":       "\xff" + all,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"a.hcl": user, "b.hcl": text})
			p, found := hcl.Load(dir, options(t))
			for _, d := range found {
				if d.Code > "E2" {
					t.Errorf("an echo: %v", d.Error())
				}
			}
			if len(found) == 0 || len(p.Pipelines) > 0 {
				t.Errorf("%d messages and %d pipelines", len(found), len(p.Pipelines))
			}
		})
	}
	// An error in a pipeline hides no names.
	dir := folder(t, map[string]string{"a.hcl": user, "b.hcl": all + "pipeline \"q\" {\n  name = 'x'\n}\n"})
	p, found := hcl.Load(dir, options(t))
	if diff := cmp.Diff([]diag.Code{diag.UnknownVariable, diag.InvalidCharacter}, codes(found)); diff != "" {
		t.Errorf("codes (-want +got):\n%s%s", diff, render(t, dir, p, found))
	}
}

// TestMerging holds the rules of layers.
func TestMerging(t *testing.T) {
	t.Parallel()
	base := `
defaults {
  tasks_max   = 2
  description = "d"
  value_converter "json" {
    schemas_enable = false
    config         = { "extra" = 1 }
  }
  errors {
    tolerance  = "all"
    log_enable = true
  }
  topic_creation "default" {
    partitions = 1
  }
  topic_creation "big" {
    include = ["x"]
  }
  predicate "record_is_tombstone" "p" {}
  transform "regex_router" "first" {
    regex = "a"
  }
  transform "mask_field" "second" {
    fields = ["b"]
    when   = predicate.p
  }
  config = { "raw" = "1", "tasks.max.enforce" = "true" }
}
pipeline "p" {
  source "file" {
    file = "f"
  }
  BODY
}
`
	tests := []struct{ name, body, key, want string }{
		{"inherited", ``, "tasks.max", "2"},
		{"own argument wins", `tasks_max = 3`, "tasks.max", "3"},
		{"null un-sets", `tasks_max = null`, "tasks.max", "-"},
		{"own raw key wins over an inherited argument", `config = { "tasks.max" = "5" }`, "tasks.max", "5"},
		{"own argument wins over an inherited raw key", `tasks_max_enforce = false`, "tasks.max.enforce", "false"},
		{"raw keys are inherited one by one", `config = { "other" = "2" }`, "raw", "1"},
		{"raw null un-sets", `config = { "raw" = null }`, "raw", "-"},
		{"same converter merges", "value_converter \"json\" {\n decimal_format = \"NUMERIC\"\n }", "value.converter.schemas.enable", "false"},
		{"other converter replaces", `value_converter "string" {}`, "value.converter.schemas.enable", "-"},
		{"other converter replaces raw keys", `value_converter "string" {}`, "value.converter.extra", "-"},
		{"other converter's class", `value_converter "string" {}`, "value.converter", "org.apache.kafka.connect.storage.StringConverter"},
		{"blocks without label merge", "errors {\n log_enable = null\n }", "errors.tolerance", "all"},
		{"null in a block un-sets", "errors {\n log_enable = null\n }", "errors.log.enable", "-"},
		{"groups merge", "topic_creation \"default\" {\n replication_factor = 3\n }", "topic.creation.default.partitions", "1"},
		{"groups are listed without default", "topic_creation \"more\" {\n include = [\"y\"]\n }", "topic.creation.groups", "big,more"},
		{"transforms add up", `transform "drop" "third" {}`, "transforms", "first,second,third"},
		{"a transform replaces in its place", "transform \"drop\" \"first\" {}\n transform \"drop\" \"third\" {}", "transforms", "first,second,third"},
		{"a replaced transform keeps nothing", `transform "drop" "first" {}`, "transforms.first.regex", "-"},
		{"a transform is taken out", "transform \"drop\" \"first\" {\n enabled = false\n }", "transforms", "second"},
		{"predicates are inherited", ``, "transforms.second.predicate", "p"},
		{"predicates add up", `predicate "record_is_tombstone" "q" {}`, "predicates", "p,q"},
		{"a list may be spelt otherwise", `config = { "transforms" = " first , second" }`, "transforms", " first , second"},
		{"a class may be spelt otherwise", `config = { "connector.class" = "FileStreamSource" }`, "connector.class", "FileStreamSource"},
		{"the name may be raw if it is the same", `config = { "name" = "p" }`, "name", "p"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, strings.Replace(base, "BODY", tt.body, 1)).Pipelines[0]
			got, ok := d.Map[tt.key]
			if !ok {
				got = "-"
			}
			if got != tt.want {
				t.Errorf("%s = %q, want %q\n%s", tt.key, got, tt.want, properties(d))
			}
		})
	}
}

func TestSameLayerConflicts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		fine bool
	}{
		"number, other spelling":   {"tasks_max = 4\n config = { \"tasks.max\" = \" 4\" }", true},
		"number, other value":      {"tasks_max = 4\n config = { \"tasks.max\" = \"5\" }", false},
		"bool, other spelling":     {"tasks_max_enforce = true\n config = { \"tasks.max.enforce\" = \"TRUE\" }", true},
		"string, other spelling":   {"exactly_once_support = \"required\"\n config = { \"exactly.once.support\" = \"REQUIRED\" }", false},
		"null and a value":         {"tasks_max = null\n config = { \"tasks.max\" = \"5\" }", false},
		"another name":             {"config = { \"name\" = \"other\" }", false},
		"other transforms":         {"config = { \"transforms\" = \"x\" }\n transform \"drop\" \"y\" {}", false},
		"another connector":        {"config = { \"connector.class\" = \"FileStreamSink\" }", false},
		"two raw keys, same":       {"errors {\n config = { \"x\" = 1 }\n }\n config = { \"errors.x\" = 1 }", true},
		"two raw keys, other":      {"errors {\n config = { \"x\" = 1 }\n }\n config = { \"errors.x\" = 2 }", false},
		"transforms without block": {"config = { \"transforms\" = \"x\", \"transforms.x.type\" = \"y\" }", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"a.hcl": "pipeline \"p\" {\n source \"file\" {}\n " + tt.body + "\n}\n"})
			p, found := hcl.Load(dir, options(t))
			var want []diag.Code
			if !tt.fine {
				want = []diag.Code{diag.SetTwice}
			}
			if diff := cmp.Diff(want, codes(found)); diff != "" {
				t.Errorf("codes (-want +got):\n%s%s", diff, render(t, dir, p, found))
			}
		})
	}
}

// TestFlatteningIsExact: whatever a raw map holds comes out byte for byte, and an argument's name becomes its property by
// letters alone.
func TestFlatteningIsExact(t *testing.T) {
	t.Parallel()
	r := options(t)
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		raw := rapid.MapOfN(rapid.StringMatching(`[a-zA-Z0-9_.$ -]{1,12}`), rapid.StringMatching(`[ -~\n\tß€𐍈]{0,20}`), 0, 8).Draw(rt, "raw")
		args := rapid.MapOfN(rapid.StringMatching(`[a-z][a-z0-9_]{0,10}x`), rapid.IntRange(-1000, 1000), 0, 5).Draw(rt, "args")
		want := config.Map{"name": "p", "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector"}
		var b strings.Builder
		b.WriteString("pipeline \"p\" {\n  source \"file\" {}\n  producer {\n")
		for k, v := range args {
			fmt.Fprintf(&b, "    %s = %d\n", k, v)
			want["producer.override."+strings.ReplaceAll(k, "_", ".")] = strconv.Itoa(v)
		}
		b.WriteString("  }\n  consumer {\n    config = {\n")
		for k, v := range raw {
			fmt.Fprintf(&b, "      %s = %s\n", quote(k), quote(v))
			want["consumer.override."+k] = v
		}
		b.WriteString("    }\n  }\n}\n")
		if len(want) != len(args)+len(raw)+2 {
			rt.Skip("two arguments are one property")
		}
		file := filepath.Join(dir, "a.hcl")
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			rt.Fatal(err)
		}
		p, found := hcl.Load(file, r)
		if err := found.Err(); err != nil {
			rt.Fatalf("%v\n%s", err, b.String())
		}
		if diff := cmp.Diff(want, p.Pipelines[0].Map); diff != "" {
			rt.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// quote writes an HCL string.
func quote(s string) string {
	s = strings.NewReplacer("\\", `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "${", "$${", "%{", "%%{").Replace(s)
	return `"` + s + `"`
}

func TestLoadsShareNothing(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.hcl": "pipeline \"p\" {\n  source \"file\" {\n    topic = jsonencode({ a = [1, 2] })\n  }\n}\n"})
	o := options(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			p, found := hcl.Load(dir, o)
			if len(found) > 0 || p.Pipelines[0].Map["topic"] != `{"a":[1,2]}` {
				t.Errorf("found %v", found)
			}
		})
	}
	wg.Wait()
}

// TestSensitiveTextIsNeverSaid loads mistakes that involve a secret and looks for it in what is said (invariant 6).
func TestSensitiveTextIsNeverSaid(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, expr := range []string{
		`parseint(var.s, 10)`, `tonumber(var.s)`, `var.s.attribute`, `[1][var.s]`, `ms("1${var.s}")`, `regex("[", var.s)`,
		`base64decode(var.s)`, `jsondecode(var.s)`, `local.derived + 1`, `lookup({ a = 1 }, var.s)`, `parseint(env("S"), 10)`,
		`["a,${var.s}"]`, `{ a = var.s }`, `file(var.s)`, `{ a = 1 }[var.s]`, `format("%d", var.s)`, `secret(var.s)`,
	} {
		dir := folder(t, map[string]string{"a.hcl": `
variable "s" {
  sensitive = true
  type      = string
}
locals {
  derived = "x${var.s}"
}
pipeline "p" {
  source "file" {
    topic = ` + expr + `
  }
}
`})
		o := options(t)
		o.Vars = []hcl.Var{{Assignment: "s=" + secret}}
		o.Env = func(name string) (string, bool) { return secret, name == "S" }
		p, found := hcl.Load(dir, o)
		if len(found) != 1 {
			t.Errorf("%s: want one message, got:\n%s", expr, render(t, dir, p, found))
		}
		if strings.Contains(render(t, dir, p, found), secret) {
			t.Errorf("%s: the secret is in the message:\n%s", expr, render(t, dir, p, found))
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, `pipeline "p%d" {
  tasks_max = 2

  source "jdbc" {
    connection_url      = "jdbc:postgresql://db:5432/shop"
    connection_password = secret("file:/etc/db:password")
    mode                = "incrementing"
    table_whitelist     = ["a", "b"]
    topic_prefix        = "shop."
  }

  value_converter "json" {
    schemas_enable = false
  }

  transform "mask_field" "mask" {
    fields = ["card"]
  }

  errors {
    tolerance = "all"
  }
}
`, i)
	}
	dir := folder(b, map[string]string{"a.hcl": text.String()})
	o := options(b)
	for b.Loop() {
		p, found := hcl.Load(dir, o)
		if len(found) > 0 || len(p.Pipelines) != 1000 {
			b.Fatalf("%d pipelines, %v", len(p.Pipelines), found.Err())
		}
	}
}
