package hcl_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/hcl"
)

// saw is one load of a watched folder: connector names with what their topics are, or "errors".
type saw struct {
	state string
	hcl.Loading
}

// watch watches a project with the system's events until the test ends.
func watch(t *testing.T, dir string, opts hcl.Options) <-chan saw {
	t.Helper()
	project, found := hcl.Load(dir, opts)
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	loads := make(chan saw, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		hcl.Watch(ctx, hcl.Watching{
			Project: project,
			Loaded:  func(_ context.Context, l hcl.Loading) { loads <- saw{state(l), l} },
			Missing: func([]string, time.Duration) {},
			Back:    func([]string) {},
			NoEvents: func(err error, _ time.Duration) {
				if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENOSPC) { // others may use up what this user has
					t.Errorf("no events: %v", err)
				}
			},
		})
	}()
	return loads
}

func state(l hcl.Loading) string {
	if l.Found.HasErrors() {
		return "errors"
	}
	var all []string
	for _, p := range l.Project.Pipelines {
		all = append(all, p.Name()+"="+p.Map["topic"])
	}
	return strings.Join(all, " ")
}

// next waits for the next load and compares it.
func next(t *testing.T, loads <-chan saw, want string) saw {
	t.Helper()
	select {
	case got := <-loads:
		if got.state != want {
			t.Fatalf("loaded %q, want %q", got.state, want)
		}
		return got
	case <-time.After(2 * time.Minute):
		t.Fatalf("%q was not loaded", want)
		return saw{}
	}
}

func topicFile(name, topic string) string {
	return fmt.Sprintf("pipeline %q {\n  source \"file\" {\n    topic = %q\n  }\n}\n", name, topic)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSaveStyles saves a file three times in each of the ways in which programs do: who watched the file would not see the
// second time of most.
func TestSaveStyles(t *testing.T) {
	t.Parallel()
	for style, save := range map[string]func(t *testing.T, dir, text string){
		"in place": func(t *testing.T, dir, text string) {
			put(t, filepath.Join(dir, "a.hcl"), text)
		},
		"a new file renamed over it": func(t *testing.T, dir, text string) {
			put(t, filepath.Join(dir, "tmp123"), text)
			do(t, os.Rename(filepath.Join(dir, "tmp123"), filepath.Join(dir, "a.hcl")))
		},
		"a backup, then a new file": func(t *testing.T, dir, text string) {
			do(t, os.Rename(filepath.Join(dir, "a.hcl"), filepath.Join(dir, "a.hcl~")))
			put(t, filepath.Join(dir, "a.hcl"), text)
			do(t, os.Remove(filepath.Join(dir, "a.hcl~")))
		},
		"git checkout": func(t *testing.T, dir, text string) {
			do(t, os.Remove(filepath.Join(dir, "a.hcl")))
			f, err := os.OpenFile(filepath.Join(dir, "a.hcl"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			do(t, err)
			_, err = f.WriteString(text)
			do(t, err)
			do(t, f.Close())
		},
	} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"a.hcl": topicFile("a", "0")})
			loads := watch(t, dir, options(t))
			for i := 1; i <= 3; i++ {
				save(t, dir, topicFile("a", fmt.Sprint(i)))
				got := next(t, loads, fmt.Sprintf("a=%d", i))
				if want := filepath.Join(dir, "a.hcl"); len(got.Changed) != 1 || got.Changed[0] != want || len(got.Gone) != 0 {
					t.Errorf("changed %v and gone %v, want %v to have changed", got.Changed, got.Gone, want)
				}
			}
		})
	}
}

