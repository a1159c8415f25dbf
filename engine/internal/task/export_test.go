package task

import "time"

// SetPatience shortens, before Run, the wait after which a sink that reads nothing looks for its topics.
func (t *Task) SetPatience(d time.Duration) { t.patience = d }

// SetCoolAfter shortens, before Run, the quiet time after which a source gives its memory and connections back.
func (t *Task) SetCoolAfter(d time.Duration) { t.coolAfter = d }
