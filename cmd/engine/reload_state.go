package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/diag"
)

// loadBook is what came of the loads of a project. It is safe for concurrent use.
type loadBook struct {
	mu       sync.Mutex
	is       api.Configuration // its slices are never changed
	refused  int64
	rejected bool // the newest load was
}

// newLoadBook begins with the load that a process starts with.
func newLoadBook(pr *project, at time.Time) *loadBook {
	b := &loadBook{}
	b.accept(pr, true, at)
	return b
}

// accept notes a load without errors, which changed pipelines or did not, and reports whether that is a new revision: files
// that say what the last one's said, and change nothing, are none.
func (b *loadBook) accept(pr *project, changed bool, at time.Time) bool {
	files, hash := digests(pr)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.is.Last = api.Load{At: at, Loaded: true}
	b.rejected = false
	if !changed && hash == b.is.Hash {
		return false
	}
	b.is.Revision++
	b.is.Since, b.is.Pipelines, b.is.Files, b.is.Hash = at, len(pr.Pipelines), files, hash
	return true
}

// reject notes a load that was not put into effect. The files are those that the messages are about.
func (b *loadBook) reject(found diag.List, files []string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := at
	if b.rejected {
		since = b.is.Rejected.Since
	}
	b.refused++
	b.rejected = true
	b.is.Last = api.Load{At: at}
	b.is.Rejected = &api.Rejected{Since: since, At: at, Files: files, Diagnostics: api.Diagnostics(found)}
}

func (b *loadBook) revision() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.is.Revision
}

// configuration is for the REST API.
func (b *loadBook) configuration() *api.Configuration {
	b.mu.Lock()
	defer b.mu.Unlock()
	is := b.is
	return &is
}

// loads is for metrics.
func (b *loadBook) loads() engine.Loads {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := int64(b.is.Revision)
	return engine.Loads{Revision: n, Succeeded: n, Refused: b.refused, Good: !b.rejected, Since: b.is.Since}
}

// digests are those of a project's files, and one of all of them with their names.
func digests(pr *project) (files []api.File, hash string) {
	files = []api.File{}
	all := sha256.New()
	for _, name := range pr.Files() {
		text, err := pr.Project.Source(name)
		if err != nil {
			continue // a project has what it lists
		}
		sum := sha256.Sum256(text)
		one := api.File{Name: pr.within(name), Digest: hex.EncodeToString(sum[:])}
		files = append(files, one)
		_, _ = fmt.Fprintf(all, "%d %s%s", len(one.Name), one.Name, one.Digest) // a hash takes everything
	}
	return files, hex.EncodeToString(all.Sum(nil))
}

// about are the files that messages are about, by name.
func (pr *project) about(found diag.List) []string {
	files := []string{}
	for _, d := range found {
		if d.Place.File != "" {
			files = append(files, pr.within(d.Place.File))
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}