// TestKubernetesSwap changes files as a ConfigMap does: they are links through a link to a folder, which is replaced, so
// that no event ever names them.
func TestKubernetesSwap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(n int) {
		folder := fmt.Sprintf("..v%d", n)
		do(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
		put(t, filepath.Join(dir, folder, "a.hcl"), topicFile("a", fmt.Sprint(n)))
		do(t, os.Symlink(folder, filepath.Join(dir, "..data_tmp")))
		do(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		if n > 0 {
			do(t, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..v%d", n-1))))
		}
	}
	version(0)
	do(t, os.Symlink("..data/a.hcl", filepath.Join(dir, "a.hcl")))
	loads := watch(t, dir, options(t))
	for n := 1; n <= 3; n++ {
		version(n)
		next(t, loads, fmt.Sprintf("a=%d", n))
	}
}

func TestTouchAndASaveWithoutChangesLoadNothing(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.hcl": topicFile("a", "0")})
	loads := watch(t, dir, options(t))
	for i := range 3 {
		now := time.Now()
		do(t, os.Chtimes(filepath.Join(dir, "a.hcl"), now, now))
		put(t, filepath.Join(dir, "a.hcl"), topicFile("a", fmt.Sprint(i)))
		put(t, filepath.Join(dir, "notes.txt"), fmt.Sprint("not ours ", i))
		if i > 0 {
			next(t, loads, fmt.Sprintf("a=%d", i)) // and no load of what came before it
		}
	}
}

// TestRule01FoldersOfWhatWasReadAreWatched changes what an evaluation read outside of the project's folder, twice each.
func TestRule01FoldersOfWhatWasReadAreWatched(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		topic string // an expression; E is a folder elsewhere
		files map[string]string
		save  map[string]string
		want  string
		flag  string
	}{
		"file()":                       {`file("E/t.txt")`, map[string]string{"t.txt": "x"}, map[string]string{"t.txt": "y%d"}, "a=y%d", ""},
		"filebase64()":                 {`base64decode(filebase64("E/t.txt"))`, map[string]string{"t.txt": "x"}, map[string]string{"t.txt": "y%d"}, "a=y%d", ""},
		"templatefile()":               {`templatefile("E/t.tpl", { n = "x" })`, map[string]string{"t.tpl": "${n}"}, map[string]string{"t.tpl": "${n}-%d"}, "a=x-%d", ""},
		"fileset()":                    {`join(".", fileset("E", "**/*.sql"))`, map[string]string{"sub/t.sql": ""}, map[string]string{"sub/u%d.sql": ""}, "", ""},
		"fileexists()":                 {`fileexists("E/flag1") ? (fileexists("E/flag2") ? "2" : "1") : "0"`, nil, map[string]string{"flag%d": ""}, "a=%d", ""},
		"a file that is not there yet": {`try(file("E/t.txt"), "none")`, nil, map[string]string{"t.txt": "y%d"}, "a=y%d", ""},
		"-var-file":                    {`var.topic`, map[string]string{"x.vars.hcl": `topic = "x"`}, map[string]string{"x.vars.hcl": `topic = "y%d"`}, "a=y%d", "x.vars.hcl"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			elsewhere := t.TempDir()
			for name, text := range c.files {
				do(t, os.MkdirAll(filepath.Dir(filepath.Join(elsewhere, name)), 0o700))
				put(t, filepath.Join(elsewhere, name), text)
			}
			topic := strings.ReplaceAll(c.topic, "E", filepath.ToSlash(elsewhere))
			dir := folder(t, map[string]string{"a.hcl": fmt.Sprintf(
				"variable \"topic\" {\n  default = \"\"\n}\npipeline \"a\" {\n  source \"file\" {\n    topic = %s\n  }\n}\n", topic)})
			opts := options(t)
			if c.flag != "" {
				opts.Vars = []hcl.Var{{File: filepath.Join(elsewhere, c.flag)}}
			}
			loads := watch(t, dir, opts)
			for i := 1; i <= 2; i++ {
				for name, text := range c.save {
					put(t, filepath.Join(elsewhere, numbered(name, i)), numbered(text, i))
				}
				want := numbered(c.want, i)
				if c.want == "" { // of the file set
					want = []string{"a=sub/t.sql.sub/u1.sql", "a=sub/t.sql.sub/u1.sql.sub/u2.sql"}[i-1]
				}
				next(t, loads, want)
			}
		})
	}
}

func numbered(text string, n int) string { return strings.ReplaceAll(text, "%d", fmt.Sprint(n)) }

