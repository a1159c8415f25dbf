package engine

import (
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/task"
)

// Trial is the chain of a pipeline without its ends, for tests and previews: records go in, and it tells what every stage
// made of them. See [NewTrial].
type Trial = task.Trial

// Outcome is what a trial made of a record.
type Outcome = task.Outcome

// What a stage of a trial did.
const (
	StageApplied = task.StageApplied
	StagePassed  = task.StagePassed
	StageDropped = task.StageDropped
	StageFailed  = task.StageFailed
)

// NewTrial makes the plugins of a pipeline's chain; an error is one of configuration. Nothing is connected.
func NewTrial(i *graph.Instance) (*Trial, error) { return task.NewTrial(&i.Task) }
