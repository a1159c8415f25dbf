//go:build unix

package hcl

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestAnswersOfDifferentMomentsAreNotTaken changes a file while another is being read: rule 3 lists again to notice that.
func TestAnswersOfDifferentMomentsAreNotTaken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		do    func(t *testing.T, dir string)
		still bool
	}{
		{"nothing", func(*testing.T, string) {}, true},
		{"other contents", func(t *testing.T, dir string) { save(t, dir, "a.hcl", "# longer than before\n") }, false},
		{"a new file", func(t *testing.T, dir string) { save(t, dir, "b.hcl", "") }, false},
		{"a file of no concern", func(t *testing.T, dir string) { save(t, dir, "b.txt", "") }, true},
		{"a removed file", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "a.hcl")); err != nil {
				t.Error(err)
			}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			save(t, dir, "a.hcl", "# a\n")
			pipe := filepath.Join(dir, "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			// Reading the pipe waits until the test has opened it too, so that what it does happens in the middle.
			read := make(chan bool)
			d := newDisk(nil)
			go func() {
				_, _ = d.project(dir)
				_, _ = d.text(filepath.Join(dir, "a.hcl"))
				_, _ = d.text(pipe)
				read <- true
				_, _, still := d.again()
				read <- still
			}()
			feed(t, pipe, func() {})
			<-read
			feed(t, pipe, func() { c.do(t, dir) })
			if still := <-read; still != c.still {
				t.Errorf("still is %v, want %v", still, c.still)
			}
		})
	}
}

// TestALookThatIsNotStillStartsOver is rule 3 as a whole: nothing is loaded of different moments, and another look follows.
func TestALookThatIsNotStillStartsOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	save(t, dir, "a.hcl", "locals {\n  x = file(\"pipe\")\n}\n")
	step := make(chan struct{})
	loads := 0
	w := &watcher{follow: func([]string) {}, Watching: Watching{Loaded: func(context.Context, Loading) { loads++ }}}
	go func() {
		w.Project, _ = Load(dir, Options{})
		step <- struct{}{}
		for range 2 {
			w.look(t.Context())
			step <- struct{}{}
		}
	}()
	feed(t, pipe, func() {})
	<-step
	feed(t, pipe, func() { save(t, dir, "a.hcl", "locals {\n  x = file(\"pipe\")\n  y = 1\n}\n") })
	<-step
	if _, again := w.pace.due(); loads != 0 || !again {
		t.Errorf("%d loads, and another look is due: %v; want none, and that it is", loads, again)
	}
	feed(t, pipe, func() {})
	<-step
	if _, again := w.pace.due(); loads != 1 || again {
		t.Errorf("%d loads, and another look is due: %v; want one, and that it is not", loads, again)
	}
}

// feed is read from a pipe by whoever opens it, and leaves no trace on the pipe itself.
func feed(t *testing.T, pipe string, meanwhile func()) {
	t.Helper()
	f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	meanwhile()
	fixed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err = f.WriteString("x")
	if err := errors.Join(err, os.Chtimes(pipe, fixed, fixed), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Error(err)
	}
}

func TestAFileOfOtherTimeHasAnotherStamp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	save(t, dir, "a.hcl", "# a\n")
	d := newDisk(nil)
	if _, err := d.project(dir); err != nil {
		t.Fatal(err)
	}
	seen := d.stamps()
	if !maps.Equal(seen, d.stamps()) {
		t.Error("the stamps differ although nothing has changed")
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "a.hcl"), later, later); err != nil {
		t.Fatal(err)
	}
	if maps.Equal(seen, d.stamps()) {
		t.Error("the stamps are the same although a file's time is not")
	}
}

func TestABellThatCannotFollowSaysSoOnce(t *testing.T) {
	t.Parallel()
	said, dir := 0, t.TempDir()
	b := newBell(func(error) { said++ })
	defer b.close()
	b.follow([]string{filepath.Join(dir, "not there")})
	if said != 0 {
		t.Error("it complained of a folder that is not there, which may come")
	}
	save(t, dir, "file", "")
	b.follow([]string{filepath.Join(dir, "file", "below")})
	b.follow([]string{filepath.Join(dir, "file", "below")})
	if said != 1 {
		t.Errorf("it complained %d times, want once", said)
	}
	deaf := &bell{rung: make(chan struct{}), silent: func(error) { said++ }}
	deaf.complain(syscall.EMFILE)
	deaf.follow([]string{t.TempDir()})
	deaf.close()
	if said != 2 {
		t.Errorf("a bell without events complained %d times, want once", said-1)
	}
}

// TestOnlyNamesMatterInAFileSet lets a listed file grow, as a log in the project's folder does.
func TestOnlyNamesMatterInAFileSet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sub", "deeper"), 0o700); err != nil {
		t.Fatal(err)
	}
	save(t, dir, "a.log", "x")
	save(t, dir, "sub/b.log", "x")
	save(t, dir, "sub/deeper/c.log", "x")
	d := newDisk(nil)
	for pattern, want := range map[string]struct{ names, folders []string }{
		"*.log":    {[]string{"a.log"}, []string{dir}},
		"*/*.log":  {[]string{"sub/b.log"}, []string{dir, filepath.Join(dir, "sub")}},
		"**/*.log": {[]string{"a.log", "sub/b.log", "sub/deeper/c.log"}, []string{dir, filepath.Join(dir, "sub"), filepath.Join(dir, "sub", "deeper")}},
	} {
		a := d.ask(question{kind: askFileset, path: dir, pattern: pattern})
		if a.err != nil || !slices.Equal(a.names, want.names) || !slices.Equal(a.folders, want.folders) {
			t.Errorf("%s lists %v in %v (%v), want %v in %v", pattern, a.names, a.folders, a.err, want.names, want.folders)
		}
	}
	seen := d.stamps()
	save(t, dir, "a.log", "xx")
	if !maps.Equal(seen, d.stamps()) {
		t.Error("the stamps differ although the names are the same")
	}
	save(t, dir, "d.log", "x")
	if maps.Equal(seen, d.stamps()) {
		t.Error("the stamps are the same although there is another name")
	}
}
