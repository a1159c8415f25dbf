package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// identity is everything that makes a running instance or task what it is; when it differs, the thing restarts.
type identity struct {
	fingerprint graph.Fingerprint
	incarnation store.Revision // equal fingerprints after delete and create still restart (rule 9 of D2)
	restarts    int
	config      string // of a task: a digest of what its instance made
}

// wish is one thing that should run here.
type wish struct {
	key
	identity
	connector store.Connector
	instance  *graph.Instance
	target    config.Target // of the connector, or of the task where that is held on its own
	broken    error         // the stored configuration cannot be run; instance is nil
	config    plugin.Config
	epoch     int64
	waits     bool // for the release of whoever had it before
}

// wanted is what the plan of a snapshot gives to this member.
func (w *Worker) wanted(s *store.Snapshot) map[key]wish {
	w.stored = s.Connectors
	wishes := map[key]wish{}
	w.hands.take(w.Member, &s.Plan)
	if w.Lease != nil {
		w.hands.owes(w.Member, s.Plan)
	}
	for _, p := range w.hands.given {
		c, ok := s.Connectors[p.Connector]
		if !ok {
			continue
		}
		if wish, ok := w.wish(c, p); ok {
			wish.waits = !w.hands.clear(w.Member, p)
			wishes[wish.key] = wish
		}
	}
	for name := range w.compiled {
		if _, ok := s.Connectors[name]; !ok {
			delete(w.compiled, name)
		}
	}
	return wishes
}

func (w *Worker) wish(c store.Connector, p store.Placement) (wish, bool) {
	k := compiledOf(w, c)
	want := wish{
		key: key{c.Name, p.Task}, connector: c, instance: k.instance, broken: k.err, epoch: p.Epoch,
		identity: identity{incarnation: c.Incarnation}, target: c.Target,
	}
	if k.instance != nil {
		want.fingerprint = k.instance.Fingerprint
	} else {
		want.fingerprint = graph.Fingerprint(fmt.Sprintf("broken at %d", c.Revision))
	}
	if p.Task == store.Instance {
		want.restarts = c.Restarts
		return want, true
	}
	// Tasks run only when they were made of the stored configuration: what runs is always the image of a stored revision
	// (invariant 4). Until the instance has said what its tasks are now, none run.
	if k.err != nil || c.Target == config.Stopped || c.TasksFor != c.Revision || p.Task >= len(c.Tasks) {
		return wish{}, false
	}
	want.config = plugin.Config(c.Tasks[p.Task])
	want.identity.config = w.digests(c)[p.Task]
	want.restarts = c.TaskRestart[p.Task]
	if c.Target == config.Started && c.TaskTarget[p.Task] == config.Paused {
		want.target = config.Paused
	}
	return want, true
}

// compiledOf compiles a connector's configuration once a revision.
func compiledOf(w *Worker, c store.Connector) compiled {
	k, ok := w.compiled[c.Name]
	if !ok || k.revision != c.Revision {
		k = w.compile(c)
		w.compiled[c.Name] = k
	}
	return k
}

// digests stand for a connector's task configurations; they are worked out once a task set. The snapshot is shared and
// never changed, so the same slice has the same content.
func (w *Worker) digests(c store.Connector) []string {
	k := w.compiled[c.Name]
	if len(k.digests) != len(c.Tasks) || len(c.Tasks) > 0 && &k.tasks[0] != &c.Tasks[0] {
		k.tasks, k.digests = c.Tasks, make([]string, len(c.Tasks))
		for n, t := range c.Tasks {
			k.digests[n] = digest(t)
		}
		w.compiled[c.Name] = k
	}
	return k.digests
}

func (w *Worker) compile(c store.Connector) compiled {
	k := compiled{revision: c.Revision}
	if w.Secrets != nil {
		// Before, so that a change in between is seen the next time. That they cannot be found Compile says as well.
		k.secrets, _ = w.Secrets(c.Config)
	}
	k.instance, k.err = w.Compile(c.Name, c.Config)
	return k
}

// secretsEvery is how often files of secrets are looked at.
const secretsEvery = 3 * time.Second

