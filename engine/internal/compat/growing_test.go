package compat_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

// deviation is the number in docs/deviations.md of what the file source does on purpose where the genuine one does not.
const deviation = "26"

// growing is what happens to a file that both sources follow.
type growing struct {
	first   string                            // what stands in it at the start
	then    []func(t *testing.T, path string) // each once all of what was before has come out of both
	java    [][]string                        // records after the start and after each step
	ours    [][]string                        // nil: the same
	javaPos int64                             // position at the end
	ourPos  int64                             // 0: the same
}

func appended(text string) func(*testing.T, string) {
	return func(t *testing.T, path string) { extend(t, path, text) }
}

// TestFilesThatChange: both sources follow the same file while things happen to it, make the same records and store the
// same offsets; where they do not, docs/deviations.md says so.
func TestFilesThatChange(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1_000_000)
	for name, g := range map[string]growing{
		"grows": {
			first: "a\nb\n", then: []func(*testing.T, string){appended("c\n"), appended("d\r\ne\r\n")},
			java: [][]string{{"a", "b"}, {"c"}, {"d", "e"}}, javaPos: 12,
		},
		"no newline at the end": {
			first: "a\nhalf", then: []func(*testing.T, string){appended(" of it\nb")},
			java: [][]string{{"a"}, {"half of it"}}, javaPos: 13,
		},
		"lines of a megabyte": {
			first: long + "\nshort\n", then: []func(*testing.T, string){appended(long + "\nend\n")},
			java: [][]string{{long, "short"}, {long, "end"}}, javaPos: 2*1_000_001 + 6 + 4,
		},
		"not UTF-8": {
			first: "ok \xff\xfe bad\n\xc3(\n", then: []func(*testing.T, string){appended("after \x80\n")},
			java: [][]string{{"ok \ufffd\ufffd bad", "\ufffd("}, {"after \ufffd"}}, javaPos: 21,
		},
		"letters beyond ASCII": { // Java counts UTF-16 characters
			first: "ä€💧\n", then: []func(*testing.T, string){appended("b\n")},
			java: [][]string{{"ä€💧"}, {"b"}}, javaPos: 7, ourPos: 12,
		},
		"cut off": { // Java goes on at the position, in the middle of a line
			first: "first line\nsecond\n",
			then: []func(*testing.T, string){
				func(t *testing.T, path string) { write(t, path, "new\n") },
				appended("and one that is long enough\n"),
			},
			java: [][]string{{"first line", "second"}, {}, {"s long enough"}}, javaPos: 32,
			ours: [][]string{{"first line", "second"}, {"new"}, {"and one that is long enough"}}, ourPos: 32,
		},
		"replaced": { // Java keeps the old one
			first: "first\n",
			then: []func(*testing.T, string){
				func(t *testing.T, path string) {
					if err := os.Rename(path, path+".1"); err != nil {
						t.Fatal(err)
					}
					write(t, path, "new\n")
					extend(t, path+".1", "late\n")
				},
			},
			java: [][]string{{"first"}, {"late"}}, javaPos: 11,
			ours: [][]string{{"first"}, {"late", "new"}}, ourPos: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g.follow(t)
		})
	}
}

func (g growing) follow(t *testing.T) {
	w, c := start(t, "java", "go")
	in := filepath.Join(t.TempDir(), "in.txt")
	write(t, in, g.first)
	name := c.Name("j")
	w.run(t, name, map[string]string{
		"connector.class": "FileStreamSource", "file": in, "topic": c.Name("java"),
		"key.converter": stringClass, "value.converter": stringClass,
	})
	o := newOurs(t, c, c.Name("g"), indent(fmt.Sprintf("source \"file\" {\n  file  = %q\n  topic = %q\n}\nvalue_converter \"string\" {}", in, c.Name("go"))))
	o.run()
	want := map[string][][]string{"java": g.java, "go": g.ours}
	if g.ours == nil {
		want["go"] = g.java
	} else {
		listed(t)
	}
	counts := map[string]int{}
	for i := range g.java {
		if i > 0 {
			g.then[i-1](t, in)
		}
		for topic, all := range want {
			counts[topic] += len(all[i])
			c.Consume(topic, counts[topic])
		}
	}
	if g.ourPos == 0 {
		g.ourPos = g.javaPos
	} else {
		listed(t)
	}
	await(t, "the offset of the genuine one", func() bool { return position(t, w.url, name) == g.javaPos })
	await(t, "our offset", func() bool { return position(t, o.url(), c.Name("g")) == g.ourPos })
	for topic, all := range want {
		if d := cmp.Diff(flat(all), texts(c, topic)); d != "" {
			t.Errorf("topic %s (-want +got):\n%.2000s", topic, d)
		}
	}
}

// listed demands that the difference is one that is told.
func listed(t *testing.T) {
	t.Helper()
	text := read(filepath.Join("..", "..", "..", "docs", "deviations.md"))
	if !regexp.MustCompile(`(?m)^` + deviation + `\. \*\*The file source`).MatchString(text) {
		t.Errorf("docs/deviations.md does not say so under %s", deviation)
	}
}

func flat(all [][]string) (one []string) {
	for _, s := range all {
		one = append(one, s...)
	}
	return one
}

func texts(c *kafkatest.Cluster, topic string) (all []string) {
	for _, r := range c.ConsumeAll(topic) {
		all = append(all, string(r.Value))
	}
	return all
}

// position is the one that a worker tells by REST; -1: none.
func position(t *testing.T, url, connector string) int64 {
	t.Helper()
	var answer struct {
		Offsets []struct{ Offset struct{ Position int64 } }
	}
	body := genuine{url}.call(t, http.MethodGet, "/connectors/"+connector+"/offsets", nil, http.StatusOK)
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Offsets) == 0 {
		return -1
	}
	return answer.Offsets[0].Offset.Position
}

// url is where the engine serves REST.
func (o ours) url() string {
	o.t.Helper()
	said := read(filepath.Join(o.dir, "engine.log"))
	at := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(said)
	if at == "" {
		o.t.Fatalf("the engine does not say where it serves REST:\n%s", said)
	}
	return at
}