func TestFilesOfValuesInTheFolderAreWatched(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"a.hcl":           "variable \"topic\" {}\n" + strings.Replace(topicFile("a", "T"), `"T"`, "var.topic", 1),
		"b.auto.vars.hcl": "topic = \"0\"\n",
	})
	loads := watch(t, dir, options(t))
	put(t, filepath.Join(dir, "b.auto.vars.hcl"), "topic = \"1\"\n")
	next(t, loads, "a=1")
	put(t, filepath.Join(dir, "c.auto.vars.hcl"), "topic = \"2\"\n") // a new one
	next(t, loads, "a=2")
	put(t, filepath.Join(dir, "d.vars.hcl"), "topic = \"3\"\n") // only for a flag
	put(t, filepath.Join(dir, "b.hcl"), topicFile("b", "0"))
	next(t, loads, "a=2 b=0")
}

// TestAReplacedFolderIsWatchedOn puts another folder in the place of the project's, as some deployments do.
func TestAReplacedFolderIsWatchedOn(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	dir := filepath.Join(above, "project")
	make := func(name, topic string) string {
		d := filepath.Join(above, name)
		do(t, os.Mkdir(d, 0o700))
		put(t, filepath.Join(d, "a.hcl"), topicFile("a", topic))
		return d
	}
	make("project", "0")
	loads := watch(t, dir, options(t))
	other := make("other", "1")
	do(t, os.Rename(dir, filepath.Join(above, "old")))
	do(t, os.Rename(other, dir))
	next(t, loads, "a=1")
	put(t, filepath.Join(dir, "a.hcl"), topicFile("a", "2"))
	next(t, loads, "a=2")
}

// TestRule13EveryLoadParsesAnew would see the first text for ever with a parser that caches by name.
func TestRule13EveryLoadParsesAnew(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.hcl": topicFile("a", "0")})
	for i := range 3 {
		put(t, filepath.Join(dir, "a.hcl"), topicFile("a", fmt.Sprint(i)))
		p, found := hcl.Load(dir, options(t))
		if got, want := state(hcl.Loading{Project: p, Found: found}), fmt.Sprintf("a=%d", i); got != want {
			t.Errorf("loaded %q, want %q", got, want)
		}
		if text, err := p.Source(filepath.Join(dir, "a.hcl")); err != nil || string(text) != topicFile("a", fmt.Sprint(i)) {
			t.Errorf("the source for messages is %q, %v", text, err)
		}
	}
}

func TestASingleFileIsWatched(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.hcl": topicFile("a", "0"), "b.hcl": topicFile("b", "0")})
	loads := watch(t, filepath.Join(dir, "a.hcl"), options(t))
	put(t, filepath.Join(dir, "b.hcl"), topicFile("b", "1")) // another project's
	put(t, filepath.Join(dir, "a.hcl"), topicFile("a", "1"))
	next(t, loads, "a=1")
}

// TestFilesOfOthersAreWatched: files that somebody else reads are loaded again with their texts, and why one cannot be read
// is known.
func TestFilesOfOthersAreWatched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.properties"), filepath.Join(dir, "two.properties")
	if err := os.WriteFile(one, []byte("a=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	project := hcl.ReadFiles([]string{one, two})
	if text, err := project.Source(one); err != nil || string(text) != "a=1\n" || project.Folder != dir {
		t.Errorf("got %q, %v in %s", text, err, project.Folder)
	}
	if _, err := project.Source(two); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	loads, ended := make(chan hcl.Loading, 10), make(chan struct{})
	go func() {
		defer close(ended)
		hcl.Watch(ctx, hcl.Watching{
			Project: project, Loaded: func(_ context.Context, l hcl.Loading) { loads <- l },
			Missing: func([]string, time.Duration) {}, Back: func([]string) {}, NoEvents: func(error, time.Duration) {},
		})
	}()
	if err := os.WriteFile(two, []byte("b=2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := <-loads
	if text, err := l.Project.Source(two); err != nil || string(text) != "b=2\n" || len(l.Changed) != 1 || l.Changed[0] != two {
		t.Errorf("a file that came: got %q, %v, changed %v", text, err, l.Changed)
	}
	if text, err := l.Project.Source(one); err != nil || string(text) != "a=1\n" {
		t.Errorf("the other file: got %q, %v", text, err)
	}
	cancel()
	<-ended
}