// refresh compiles anew what is made of secrets that have changed (Kafka Connect: config.action.reload), and reports whether
// there was any. What runs goes on running while they cannot be found: somebody may be about to replace them.
func (w *Worker) refresh() (changed bool) {
	if w.Secrets == nil {
		return false
	}
	for name, k := range w.compiled {
		c, ok := w.stored[name]
		if !ok || c.Revision != k.revision || c.Config[config.ConfigReload] == "none" {
			continue
		}
		now, err := w.Secrets(c.Config)
		switch {
		case err != nil:
			if k.err == nil && !k.lost {
				w.Logger.Warn("secrets of the pipeline cannot be found any more, it goes on with those it has", "pipeline", name, "error", err)
				k.lost = true
				w.compiled[name] = k
			}
		case now != k.secrets:
			anew := w.compile(c)
			if anew.err != nil && k.err == nil {
				continue
			}
			w.compiled[name] = anew
			changed = true
			w.Logger.Info("secrets of the pipeline have changed, it restarts", "pipeline", name)
		case k.lost:
			k.lost = false
			w.compiled[name] = k
		}
	}
	return changed
}

func digest(m config.Map) string {
	h := sha256.New()
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = fmt.Appendf(b[:0], "%d %s%d %s", len(k), k, len(m[k]), m[k])
		h.Write(b) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// reconcile makes what runs here equal to the wishes, as far as it can at once: it tells what is gone or changed to stop,
// and starts what is missing and whose place is free. It is called again whenever something has ended.
func (w *Worker) reconcile(ctx context.Context, wishes map[key]wish) {
	healed := map[key]int{} // attempts of what is started anew because it had failed
	for k, u := range w.units {
		if u.ended() {
			w.settle(ctx, u, wishes)
			if want, ok := wishes[k]; ok && want.identity == u.identity && u.err != nil {
				healed[k] = u.heal.attempt
			}
			continue
		}
		if want, ok := wishes[k]; !ok || want.identity != u.identity {
			if u.stopping {
				continue
			}
			if wishes != nil && w.outdated(u) {
				u.replace(ctx, w)
			}
			u.stop()
		} else {
			u.aim(want)
			if !want.waits {
				u.adopt(ctx, w, want.epoch)
			}
		}
	}
	for k, want := range wishes {
		if _, there := w.units[k]; !there && !want.waits && w.free(want) {
			w.units[k] = w.start(ctx, want, healed[k])
		}
	}
}

// outdated reports whether a task was made of another configuration than the one that is stored.
func (w *Worker) outdated(u *unit) bool {
	k, ok := w.compiled[u.connector]
	return ok && u.task != store.Instance && (k.instance == nil || k.instance.Fingerprint != u.fingerprint)
}

// settle takes what has ended out of the books: it is forgotten unless it failed and is still wanted as it is, in which
// case it stays failed until it is time to heal it, or until something about it changes.
func (w *Worker) settle(ctx context.Context, u *unit, wishes map[key]wish) {
	want, wanted := wishes[u.key]
	if wanted && want.identity == u.identity && u.err != nil && !w.heals(ctx, u) {
		return
	}
	u.heal.forget()
	delete(w.units, u.key)
	_, owed := w.hands.owed[u.key]
	switch _, stored := w.stored[u.connector]; {
	case wanted:
	case owed: // its release says all, and the leader forgets what is no more
	case stored:
		// An older word of this unit must not outlive it; whoever runs it next writes with a newer epoch.
		w.tell.say(ctx, store.Status{Connector: u.connector, Task: u.task, State: store.StateUnassigned, Member: w.Member, Epoch: u.placed()})
	case w.Lease == nil && !w.runs(u.connector):
		w.tell.written(ctx, u.connector) // there are no brokers to wait for
		if err := w.Statuses.Forget(ctx, u.connector); err != nil {
			w.Logger.Warn("the statuses of a deleted connector could not be dropped", "connector", u.connector, "error", err)
		}
	}
}

// runs reports whether anything of a connector is still in the books.
func (w *Worker) runs(connector string) bool {
	for k := range w.units {
		if k.connector == connector {
			return true
		}
	}
	return false
}

// free reports whether nothing that still runs here stands in the way of a start: for a task, any task of its connector
// that is on its way out, since a source partition may move from one task to another.
func (w *Worker) free(want wish) bool {
	if want.task == store.Instance {
		return true
	}
	for k, u := range w.units {
		if k.connector == want.connector.Name && k.task != store.Instance && u.stopping && !u.ended() {
			return false
		}
	}
	return true
}
