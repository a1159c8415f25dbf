package task

import "time"

// SetPatience shortens, before Run, the wait after which a sink that reads nothing looks for its topics.
func (t *Task) SetPatience(d time.Duration) { t.patience = d }
