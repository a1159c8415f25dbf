package hcl

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
)

// watched is a project whose watcher runs in a bubble of fake time: events are what the test rings.
type watched struct {
	t    *testing.T
	dir  string
	bell chan struct{}
	poll chan time.Time
	ask  chan func(context.Context, Loading)
	from time.Time

	mu       sync.Mutex
	told     []string // what the watcher said, with the time since the start
	followed []string // the folders whose events it wants
}

// inFakeTime runs a test with a project of these files, after the watcher's first look.
func inFakeTime(t *testing.T, files map[string]string, test func(w *watched)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{
			t: t, dir: dir, bell: make(chan struct{}, 1), poll: make(chan time.Time, 1),
			ask: make(chan func(context.Context, Loading)), from: time.Now(),
		}
		for name, text := range files {
			w.write(name, text)
		}
		registry, err := plugin.NewRegistry([]plugin.Descriptor{
			{Name: "file", Class: "file", NewSource: func() plugin.Source { return nil }, Spec: plugin.Spec{Fields: []plugin.Setting{{Name: "topic", Type: plugin.StringType}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		project, found := Load(dir, Options{Registry: registry, Env: func(string) (string, bool) { return "", false }})
		if found.HasErrors() {
			t.Fatal(found.Err())
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		watcher := &watcher{
			Watching: Watching{
				Project: project, Ask: w.ask,
				Loaded:  func(_ context.Context, l Loading) { w.note("loaded %s", loadedNames(l)) },
				Missing: func(files []string, wait time.Duration) { w.note("missing %v for %v", bases(files), wait) },
				Back:    func(files []string) { w.note("back %v", bases(files)) },
			},
			follow: w.follow,
			seen:   project.disk.stamps(),
		}
		go func() {
			defer close(ended)
			watcher.run(ctx, w.bell, w.poll)
		}()
		defer func() { cancel(); <-ended }()
		test(w)
	})
}

func (w *watched) follow(folders []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.followed = folders
}

func (w *watched) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, fmt.Sprintf("%v ", time.Since(w.from))+fmt.Sprintf(format, args...))
}

func loadedNames(l Loading) string {
	names := []string{}
	for _, p := range l.Project.Pipelines {
		names = append(names, p.Name())
	}
	if l.Found.HasErrors() {
		return fmt.Sprintf("%v with errors", names)
	}
	return fmt.Sprint(names)
}

func bases(paths []string) []string {
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

func (w *watched) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) ring() {
	select {
	case w.bell <- struct{}{}:
	default:
	}
	synctest.Wait()
}

// after lets time pass and compares all that was said so far.
func (w *watched) after(d time.Duration, want ...string) {
	w.t.Helper()
	select {
	case <-time.After(d):
	case <-w.t.Context().Done():
	}
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(want, w.told); diff != "" {
		w.t.Errorf("after %v (-want +got):\n%s", time.Since(w.from), diff)
	}
}

func source1(name, topic string) string {
	return fmt.Sprintf("pipeline %q {\n  source \"file\" {\n    topic = %q\n  }\n}\n", name, topic)
}

func TestRule01FoldersFollowWhatTheLastLoadRead(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	inFakeTime(t, map[string]string{"a.hcl": source1("a", "1")}, func(w *watched) {
		follows := func(want ...string) {
			t.Helper()
			w.mu.Lock()
			defer w.mu.Unlock()
			slices.Sort(want)
			if diff := cmp.Diff(want, w.followed); diff != "" {
				t.Errorf("folders (-want +got):\n%s", diff)
			}
		}
		w.write("a.hcl", strings.Replace(source1("a", "T"), `"T"`, fmt.Sprintf("try(file(%q), \"1\")", filepath.Join(elsewhere, "t.txt")), 1))
		w.ring()
		w.after(time.Second, "250ms loaded [a]")
		follows(w.dir, elsewhere)
		w.write("a.hcl", source1("a", "1"))
		w.ring()
		w.after(time.Second, "250ms loaded [a]", "1.25s loaded [a]")
		follows(w.dir)
	})
}

func TestRule02AnEventOnlySaysLookAgain(t *testing.T) {
	t.Parallel()
	inFakeTime(t, map[string]string{"a.hcl": source1("a", "1")}, func(w *watched) {
		w.ring()
		w.after(time.Minute)
		w.write("b.hcl", source1("b", "1")) // no event names it
		w.ring()
		w.after(time.Second, "1m0.25s loaded [a b]")
	})
}

func TestRule03Settle(t *testing.T) {
	t.Parallel()
	t.Run("a look comes 250 ms after the last event", func(t *testing.T) {
		t.Parallel()
		inFakeTime(t, map[string]string{"a.hcl": source1("a", "1")}, func(w *watched) {
			w.write("a.hcl", source1("a2", "1"))
			w.ring()
			w.after(200 * time.Millisecond)
			w.ring()
			w.after(240 * time.Millisecond)
			w.after(10*time.Millisecond, "450ms loaded [a2]")
		})
	})
	t.Run("and at most 2 s after the first", func(t *testing.T) {
		t.Parallel()
		inFakeTime(t, map[string]string{"a.hcl": source1("a", "1")}, func(w *watched) {
			w.write("a.hcl", source1("a2", "1"))
			for range 19 {
				w.ring()
				w.after(100 * time.Millisecond)
			}
			w.ring()
			w.after(100*time.Millisecond, "2s loaded [a2]")
		})
	})
}

func TestRule04TheSameHashIsNoReload(t *testing.T) {
	t.Parallel()
	inFakeTime(t, map[string]string{"a.hcl": source1("a", "1")}, func(w *watched) {
		now := time.Now().Add(time.Hour)
		if err := os.Chtimes(filepath.Join(w.dir, "a.hcl"), now, now); err != nil { // touch
			t.Fatal(err)
		}
		w.ring()
		w.after(time.Minute)
		w.write("a.hcl", source1("a", "1")) // a save without changes
		w.ring()
		w.after(time.Minute)
	})
}

func TestRule05EmptyOrVanishedIsSuspect(t *testing.T) {
	t.Parallel()
	two := func() map[string]string {
		return map[string]string{"a.hcl": source1("a", "1"), "b.hcl": source1("b", "1"), "d.hcl": "# nothing\n"}
	}
	t.Run("an empty file stays for 2 s", func(t *testing.T) {
		t.Parallel()
		inFakeTime(t, two(), func(w *watched) {
			w.write("a.hcl", "")
			w.ring()
			w.after(2*time.Second, "250ms missing [a.hcl] for 2s")
			w.after(250*time.Millisecond, "250ms missing [a.hcl] for 2s", "2.25s loaded [b]")
			w.after(time.Minute, "250ms missing [a.hcl] for 2s", "2.25s loaded [b]")
		})
	})
	t.Run("so does one that is gone", func(t *testing.T) {
		t.Parallel()
		inFakeTime(t, two(), func(w *watched) {
			w.remove("b.hcl")
			w.ring()
			w.after(time.Minute, "250ms missing [b.hcl] for 2s", "2.25s loaded [a]")
		})
	})
	t.Run("one that is back as it was changes nothing", func(t *testing.T) {
		t.Parallel()
		inFakeTime(t, two(), func(w *watched) {
			w.remove("b.hcl")
			w.ring()
			w.after(time.Second, "250ms missing [b.hcl] for 2s")
			w.write("b.hcl", source1("b", "1"))
			w.ring()
			w.after(time.Minute, "250ms missing [b.hcl] for 2s", "1.25s back [b.hcl]")
		})
	})
	t.Run("one that is back with other contents loads", func(t *testing.T) {
		t.Parallel()
		inFakeTime(t, two(), func(w *watched) {
			w.write("b.hcl", "")
			w.ring()
			w.after(time.Second, "250ms missing [b.hcl] for 2s")
			w.write("b.hcl", source1("b2", "1"))
			w.ring()
			w.after(time.Minute, "250ms missing [b.hcl] for 2s", "1.25s loaded [a b2]")
		})
	})
	t.Run("other changes wait with it, and the youngest counts", func(t *testing.T) {
		t.Parallel()
		inFakeTime(t, two(), func(w *watched) {
			w.remove("b.hcl")
			w.ring()
			w.after(time.Second, "250ms missing [b.hcl] for 2s")
			w.write("a.hcl", "")
			w.write("c.hcl", source1("c", "1"))
			w.ring()
			want := []string{"250ms missing [b.hcl] for 2s", "1.25s missing [a.hcl] for 2s"}
			w.after(2*time.Second, want...)
			w.after(time.Second, append(want, "3.25s loaded [c]")...)
		})
	})
	t.Run("one that moved is not missing", func(t *testing.T) {
		t.Parallel()
		inFakeTime(t, two(), func(w *watched) {
			if err := os.Rename(filepath.Join(w.dir, "b.hcl"), filepath.Join(w.dir, "c.hcl")); err != nil {
				t.Fatal(err)
			}
			w.ring()
			w.after(time.Minute, "250ms loaded [a b]")
		})
	})
	t.Run("a folder that is gone stays for 2 s and then has errors", func(t *testing.T) {
		t.Parallel()
		inFakeTime(t, map[string]string{"a.hcl": source1("a", "1")}, func(w *watched) {
			w.remove("a.hcl")
			if err := os.Remove(w.dir); err != nil {
				t.Fatal(err)
			}
			w.ring()
			w.after(time.Minute, "250ms missing [a.hcl] for 2s", "2.25s loaded [] with errors")
			if err := os.Mkdir(w.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			w.write("a.hcl", source1("a", "1"))
			w.ring()
			w.after(time.Minute, "250ms missing [a.hcl] for 2s", "2.25s loaded [] with errors", "1m0.25s loaded [a]")
		})
	})
}

func (w *watched) remove(name string) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

func TestRule10PollAsWell(t *testing.T) {
	t.Parallel()
	inFakeTime(t, map[string]string{"a.hcl": source1("a", "1")}, func(w *watched) {
		w.poll <- time.Now()
		w.after(time.Minute)
		w.write("a.hcl", source1("a", "another"))
		w.poll <- time.Now() // and no event
		w.after(time.Second, "1m0.25s loaded [a]")
		w.write("b.hcl", source1("b", "1"))
		w.poll <- time.Now()
		w.after(time.Second, "1m0.25s loaded [a]", "1m1.25s loaded [a b]")
	})
}

func TestRule11AskingLoadsAtOnce(t *testing.T) {
	t.Parallel()
	inFakeTime(t, map[string]string{"a.hcl": source1("a", "1"), "b.hcl": source1("b", "1")}, func(w *watched) {
		ask := func() {
			done := make(chan struct{})
			w.ask <- func(_ context.Context, l Loading) {
				defer close(done)
				w.note("asked: %s, changed %v, gone %v", loadedNames(l), bases(l.Changed), bases(l.Gone))
			}
			<-done
		}
		ask()
		w.write("a.hcl", source1("a2", "1"))
		w.remove("b.hcl")
		w.ring() // the look that follows finds nothing that the load did not
		ask()
		w.after(time.Minute, "0s asked: [a b], changed [], gone []", "0s asked: [a2], changed [a.hcl], gone [b.hcl]")
	})
}

// A load that failed is what later looks compare with, so that its errors are not told again.
func TestAFailedLoadIsToldOnce(t *testing.T) {
	t.Parallel()
	inFakeTime(t, map[string]string{"a.hcl": source1("a", "1")}, func(w *watched) {
		w.write("a.hcl", "pipeline {")
		w.ring()
		w.after(time.Second, "250ms loaded [] with errors")
		w.ring()
		w.after(time.Second, "250ms loaded [] with errors")
		w.write("a.hcl", source1("a", "1"))
		w.ring()
		w.after(time.Second, "250ms loaded [] with errors", "2.25s loaded [a]")
	})
}

func TestPaceIsDueOnlyForAReason(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	type step struct {
		do   func(*pace)
		want int // milliseconds; -1: not due
	}
	event := func(ms int) func(*pace) { return func(p *pace) { p.event(at(ms)) } }
	missing := func(ms int, files ...string) func(*pace) {
		return func(p *pace) { p.rest(); p.suspect(at(ms), files) }
	}
	for name, steps := range map[string][]step{
		"nothing":      {{func(*pace) {}, -1}},
		"one event":    {{event(10), 260}, {(*pace).rest, -1}},
		"many events":  {{event(0), 250}, {event(200), 450}, {event(400), 650}, {event(1900), 2000}, {event(1990), 2000}},
		"missing":      {{missing(0, "a"), 2000}, {missing(500, "a"), 2000}, {event(600), 850}, {missing(850, "a", "b"), 2850}, {missing(900), -1}},
		"missing late": {{missing(0, "a"), 2000}, {event(1900), 2000}},
		"believed":     {{missing(0, "a"), 2000}, {(*pace).believe, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p pace
			for i, s := range steps {
				s.do(&p)
				due, any := p.due()
				got := -1
				if any {
					got = int(due.Sub(start).Milliseconds())
				}
				if got != s.want {
					t.Errorf("step %d: due at %d ms, want %d", i, got, s.want)
				}
			}
		})
	}
}

func TestSuspectTellsWhatIsNewWhatIsBackAndWhenToBelieveIt(t *testing.T) {
	t.Parallel()
	var p pace
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, s := range []struct {
		after       time.Duration
		files       []string
		added, back []string
		ripe        bool
	}{
		{0, nil, nil, nil, true},
		{0, []string{"a", "b"}, []string{"a", "b"}, nil, false},
		{time.Second, []string{"a", "c"}, []string{"c"}, []string{"b"}, false},
		{2 * time.Second, []string{"a", "c"}, nil, nil, false},
		{3 * time.Second, []string{"a", "c"}, nil, nil, true},
		{3 * time.Second, nil, nil, []string{"a", "c"}, true},
	} {
		added, back, ripe := p.suspect(start.Add(s.after), s.files)
		if !slices.Equal(added, s.added) || !slices.Equal(back, s.back) || ripe != s.ripe {
			t.Errorf("step %d: got %v, %v, %v; want %v, %v, %v", i, added, back, ripe, s.added, s.back, s.ripe)
		}
	}
}
