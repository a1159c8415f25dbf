package hcl_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock/penstock/hcl"
)

// TestValues holds what is stored for an expression.
func TestValues(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"text.txt": "hello", "other.json": "{}", "page.tpl": "%{ for x in xs ~}\n${upper(x)}\n%{ endfor ~}", "deep.txt": "",
	})
	if err := os.MkdirAll(filepath.Join(dir, "sub", "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "deep.txt"), filepath.Join(dir, "sub", "sub", "deep.txt")); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ expr, want string }{
		// Values.
		{`"text"`, "text"}, {`""`, ""}, {`true`, "true"}, {`"TRUE"`, "TRUE"}, {`1.10`, "1.1"}, {`007`, "7"}, {`1e3`, "1000"},
		{`9223372036854775807`, "9223372036854775807"}, {`-5`, "-5"}, {`0.1`, "0.1"}, {`1e30`, "1000000000000000000000000000000"},
		{`["a", 1, true]`, "a,1,true"}, {`[]`, ""}, {`toset(["b", "a"])`, "a,b"}, {`null`, "-"}, {`"$${a}"`, "${a}"},
		{`"100%"`, "100%"}, {`raw::base64("ZcyB")`, "e\u0301"}, {`"e\u0301"`, "\u00e9"},
		{"<<-EOT\n  a\n   b\nEOT\n", "a\n b\n"}, {`true ? ["a"] : []`, "a"},
		// Ours.
		{`ms("5m")`, "300000"}, {`ms("1h30m")`, "5400000"}, {`ms("7d")`, "604800000"}, {`ms("1d12h")`, "129600000"}, {`ms("250ms")`, "250"},
		{`bytes("64MiB")`, "67108864"}, {`bytes("1.5KiB")`, "1536"}, {`bytes("1GB")`, "1000000000"}, {`bytes("12")`, "12"}, {`bytes("10 B")`, "10"},
		{`secret("file:/p:key")`, "${file:/p:key}"}, {`"x-${secret("env:A")}"`, "x-${env:A}"}, {`env("HOME_X", "d")`, "d"}, {`env("SET")`, "set"},
		{`issensitive(env("SET"))`, "true"}, {`issensitive(nonsensitive(env("SET")))`, "false"}, {`nonsensitive(sensitive("a"))`, "a"},
		{`jsonencode({ a = "<&>", b = "\\u003c" })`, `{"a":"<&>","b":"\\u003c"}`}, {`jsonencode(jsondecode("[1,null]"))`, "[1,null]"},
		{`length("äö")`, "2"}, {`length(["a"])`, "1"}, {`length({ a = 1, b = 2 })`, "2"}, {`sum([1, 2, 3.5])`, "6.5"}, {`sum([])`, "0"},
		{`one(["a"])`, "a"}, {`one([])`, "-"}, {`startswith("abc", "ab")`, "true"}, {`endswith("abc", "ab")`, "false"},
		{`base64encode("a")`, "YQ=="}, {`base64decode("YQ==")`, "a"}, {`urlencode("a b&")`, "a+b%26"},
		{`md5("")`, "d41d8cd98f00b204e9800998ecf8427e"},
		{`sha256("")`, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{`file("text.txt")`, "hello"}, {`filebase64("text.txt")`, "aGVsbG8="}, {`fileexists("text.txt")`, "true"}, {`fileexists("sub")`, "false"},
		{`fileset(".", "*.txt")`, "text.txt"}, {`fileset("sub", "*.txt")`, ""}, {`fileset(".", "**/*.txt")`, "sub/sub/deep.txt,text.txt"},
		{`templatefile("page.tpl", { xs = ["a", "b"] })`, "A\nB\n"}, {`path.project == ""`, "false"},
		// The standard set, each once.
		{`format("%s-%03d", "a", 7)`, "a-007"}, {`join("-", ["a", "b"])`, "a-b"}, {`split(",", "a,b")`, "a,b"}, {`lower("A")`, "a"},
		{`upper("a")`, "A"}, {`title("ab cd")`, "Ab Cd"}, {`trim("-a-", "-")`, "a"}, {`trimspace(" a ")`, "a"}, {`trimprefix("ab", "a")`, "b"},
		{`trimsuffix("ab", "b")`, "a"}, {`replace("aa", "a", "b")`, "bb"}, {`regex("\\d+", "a12")`, "12"}, {`regexall("\\d", "a1b2")`, "1,2"},
		{`regexreplace("a1", "\\d", "x")`, "ax"}, {`substr("abc", 1, 1)`, "b"}, {`strlen("abc")`, "3"}, {`indent(2, "a\nb")`, "a\n  b"},
		{`chomp("a\n")`, "a"}, {`abs(-1)`, "1"}, {`ceil(1.2)`, "2"}, {`floor(1.8)`, "1"}, {`min(1, 2)`, "1"}, {`max(1, 2)`, "2"},
		{`parseint("ff", 16)`, "255"}, {`concat(["a"], ["b"])`, "a,b"}, {`contains(["a"], "a")`, "true"}, {`distinct(["a", "a"])`, "a"},
		{`element(["a", "b"], 1)`, "b"}, {`flatten([["a"], ["b"]])`, "a,b"}, {`keys({ a = 1 })`, "a"}, {`values({ a = 1 })`, "1"},
		{`lookup({ a = 1 }, "b", 2)`, "2"}, {`merge({ a = 1 }, { a = 2 }).a`, "2"}, {`reverse(["a", "b"])`, "b,a"},
		{`setintersection(["a"], ["a", "b"])`, "a"}, {`setunion(["a"], ["b"])`, "a,b"}, {`setsubtract(["a", "b"], ["b"])`, "a"},
		{`[for p in setproduct(["a"], ["b"]) : "${p[0]}${p[1]}"]`, "ab"}, {`slice(["a", "b"], 0, 1)`, "a"}, {`sort(["b", "a"])`, "a,b"},
		{`tolist(toset(["a"]))`, "a"}, {`tomap({ a = "b" }).a`, "b"}, {`zipmap(["a"], ["b"]).a`, "b"}, {`range(3)`, "0,1,2"},
		{`coalesce(null, "a")`, "a"}, {`compact(["", "a"])`, "a"}, {`yamldecode("a: 1").a`, "1"}, {`yamlencode({ a = 1 })`, "\"a\": 1\n"},
		{`csvdecode("a\n1\n")[0].a`, "1"}, {`try({}.a, "b")`, "b"}, {`can({}.a)`, "false"}, {`tostring(1)`, "1"}, {`tonumber("1")`, "1"},
		{`tobool("true")`, "true"},
	}
	for i, tt := range tests {
		file := filepath.Join(dir, "x.hcl")
		if err := os.WriteFile(file, []byte("pipeline \"p\" {\n  source \"file\" {\n    topic = "+tt.expr+"\n  }\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := options(t)
		o.Env = func(name string) (string, bool) { return "set", name == "SET" }
		p, found := hcl.Load(file, o)
		if err := found.Err(); err != nil {
			t.Errorf("%d: %s: %v", i, tt.expr, err)
			continue
		}
		got, ok := p.Pipelines[0].Map["topic"]
		if !ok {
			got = "-"
		}
		if got != tt.want {
			t.Errorf("%s = %q, want %q", tt.expr, got, tt.want)
		}
	}
}

// TestValuesRefused holds calls that cannot be worked out: one message each, and no pipeline.
func TestValuesRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"bytes.bin": "\xff", "self.tpl": `${templatefile("self.tpl", {})}`, "bad.tpl": "${", "number.tpl": "${x}"})
	for _, expr := range []string{
		`ms("5 minutes")`, `ms("")`, `ms("1us")`, `ms("xd")`, `bytes("1e3")`, `bytes("-1")`, `bytes("0.3B")`, `bytes("1/2")`, `bytes("12 miles")`,
		`secret("key")`, `secret("$${file:x}")`, `secret(":x")`, `env("NONE")`, `env("A", "b", "c")`, `base64decode("*")`, `base64decode("/w==")`,
		`raw::base64("*")`, `raw::null()`, `"x${raw::base64("YQ==")}"`, `[raw::base64("YQ==")]`, `length(1)`, `sum("a")`, `sum(["a"])`, `one(["a", "b"])`, `one(1)`,
		`file("none")`, `file("bytes.bin")`, `filebase64("none")`, `fileset("none", "*")`, `fileset(".", "[")`, `templatefile("self.tpl", {})`,
		`templatefile("bad.tpl", {})`, `templatefile("number.tpl", {})`, `templatefile("number.tpl", 1)`, `templatefile("none", {})`,
		`timestamp()`, `uuid()`, `nope::base64("")`, `1 / 0`, `tonumber("1e99999")`,
	} {
		file := filepath.Join(dir, "x.hcl")
		if err := os.WriteFile(file, []byte("pipeline \"p\" {\n  source \"file\" {\n    topic = "+expr+"\n  }\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p, found := hcl.Load(file, options(t))
		if len(found) != 1 || len(p.Pipelines) != 0 {
			t.Errorf("%s: %d messages, %d pipelines:\n%s", expr, len(found), len(p.Pipelines), render(t, dir, p, found))
		}
	}
}

// TestMarksPassThroughFunctions: what a function is given marks what it gives.
func TestMarksPassThroughFunctions(t *testing.T) {
	t.Parallel()
	p := load(t, `variable "s" {
  default   = "x"
  sensitive = true
}
pipeline "p" {
  source "jdbc" {
    query    = jsonencode({ a = var.s })
    mode     = length(var.s) > 0 ? "a" : "b"
    connection_user = "plain"
    connection_url  = join("-", ["a", upper(var.s)])
    config   = merge({ "a" = "b" }, { "c" = var.s })
  }
}
`)
	for key, want := range map[string]bool{"query": true, "mode": true, "connection.user": false, "connection.url": true, "a": false, "c": true} {
		if got := p.Pipelines[0].Origins[key].Sensitive; got != want {
			t.Errorf("%s sensitive = %v, want %v", key, got, want)
		}
	}
}
