package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/diff"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/plugins"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/topic"
)

// cluster is one that a project is compared with and applied to: workers of ours, or of a genuine Kafka Connect. It is a
// [diff.Cluster].
type cluster struct {
	*api.Client
	name string // of its block; "" without one
	info *api.ServerInfo
	log  *writes // of a genuine Kafka Connect whose config topic can be read; nil otherwise

	mu  sync.Mutex
	put map[string]config.Map // what was written, until the worker that answers has read it
}

// cluster finds the first worker that answers, of the project's cluster block or of the flags.
func (r *remote) cluster(ctx context.Context, block *hcl.Cluster) (*cluster, error) {
	if block == nil || r.url != "" {
		client, err := r.client()
		if err != nil {
			return nil, err
		}
		info, err := client.Server(ctx)
		if err != nil {
			return nil, explained(err).Err()
		}
		return &cluster{Client: client, info: info, put: map[string]config.Map{}}, nil
	}
	var last error
	for _, url := range block.URLs {
		client, err := api.NewClient(url)
		if err != nil {
			return nil, refusal(diag.New(diag.Usage, block.Place, "%q is no address of a worker: %s.", url, err))
		}
		access := api.Access{
			Username: block.Username, Password: block.Password, Token: block.Token,
			CAFile: block.CAFile, CertFile: block.CertFile, KeyFile: block.KeyFile,
		}
		if err := client.Grant(access); err != nil {
			return nil, refusal(diag.New(diag.Unreadable, block.Place, "%s.", err))
		}
		info, err := client.Server(ctx)
		if err == nil {
			c := &cluster{Client: client, name: block.Name, info: info, put: map[string]config.Map{}}
			if c.genuine() {
				c.log, err = writesOf(block)
			}
			return c, err
		}
		last = err
		if _, unreachable := errors.AsType[*api.UnreachableError](err); !unreachable {
			break
		}
	}
	return nil, explained(last).Err()
}

// clusterBlock reads the cluster block of a name from the folder that one is in; without a name there is none.
func (r *remote) clusterBlock(name string) (*hcl.Cluster, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // none is an answer
	}
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		return nil, err
	}
	files, found := hcl.Load(".", hcl.Options{Registry: registry, Env: r.env, ForCluster: true, Cluster: name})
	if found.HasErrors() {
		r.tell(found, files.Source)
		return nil, errTold
	}
	return files.Cluster, nil
}

// kind is what runs there, for people.
func (c *cluster) kind() string {
	if c.info.Engine == nil {
		return "Kafka Connect " + c.info.Version
	}
	return strings.TrimSpace("engine " + c.info.Engine.Version + ", " + c.info.Engine.Mode)
}

func (c *cluster) genuine() bool { return c.info.Engine == nil }
func (c *cluster) standalone() bool {
	return c.info.Engine != nil && c.info.Engine.Mode == "standalone"
}

// runs refuses to compare a standalone worker with a folder that it does not run: a reload would not read it.
func (c *cluster) runs(dir string) error {
	if !c.standalone() {
		return nil
	}
	theirs := c.info.Engine.Folder
	if theirs == "" {
		return refusal(diag.New(diag.Usage, diag.Place{}, "The worker at %s was started with properties files, so that it does not read a folder. Change those files, or name another worker with -url.", c.URL()))
	}
	here := real(dir)
	if theirs == here {
		return nil
	}
	return refusal(diag.New(diag.Usage, diag.Place{}, "The worker at %s runs the project in %s, and these are the files in %s. Give that folder, or name another worker with -url.", c.URL(), theirs, here))
}

