package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
)

func TestSourceConformance(t *testing.T) {
	t.Parallel()
	plugintest.Source(t, Descriptors()[0], plugintest.Env{
		Config: func(t testing.TB) plugin.Config {
			return plugin.Config{"file": filepath.Join(t.TempDir(), "in.txt"), "topic": "t", "batch.size": "7"}
		},
		Invalid: []plugin.Config{{}, {"topic": ""}, {"topic": "t", "batch.size": "many"}},
		Feed: func(t testing.TB, c plugin.Config, n int) {
			f, err := os.OpenFile(c["file"], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}()
			for i := range n {
				if _, err := fmt.Fprintf(f, "line %d ä\n", i); err != nil {
					t.Fatal(err)
				}
			}
		},
	})
}

func TestSinkConformance(t *testing.T) {
	t.Parallel()
	plugintest.Sink(t, Descriptors()[1], plugintest.Env{
		Config: func(t testing.TB) plugin.Config {
			return plugin.Config{"file": filepath.Join(t.TempDir(), "out.txt")}
		},
		Stored: func(t testing.TB, c plugin.Config) []string {
			b, err := os.ReadFile(c["file"])
			if err != nil {
				t.Fatal(err)
			}
			return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		},
	})
}

// The definitions that ConfigDef of 4.3.1 gives.
func TestSpecIsThatOfJava(t *testing.T) {
	t.Parallel()
	var got []string
	for _, d := range Descriptors() {
		for _, f := range d.Spec.Fields {
			got = append(got, fmt.Sprintf("%s|%s|%v|%s|%s|%s", f.Name, f.Type, f.Required, f.Default, f.Importance, f.Doc))
		}
	}
	want := []string{
		"file|STRING|false||high|Source filename. If not specified, the standard input will be used",
		"topic|STRING|true||high|The topic to publish data to",
		"batch.size|INT|false|2000|low|The maximum number of records the source task can read from the file each time it is polled",
		"file|STRING|false||high|Destination filename. If not specified, the standard output will be used",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("settings (-want +got):\n%s", d)
	}
}
