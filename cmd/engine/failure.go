package main

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// failures tells people of pipelines that fail while they run, with the place in the file where it can be known.
type failures struct {
	run  *run
	mu   sync.Mutex
	seen int
}

// tell prints one failure. It is called from the goroutine of whatever failed.
func (f *failures) tell(failed engine.Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	pr := f.run.project() // the newest load that runs, whose places are those of the files
	f.run.tellAbove(diag.List{explain(failed, pr)}, pr.Source)
}

func (f *failures) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen > 0
}

// explain makes a diagnostic of a failure.
func explain(failed engine.Failure, pr *project) diag.Diagnostic {
	at, key := diag.Place{}, ""
	if c, ok := errors.AsType[*plugin.ConfigError](failed.Err); ok {
		key = c.Key
	}
	if i := pr.graph.Instance(failed.Pipeline); i != nil && i.Declared != nil {
		at = i.Declared.At(key)
	}
	what := "Pipeline " + failed.Pipeline
	if failed.Task >= 0 {
		what = fmt.Sprintf("%s, task %d", what, failed.Task)
	}
	if d, ok := errors.AsType[*diag.Diagnostic](failed.Err); ok {
		told := *d
		if told.Place.IsZero() {
			told.Place = at
		}
		return told
	}
	code := diag.TaskFailed
	switch {
	case errors.Is(failed.Err, syscall.ENOSPC):
		code = diag.DiskFull
	case errors.Is(failed.Err, fs.ErrPermission), errors.Is(failed.Err, fs.ErrNotExist):
		code = diag.Unreadable
	case key != "":
		code = diag.InvalidValue
	case failed.Task < 0:
		code = diag.InstanceDown
	}
	return diag.New(code, at, "%s: %s. The other pipelines go on running. Once what is wrong is mended, this one goes on where it stopped.", what, failed.Err)
}
