// Package memory is the store that forgets everything when the process ends, for tests and for running without a data
// folder.
package memory

import "github.com/penstock/penstock/store"

// Open makes an empty store.
func Open() *store.Local { return store.NewLocal(nil, nil, journal{}) }

// journal is a journal that writes nothing.
type journal struct{}

// Commit implements store.Journal.
func (journal) Commit(*store.Snapshot, store.Commit) error { return nil }

// Offsets implements store.Journal.
func (journal) Offsets([]store.InstanceOffset) error { return nil }

// Close implements store.Journal.
func (journal) Close() error { return nil }
