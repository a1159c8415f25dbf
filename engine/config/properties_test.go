package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

// TestReadProperties: the texts are those that java.util.Properties.load was given, with what it made of them.
func TestReadProperties(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Map{
		"a=1\nb = 2\r\nc:3\rd 4\n\te\t=\t5 \n":   {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5 "},
		"# x=1\n ! y=2\n\n  \nz=\n":              {"z": ""},
		"a=one, \\\n   two\\\r\n\tthree\nb=\\\n": {"a": "one, twothree", "b": ""},
		"a=x\\\\\nb=y":                           {"a": "x\\", "b": "y"},
		`a\ b\=c\:d=\t\n\r\f\q\=`:                {"a b=c:d": "\t\n\r\fq="},
		"a=\\u00fc\\uD83D\\ude00\nb=\xfc":        {"a": "ü😀", "b": "ü"},
		"a==b\nc=:d\ne = =":                      {"a": "=b", "c": ":d", "e": "="},
		"key":                                    {"key": ""},
		"a=1\\":                                  {"a": "1"},
		"a\\\n b=c":                              {"ab": "c"},
		"a=1\\\n# not a comment\n":               {"a": "1# not a comment"},
		"":                                       {},
	} {
		d, found := config.ReadProperties("f.properties", []byte(text))
		if diff := cmp.Diff(want, d.Map); diff != "" || len(found) > 0 {
			t.Errorf("%q: %v (-want +got):\n%s", text, found, diff)
		}
	}
}

func TestPlacesOfProperties(t *testing.T) {
	t.Parallel()
	text := "# first\n  a.b = one, \\\n    two\r\nc=\xc3\xbcx\n"
	d, _ := config.ReadProperties("f.properties", []byte(text))
	for key, want := range map[string]diag.Place{
		"a.b": {File: "f.properties", Line: 2, Column: 9, EndLine: 2, EndColumn: 15},
		"c":   {File: "f.properties", Line: 4, Column: 3, EndLine: 4, EndColumn: 5},
	} {
		if diff := cmp.Diff(want, d.At(key)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

func TestMistakesInProperties(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a=1\nb=\\u12x4\nc=3": "f:2:3 E104",
		"a=\\u12":             "f:1:3 E104",
		"=1":                  "f:1:2 E107",
		"password=hunter2\nb=1\npassword=hunter3": "f:3:10 E701",
	} {
		d, found := config.ReadProperties("f", []byte(text))
		if len(found) != 1 {
			t.Errorf("%q: got %v, want one", text, found)
			continue
		}
		if got := found[0].Place.String() + " " + string(found[0].Code); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
		if strings.Contains(found[0].Detail, "hunter") || strings.Contains(text, "hunter") && (!found[0].Place.Hidden || d.Map["password"] != "hunter3") {
			t.Errorf("%q: got %+v of %v", text, found[0], d.Map)
		}
	}
}

func FuzzReadProperties(f *testing.F) {
	f.Add([]byte("a=1\\\n  b\\u00e4 : c\r\n!x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, found := config.ReadProperties("f", text)
		if _, unnamed := d.Map[""]; unnamed && len(found) == 0 {
			t.Error("a property without a name was taken")
		}
		for key := range d.Map {
			if at := d.At(key); at.Line < 1 || at.Column < 1 || at.EndColumn < at.Column {
				t.Errorf("%q is at %+v", key, at)
			}
		}
	})
}

// TestReadConnector reads the forms that ConnectStandalone.parseConnectorConfigurationFile reads.
// FuzzReadConnector: whatever a file holds, it is read or refused, and every property has a place.
func FuzzReadConnector(f *testing.F) {
	for _, text := range []string{
		`{"name":"x","config":{"connector.class":"c","tasks.max":"2"},"initial_state":"stopped"}`, `{"name":"x","connector.class":"c","a":null}`,
		`{"a":{"b":1}}`, "{\"a\":\"\\ud800\"}", "name=x\nconnector.class=c", `{"a":1e400}`,
	} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, isJSON bool) {
		file := "f.properties"
		if isJSON {
			file = "f.json"
		}
		d, found := config.ReadConnector(file, text)
		for k := range d.Map {
			if d.At(k).File != file {
				t.Errorf("%q has no place", k)
			}
		}
		for _, m := range found {
			if m.Place.File != file || m.Detail == "" {
				t.Errorf("message without a place or a text: %+v", m)
			}
		}
	})
}

func TestReadConnector(t *testing.T) {
	t.Parallel()
	want := config.Map{"name": "x", "connector.class": "c", "tasks.max": "2", "flag": "true"}
	for text, target := range map[string]config.Target{
		"name=x\nconnector.class=c\ntasks.max=2\nflag=true":                                                             "",
		`{"name":"x","connector.class":"c","tasks.max":2,"flag":true}`:                                                  "",
		`{"name":"x","config":{"connector.class":"c","tasks.max":"2","flag":"true"}}`:                                   "",
		`{"config":{"name":"x","connector.class":"c","tasks.max":"2","flag":"true"},"name":"x"}`:                        "",
		` {"name":"x","config":{"connector.class":"c","tasks.max":"2","flag":"true"},"initial_state":"stopped"}` + "\n": config.Stopped,
	} {
		d, found := config.ReadConnector("f", []byte(text))
		if diff := cmp.Diff(want, d.Map); diff != "" || len(found) > 0 || d.Target != target {
			t.Errorf("%s: %v, target %q (-want +got):\n%s", text, found, d.Target, diff)
		}
	}
	d, _ := config.ReadConnector("f.json", []byte("{\n  \"name\": \"x\",\n  \"config\": {\"topic\": \"ü\"}\n}"))
	if diff := cmp.Diff(diag.Place{File: "f.json", Line: 3, Column: 23, EndLine: 3, EndColumn: 26}, d.At("topic")); diff != "" {
		t.Errorf("topic (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		`{"name":"x","config":{"name":"y"}}`:  "E404",
		`{"name":"x"`:                         "E107",
		`{"name":{"a":1}}`:                    "E107",
		`{"name":null}`:                       "E107",
		`{"a":"1"} x`:                         "E107",
		`{"a":"1","a":"2"}`:                   "E701",
		`{"name":"x","config":{},"tasks":[]}`: "E107",
		`{"config":{},"name":"x","task":"1"}`: "W802",
		`{"name":"x","config":{},"initial_state":"running away"}`: "E705",
	} {
		_, found := config.ReadConnector("f.json", []byte(text))
		if len(found) != 1 || string(found[0].Code) != want {
			t.Errorf("%s: got %v, want %s", text, found, want)
		}
	}
	if _, found := config.ReadConnector("f.json", []byte("name=x")); len(found) != 1 || found[0].Code != diag.Syntax {
		t.Errorf("properties called .json: got %v", found)
	}
}
