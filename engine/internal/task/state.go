package task

import "sync"

// State is how a task is.
type State uint8

// The states of a task.
const (
	Starting State = iota // opening clients and the plugin
	Running
	Paused   // keeps its goroutine and its plugin and moves nothing
	Stopping // asked to stop, or failing: delivering and storing what is under way
	Stopped  // ended because somebody asked for it
	Failed   // ended because of an error
)

// String is the name in lower case.
func (s State) String() string {
	return [...]string{"starting", "running", "paused", "stopping", "stopped", "failed"}[s]
}

// may reports whether a task goes from s to next. A task that was paused before its start goes back to Starting.
func (s State) may(next State) bool {
	switch s {
	case Starting:
		return next == Running || next == Paused || next == Stopping
	case Running:
		return next == Paused || next == Stopping
	case Paused:
		return next == Running || next == Starting || next == Stopping
	case Stopping:
		return next == Stopped || next == Failed
	case Stopped, Failed:
	}
	return false
}

// Report is a change of a task's state. Err is why it fails or has failed; in a state that goes on it is a condition that
// does not end the task but that people should know, such as a topic that is not there, and nil takes that back.
type Report struct {
	State State
	Err   error
}

// machine owns the state. Reports leave in the order of the changes, one at a time.
type machine struct {
	report func(Report)

	mu    sync.Mutex
	state State
	err   error
	muted bool
}

// to changes the state and tells; a change that the table does not allow is none.
func (m *machine) to(next State, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.state.may(next) {
		return false
	}
	m.state, m.err = next, err
	m.tell()
	return true
}

// note tells of a condition, or by nil that there is none any more; the same one is told once.
func (m *machine) note(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state > Paused || (err == nil) == (m.err == nil) && (err == nil || err.Error() == m.err.Error()) {
		return
	}
	m.err = err
	m.tell()
}

func (m *machine) tell() {
	if m.report != nil && !m.muted {
		m.report(Report{m.state, m.err})
	}
}

// mute ends all telling: what an abandoned task says of itself counts no more.
func (m *machine) mute() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.muted = true
}

// control is what others ask of a running task: to pause, to resume, to commit. A request that comes while the loop waits
// ends the wait; one that comes just before it does so too, since the loop says up to which request it has looked.
type control struct {
	mu        sync.Mutex
	paused    bool
	commits   chan struct{} // has room for one: somebody asked for a commit
	seq       uint64
	interrupt func()
	changed   chan struct{} // closed at the next request
}

func (c *control) ask(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.seq++
	if c.interrupt != nil {
		c.interrupt()
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

func (c *control) setPaused(p bool) { c.ask(func() { c.paused = p }) }
func (c *control) poke()            { c.ask(func() {}) }

// askCommit leaves word for whoever commits.
func (c *control) askCommit() {
	select {
	case c.commits <- struct{}{}:
	default: // somebody asked already
	}
}

// look returns whether the task shall be paused, the number of the last request, and a channel that the next one closes.
func (c *control) look() (paused bool, seq uint64, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.paused, c.seq, c.changed
}

// onRequest makes f the function that a request after number seq calls; it is called at once when there was one already.
// A nil f takes the function away.
func (c *control) onRequest(seq uint64, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt = f
	if f != nil && c.seq != seq {
		f()
	}
}

// takeCommit reports whether a commit was asked for since it was last called.
func (c *control) takeCommit() bool {
	select {
	case <-c.commits:
		return true
	default:
		return false
	}
}
