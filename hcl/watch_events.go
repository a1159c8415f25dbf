package hcl

import (
	"errors"
	"io/fs"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// bell rings when something happens in one of the folders that it follows. Without events from the system it is silent.
type bell struct {
	rung   chan struct{} // has room for one
	events *fsnotify.Watcher
	silent func(error) // hears once why folders cannot be followed; nil once it has
	joined sync.WaitGroup
}

func newBell(silent func(error)) *bell {
	b := &bell{rung: make(chan struct{}, 1), silent: silent}
	events, err := fsnotify.NewWatcher()
	if err != nil {
		b.complain(err)
		return b
	}
	b.events = events
	b.joined.Go(b.listen)
	return b
}

// listen ends when the events do.
func (b *bell) listen() {
	for {
		select {
		case _, open := <-b.events.Events:
			if !open {
				return
			}
		case _, open := <-b.events.Errors: // such as too many events to be told one by one
			if !open {
				return
			}
		}
		select {
		case b.rung <- struct{}{}:
		default:
		}
	}
}

// follow makes the bell ring for these folders and no others. A folder that was replaced by another of its name is followed
// again; one that is not there is left for the next time.
func (b *bell) follow(folders []string) {
	if b.events == nil {
		return
	}
	wanted := map[string]bool{}
	for _, f := range folders {
		wanted[f] = true
		if err := b.events.Add(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.complain(err)
		}
	}
	for _, f := range b.events.WatchList() {
		if !wanted[f] {
			_ = b.events.Remove(f) // it may have ended by itself
		}
	}
}

func (b *bell) complain(err error) {
	if b.silent != nil {
		b.silent(err)
		b.silent = nil
	}
}

func (b *bell) close() {
	if b.events == nil {
		return
	}
	_ = b.events.Close() // nobody needs its events any more
	b.joined.Wait()
}