// real is the one name of a folder, or of that which a file is in, as far as the file system tells.
func real(path string) string {
	if strings.HasSuffix(path, ".hcl") {
		path = filepath.Dir(path)
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	return path
}

// read is everything that runs there.
func (c *cluster) read(ctx context.Context) (map[string]diff.Connector, error) {
	if c.before(tellsAll) {
		return nil, c.tellsNothing()
	}
	// The topic first: what is written in between is then newer than the revision, and never taken for known.
	var written map[string]topic.Change
	if c.log != nil {
		var err error
		if written, err = c.log.newest(ctx); err != nil {
			return nil, err
		}
	}
	var all map[string]api.ConnectorInfo
	err := c.patiently(ctx, func() (err error) {
		all, err = c.Connectors(ctx)
		return err
	})
	if err != nil {
		return nil, explained(err).Err()
	}
	live := map[string]diff.Connector{}
	for name, info := range all {
		if info.Info.Config == nil {
			return nil, c.tellsNothing()
		}
		l := diff.Connector{Type: info.Info.Type, Tasks: len(info.Info.Tasks)}
		l.Config, l.Owner = diff.Unmark(info.Info.Config)
		if info.Status != nil {
			l.Target = targetOf(info.Status)
			for _, t := range info.Status.Tasks {
				if t.State.State == "RUNNING" {
					l.Running++
				}
			}
		}
		if e := info.Engine; e != nil {
			l.Revision = e.Revision
			if e.Project != "" {
				plain, secret, _ := strings.Cut(e.Digest, " ")
				l.Owner = &diff.Owner{Project: e.Project, Source: e.Source, Plain: plain, Secret: secret}
			}
		}
		if w, is := written[name]; is {
			l.Revision, l.Written = strconv.FormatInt(w.Offset, 10), w.At
		}
		live[name] = l
	}
	return live, nil
}

// tellsNothing refuses a worker that does not answer with configurations.
func (c *cluster) tellsNothing() error {
	return refusal(diag.New(diag.TooOld, diag.Place{}, "%s runs %s, which does not tell all configurations at once. It takes Kafka Connect %s or later.", c.URL(), c.kind(), tellsAll))
}

// The versions of Kafka Connect in which something came.
const (
	tellsAll   = "2.3.0" // expand=info (KIP-465)
	stops      = "3.5.0" // PUT …/stop (KIP-875)
	beginsWith = "3.7.0" // initial_state (KIP-980), which a rename needs too; offsets can be changed since 3.6
	tellsTasks = "3.9.0" // a change reaches running tasks whatever it is of (KAFKA-9228)
)

// before reports whether a genuine Kafka Connect is older than a version.
func (c *cluster) before(version string) bool {
	return c.genuine() && olderThan(c.info.Version, version)
}

// olderThan compares versions such as 3.7.0 and 7.5.1-ccs, whose first three numbers count. What has no number is not older.
func olderThan(version, than string) bool {
	var a, b [3]int
	n, _ := fmt.Sscanf(version, "%d.%d.%d", &a[0], &a[1], &a[2])
	_, _ = fmt.Sscanf(than, "%d.%d.%d", &b[0], &b[1], &b[2])
	if _, distribution, _ := strings.Cut(version, "-"); strings.HasPrefix(distribution, "ccs") || strings.HasPrefix(distribution, "ce") {
		a = apacheKafka(a)
	}
	return n > 0 && slices.Compare(a[:], b[:]) < 0
}

// apacheKafka is the version of Apache Kafka that a version of the Confluent Platform has: 5.0 has 2.0 and 6.0 has 2.6, from
// where each minor version has the next one; 7.0 has 3.0 and 8.0 has 4.0. The numbers of patches are not the same.
func apacheKafka(platform [3]int) [3]int {
	switch major, minor := platform[0], platform[1]; {
	case major < 5:
		return [3]int{1, 0, 0}
	case major == 5:
		return [3]int{2, minor, 0}
	case major == 6:
		return [3]int{2, 6 + minor, 0}
	default:
		return [3]int{major - 4, minor, 0}
	}
}

// Status implements [diff.Cluster].
func (c *cluster) Status(ctx context.Context, name string) (diff.Status, error) {
	s, err := c.Client.Status(ctx, name)
	if err != nil {
		return diff.Status{}, c.meant(err)
	}
	out := diff.Status{State: string(s.Connector.State), Trace: s.Connector.Trace, Stored: true}
	for _, t := range s.Tasks {
		out.Tasks = append(out.Tasks, diff.TaskStatus{ID: t.ID, State: string(t.State.State), Trace: t.Trace})
	}
	if b := s.Beyond; b != nil && !b.Current && out.State != string(store.StateFailed) {
		out.Stored = false // what runs is of an older configuration
		return out, nil
	}
	c.mu.Lock()
	want, wrote := c.put[name]
	c.mu.Unlock()
	if wrote {
		have, err := c.Config(ctx, name)
		if err != nil {
			return diff.Status{}, c.meant(err)
		}
		out.Stored = diff.Written(have, want)
	}
	return out, nil
}

// Put implements [diff.Cluster].
func (c *cluster) Put(ctx context.Context, w diff.Write) error {
	m, condition := maps.Clone(w.Config), c.condition(w.Seen)
	switch {
	case w.Owner == nil:
	case c.genuine():
		m[diff.MarkProperty] = w.Owner.String()
	default:
		condition.Mark = api.Mark{Project: w.Owner.Project, Source: w.Owner.Source, Digest: w.Owner.Digest()}
	}
	err := c.patiently(ctx, func() error {
		if w.Create {
			return c.Create(ctx, w.Name, m, w.Target, condition)
		}
		if err := c.still(ctx, w.Name, w.Seen, m); err != nil {
			return err
		}
		return c.Configure(ctx, w.Name, m, condition)
	})
	if err != nil {
		return c.meant(err)
	}
	if m[config.Name] == "" {
		m[config.Name] = w.Name
	}
	c.mu.Lock()
	c.put[w.Name] = m
	c.mu.Unlock()
	if !w.Create && c.before(tellsTasks) {
		if err := c.restartTasks(ctx, w.Name); err != nil {
			return c.meant(err)
		}
	}
	if c.log == nil || w.Create {
		return nil
	}
	return c.log.overwritten(ctx, w.Name, w.Seen.Revision, m)
}

// restartTasks restarts the tasks of a connector that a worker would leave with an older configuration: one that changes
// nothing of what the connector itself makes of it, such as a transform. A task that has gone meanwhile needs nothing.
func (c *cluster) restartTasks(ctx context.Context, name string) error {
	s, err := c.Client.Status(ctx, name)
	if err != nil {
		return fmt.Errorf("look which tasks to restart: %w", err)
	}
	for _, t := range s.Tasks {
		err := c.patiently(ctx, func() error { return c.RestartTask(ctx, name, t.ID) })
		if a, refused := errors.AsType[*api.AnswerError](err); err != nil && (!refused || a.Code != http.StatusNotFound) {
			return fmt.Errorf("restart task %d: %w", t.ID, err)
		}
	}
	return nil
}

// condition is what a write may ask of a worker: one of Kafka Connect knows no revisions.
func (c *cluster) condition(seen diff.Seen) api.Condition {
	if c.genuine() {
		return api.Condition{}
	}
	return api.Condition{Revision: seen.Revision}
}

// Delete implements [diff.Cluster].
func (c *cluster) Delete(ctx context.Context, name string, seen diff.Seen) error {
	err := c.patiently(ctx, func() error {
		if err := c.still(ctx, name, seen, nil); err != nil {
			return err
		}
		return c.Client.Delete(ctx, name, c.condition(seen))
	})
	if err != nil || c.log == nil {
		return c.meant(err)
	}
	return c.log.overwritten(ctx, name, seen.Revision, nil)
}

// still checks that a connector is what was seen of it, where the worker cannot be asked to check that itself. Between
// this look and the write are milliseconds in which a change goes unnoticed. What is there already of what is to be written
// was written by an attempt whose answer said otherwise.
func (c *cluster) still(ctx context.Context, name string, seen diff.Seen, want config.Map) error {
	if !c.genuine() && seen.Revision != "" || seen.Config == nil {
		return nil
	}
	have, err := c.Config(ctx, name)
	if err != nil {
		return err
	}
	if plain, owner := diff.Unmark(have); !seen.Is(plain, owner) && (want == nil || !diff.Written(have, want)) {
		return diff.ErrChanged
	}
	return nil
}

// SetTarget implements [diff.Cluster].
func (c *cluster) SetTarget(ctx context.Context, name string, t config.Target) error {
	return c.meant(c.patiently(ctx, func() error { return c.Client.SetTarget(ctx, name, t) }))
}

// CopyOffsets implements [diff.Cluster].
func (c *cluster) CopyOffsets(ctx context.Context, from, to string) error {
	offsets, err := c.Offsets(ctx, from)
	if err != nil {
		return c.meant(err)
	}
	if len(offsets.Offsets) == 0 {
		return nil
	}
	body, err := json.Marshal(offsets)
	if err != nil {
		return err
	}
	return c.meant(c.patiently(ctx, func() error {
		_, err := c.AlterOffsets(ctx, to, body)
		return err
	}))
}

// Kafka Connect refuses calls while its workers rebalance, which is normal and passes.
const (
	rebalanceFor  = time.Minute
	rebalanceWait = 250 * time.Millisecond
)

// patiently repeats a call that is refused because of a rebalance.
func (c *cluster) patiently(ctx context.Context, call func() error) error {
	for begun := time.Now(); ; {
		err := call()
		if !rebalances(err) || time.Since(begun) > rebalanceFor {
			return err
		}
		pause := time.NewTimer(rebalanceWait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// rebalances recognises the refusal, which Kafka Connect 4.3.1 gives with 409 to writes and with 500 to some reads.
func rebalances(err error) bool {
	a, refused := errors.AsType[*api.AnswerError](err)
	return refused && (a.Code == http.StatusConflict || a.Code == http.StatusInternalServerError) && strings.Contains(a.Message, "rebalance")
}

// meant makes of an answer what the carrying out of a document knows.
func (c *cluster) meant(err error) error {
	a, refused := errors.AsType[*api.AnswerError](err)
	switch {
	case rebalances(err):
		return fmt.Errorf("%w: %w", diff.ErrBusy, err)
	case refused && a.Code == http.StatusNotFound:
		return fmt.Errorf("%w: %w", diff.ErrNoConnector, err)
	case refused && a.Code == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", diff.ErrChanged, err)
	default:
		return err
	}
}

// owns says which connectors are a project's, nil when that is said by marks.
func owns(block *hcl.Cluster) func(string) bool {
	if block == nil || !block.ByNames {
		return nil
	}
	return func(name string) bool { return matches(block.Owns, name) }
}

// matches reports whether one of the patterns matches a name. A pattern that cannot be read matches itself.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil || p == name
	})
}
