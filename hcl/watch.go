package hcl

import (
	"context"
	"maps"
	"time"

	"github.com/penstock/penstock/engine/diag"
)

// Watching is what [Watch] needs to know. The functions are called from its goroutine.
type Watching struct {
	Project *Project // as loaded last

	// Ask takes requests to load at once, changed or not; each brings the function that gets the load. May be nil.
	Ask <-chan func(context.Context, Loading)

	// OnlyAsk leaves files unwatched.
	OnlyAsk bool

	// Loaded gets each load that follows from files that have changed.
	Loaded func(context.Context, Loading)

	// Missing hears of files that are empty or gone, and may be in the middle of being saved: what they declared stays for
	// another wait. Back hears of those that came back as they were. Both name files as places do.
	Missing func(files []string, wait time.Duration)
	Back    func(files []string)

	// NoEvents hears, once, that the system gives no events for folders, so that changes are found by looking every so often.
	NoEvents func(err error, every time.Duration)
}

// Loading is a project that was loaded again. When Found has errors, run nothing of it.
type Loading struct {
	Project *Project
	Found   diag.List
	Changed []string // files with other contents, files that are new, and folders that file sets list; as places name files
	Gone    []string // files that are empty or not there any more
}

// Watch loads a project again whenever what its last load has read is different, until ctx is done. A load may have failed;
// the next one still compares with it, so that nothing is said twice.
//
// It watches folders, never files, and an event says only "look again": names and kinds of events mislead for half of the
// ways in which programs save (replaced files, Kubernetes' symbolic links). Once nothing has happened for a moment, what
// was read is read again and compared by hash. File systems without events are found out by names, sizes and times, every
// five seconds. A file that is empty or gone must stay so for two seconds, since saving in place passes through that state,
// and an empty file is a valid one that declares nothing.
func Watch(ctx context.Context, s Watching) {
	if s.OnlyAsk {
		(&watcher{Watching: s, follow: func([]string) {}}).run(ctx, nil, nil)
		return
	}
	b := newBell(func(err error) { s.NoEvents(err, lookEvery) })
	defer b.close()
	w := &watcher{Watching: s, follow: b.follow}
	poll := time.NewTicker(lookEvery)
	defer poll.Stop()
	b.follow(s.Project.disk.folders())
	w.pace.event(time.Now()) // something may have happened since the load
	w.run(ctx, b.rung, poll.C)
}

// How long what is asked for at once may wait for files that move, and between two tries.
const (
	stillWithin = 2 * time.Second
	stillRetry  = 5 * time.Millisecond
)

// watcher is one Watch.
type watcher struct {
	Watching
	follow func(folders []string)
	pace   pace
	seen   stamps // of the last look
}

func (w *watcher) run(ctx context.Context, rung <-chan struct{}, poll <-chan time.Time) {
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		var look <-chan time.Time
		if at, any := w.pace.due(); any {
			due.Reset(time.Until(at))
			look = due.C
		}
		select {
		case <-ctx.Done():
			return
		case load := <-w.Ask:
			w.asked(ctx, load)
		case <-rung:
			w.pace.event(time.Now())
		case <-poll:
			if !maps.Equal(w.seen, w.Project.disk.stamps()) {
				w.pace.event(time.Now())
			}
			w.follow(w.Project.disk.folders()) // some may have been made anew
		case <-look:
			w.look(ctx)
		}
	}
}

// look compares what the last load has read with what is there, and loads when it is different for good.
func (w *watcher) look(ctx context.Context) {
	fresh, seen, still := w.Project.disk.again()
	w.seen = seen
	w.pace.rest()
	if !still {
		w.pace.event(time.Now())
		return
	}
	d := w.Project.disk.difference(fresh)
	added, back, ripe := w.pace.suspect(time.Now(), d.gone)
	switch {
	case len(added) > 0:
		w.Missing(added, patience)
	case ripe && !d.none():
		w.load(ctx, fresh, d, w.Loaded)
	case len(back) > 0 && d.none():
		w.Back(back)
	}
}

// asked loads at once.
func (w *watcher) asked(ctx context.Context, load func(context.Context, Loading)) {
	fresh, seen, still := w.Project.disk.again()
	for began := time.Now(); !still && time.Since(began) < stillWithin; fresh, seen, still = w.Project.disk.again() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(stillRetry):
		}
	}
	w.seen = seen
	w.load(ctx, fresh, w.Project.disk.difference(fresh), load)
}

// load loads what a look has seen.
func (w *watcher) load(ctx context.Context, fresh *disk, d difference, loaded func(context.Context, Loading)) {
	p, found := w.Project.again(fresh)
	w.Project = p
	w.pace.believe()
	w.follow(p.disk.folders())
	loaded(ctx, Loading{Project: p, Found: found, Changed: d.changed, Gone: d.gone})
}
