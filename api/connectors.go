package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// info is a connector (Kafka Connect: ConnectorInfo).
type info struct {
	Name   string     `json:"name"`
	Config config.Map `json:"config"`
	Tasks  []taskID   `json:"tasks"`
	Type   string     `json:"type"`
}

type taskID struct {
	Connector string `json:"connector"`
	Task      int    `json:"task"`
}

// taskInfo is a task's configuration (Kafka Connect: TaskInfo).
type taskInfo struct {
	ID     taskID     `json:"id"`
	Config config.Map `json:"config"`
}

// wholeTask is a task with its status, an addition.
type wholeTask struct {
	taskInfo
	Status taskStatus `json:"status"`
}

// status is how a connector is (Kafka Connect: ConnectorStateInfo).
type status struct {
	Name      string       `json:"name"`
	Connector state        `json:"connector"`
	Tasks     []taskStatus `json:"tasks"`
	Type      string       `json:"type"`
	Beyond    *Beyond      `json:"engine,omitempty"` // for who asks
}

type state struct {
	State    store.State `json:"state"`
	WorkerID string      `json:"worker_id"`
	Version  version     `json:"version,omitzero"`
	Trace    string      `json:"trace,omitempty"`
}

type taskStatus struct {
	ID int `json:"id"`
	state
}

// version is that of a plugin: left out when the plugin has none, null when it is not known which plugin it is.
type version struct {
	known bool
	text  string
}

// IsZero reports that the plugin has no version.
func (v version) IsZero() bool { return v.known && v.text == "" }

// MarshalJSON writes null for what is not known.
func (v version) MarshalJSON() ([]byte, error) {
	if !v.known {
		return []byte("null"), nil
	}
	return json.Marshal(v.text)
}

// view is everything at one moment.
type view struct {
	*store.Snapshot
	statuses map[string][]store.Status // by connector, the instance first
}

// fresh is the view after the read barrier.
func (s *Server) fresh(c *call) (view, error) {
	if err := s.sync(c); err != nil {
		return view{}, err
	}
	return s.view(c)
}

func (s *Server) view(c *call) (view, error) {
	snapshot, err := s.Connectors.Snapshot(c.Context())
	if err != nil {
		return view{}, err
	}
	all, err := s.Connectors.Statuses(c.Context())
	if err != nil {
		return view{}, err
	}
	v := view{snapshot, map[string][]store.Status{}}
	for _, st := range all {
		v.statuses[st.Connector] = append(v.statuses[st.Connector], st)
	}
	return v, nil
}

// stored finds the connector that a call names.
func (s *Server) stored(c *call) (store.Connector, error) {
	if err := s.sync(c); err != nil {
		return store.Connector{}, err
	}
	snapshot, err := s.Connectors.Snapshot(c.Context())
	if err != nil {
		return store.Connector{}, err
	}
	conn, found := snapshot.Connectors[c.name()]
	if !found {
		return conn, failure(http.StatusNotFound, "Connector %s not found", c.name())
	}
	return conn, nil
}

func (s *Server) pluginOf(c store.Connector) (plugin.Descriptor, bool) {
	return s.Registry.Connector(strings.TrimSpace(c.Config[config.ConnectorClass]))
}

// kind is "source", "sink" or "unknown".
func (s *Server) kind(c store.Connector) string {
	if d, known := s.pluginOf(c); known {
		return d.Role().String()
	}
	return "unknown"
}

func (s *Server) info(c store.Connector) info {
	i := info{Name: c.Name, Config: c.Config, Tasks: []taskID{}, Type: s.kind(c)}
	for n := range c.Tasks {
		i.Tasks = append(i.Tasks, taskID{c.Name, n})
	}
	return i
}

// statusOf is nil when the connector has not said anything yet.
func (s *Server) statusOf(v view, name string) *status {
	c, exists := v.Connectors[name]
	sts := v.statuses[name]
	if !exists || len(sts) == 0 || sts[0].Task != store.Instance {
		return nil
	}
	is := &status{Name: name, Connector: s.state(v, c, sts[0]), Tasks: []taskStatus{}, Type: s.kind(c)}
	for n := range c.Tasks {
		at := slices.IndexFunc(sts, func(st store.Status) bool { return st.Task == n })
		st := store.Status{Connector: name, Task: n, State: store.StateUnassigned}
		if at >= 0 {
			st = sts[at]
		}
		if st.State == store.StateUnassigned && c.Target == config.Paused {
			st.State = store.StatePaused // it was made of an older configuration and waits for the connector to resume
		}
		is.Tasks = append(is.Tasks, taskStatus{n, s.state(v, c, st)})
	}
	return is
}

func (s *Server) state(v view, c store.Connector, st store.Status) state {
	d, known := s.pluginOf(c)
	return state{State: st.State, WorkerID: s.workerID(v.Plan, st.Member), Version: version{known, d.Version}, Trace: st.Trace}
}

// workerID is host:port of a member, which a standalone worker has no name but its own for.
func (s *Server) workerID(p store.Plan, member string) string {
	if s.Configurer == nil || member == "" {
		return s.WorkerID
	}
	if address := p.Addresses[member]; address != "" {
		return address
	}
	address, _, _ := strings.Cut(member, "/") // one that is no member any more, or a worker of Kafka Connect
	return address
}

// expandEngine is the value of expand that asks for [Beyond].
const expandEngine = "engine"

// list answers GET /connectors.
func (s *Server) list(c *call) (answer, error) {
	expand, asked := c.URL.Query()["expand"]
	v, err := s.fresh(c)
	switch {
	case err != nil:
		return answer{}, err
	case !asked:
		names := v.Names()
		if names == nil {
			names = []string{}
		}
		return ok(names)
	}
	var beyond map[string]*Beyond
	if slices.Contains(expand, expandEngine) {
		if beyond, err = s.beyond(c.Context(), v); err != nil {
			return answer{}, err
		}
	}
	all := map[string]map[string]any{}
	for _, name := range v.Names() {
		parts := map[string]any{}
		if slices.Contains(expand, "info") {
			parts["info"] = s.info(v.Connectors[name])
		}
		if slices.Contains(expand, "status") {
			is := s.statusOf(v, name)
			if is == nil {
				continue // as Kafka Connect does: without a status it is not there at all
			}
			parts["status"] = is
		}
		if more := beyond[name]; more != nil {
			parts[expandEngine] = more
		}
		all[name] = parts
	}
	return ok(all)
}

func (s *Server) connector(c *call) (answer, error) {
	conn, err := s.stored(c)
	if err != nil {
		return answer{}, err
	}
	c.header.Set("ETag", tag(conn))
	return ok(s.info(conn))
}

func (s *Server) config(c *call) (answer, error) {
	conn, err := s.stored(c)
	if err != nil {
		return answer{}, err
	}
	c.header.Set("ETag", tag(conn))
	return ok(conn.Config)
}

func (s *Server) status(c *call) (answer, error) {
	v, err := s.view(c)
	if err != nil {
		return answer{}, err
	}
	is := s.statusOf(v, c.name())
	if is == nil {
		return answer{}, failure(http.StatusNotFound, "No status found for connector %s", c.name())
	}
	if slices.Contains(c.URL.Query()["expand"], expandEngine) {
		all, err := s.beyond(c.Context(), v)
		if err != nil {
			return answer{}, err
		}
		is.Beyond = all[c.name()]
	}
	return ok(is)
}

func (s *Server) tasks(c *call) (answer, error) {
	conn, err := s.stored(c)
	if err != nil {
		return answer{}, err
	}
	infos := []taskInfo{}
	for n := range conn.Tasks {
		infos = append(infos, taskInfoOf(conn, n))
	}
	return ok(infos)
}

func taskInfoOf(c store.Connector, n int) taskInfo { return taskInfo{taskID{c.Name, n}, c.Tasks[n]} }

// task finds one task of the connector that a call names, with its status.
func (s *Server) task(c *call) (view, int, taskStatus, error) {
	n, err := c.task()
	if err != nil {
		return view{}, 0, taskStatus{}, err
	}
	v, err := s.view(c)
	if err != nil {
		return view{}, 0, taskStatus{}, err
	}
	if is := s.statusOf(v, c.name()); is != nil && n >= 0 && n < len(is.Tasks) {
		return v, n, is.Tasks[n], nil
	}
	return view{}, 0, taskStatus{}, failure(http.StatusNotFound, "No status found for task %s-%d", c.name(), n)
}

// taskWhole answers GET /connectors/{n}/tasks/{i}, an addition: id, configuration and status of a task.
func (s *Server) taskWhole(c *call) (answer, error) {
	v, n, is, err := s.task(c)
	if err != nil {
		return answer{}, standard(http.StatusNotFound) // as where there is no such path
	}
	return ok(wholeTask{taskInfoOf(v.Connectors[c.name()], n), is})
}

func (s *Server) taskStatus(c *call) (answer, error) {
	_, _, is, err := s.task(c)
	if err != nil {
		return answer{}, err
	}
	return ok(is)
}

func (s *Server) topics(c *call) (answer, error) {
	if !s.Worker.TopicTracking {
		return answer{}, failure(http.StatusForbidden, "Topic tracking is disabled.")
	}
	topics, err := s.Connectors.Topics(c.Context(), c.name())
	if err != nil {
		return answer{}, err
	}
	if topics == nil {
		topics = []string{}
	}
	return ok(map[string]map[string][]string{c.name(): {"topics": topics}})
}

func (s *Server) resetTopics(c *call) (answer, error) {
	switch {
	case !s.Worker.TopicTracking:
		return answer{}, failure(http.StatusForbidden, "Topic tracking is disabled.")
	case !s.Worker.TopicReset:
		return answer{}, failure(http.StatusForbidden, "Topic tracking reset is disabled.")
	}
	return answer{status: http.StatusAccepted}, s.Connectors.ResetTopics(c.Context(), c.name())
}

// server is what answers (Kafka Connect: ServerInfo).
type server struct {
	Version string      `json:"version"`
	Commit  string      `json:"commit"`
	Cluster *string     `json:"kafka_cluster_id"`
	Engine  *EngineInfo `json:"engine,omitempty"` // for who asks
}

func (s *Server) root(c *call) (answer, error) {
	body := server{Version: Version, Commit: s.Commit}
	if slices.Contains(c.URL.Query()["expand"], expandEngine) {
		body.Engine = &EngineInfo{Mode: s.mode(), Version: s.Commit, Folder: s.Folder}
	}
	if id := s.ClusterID(c.Context()); id != "" {
		body.Cluster = &id
	}
	return ok(body)
}

// health is how the worker is (Kafka Connect: WorkerStatus).
type health struct {
	Status   string `json:"status"`
	Message  string `json:"message"`
	Degraded string `json:"degraded,omitempty"`
}

// health says whether the store answers (KIP-1017). While an older configuration than that of the files runs, the answer
// has a member that says so.
func (s *Server) health(c *call) (answer, error) {
	if s.Ready != nil && !s.Ready() {
		message := stillStarting
		if !s.Reading.IsZero() {
			message += " The worker is currently initializing and reading to the end of internal topics, which began at " + instant(s.Reading) + "."
		}
		return answer{status: http.StatusServiceUnavailable, body: health{Status: "starting", Message: message}}, nil
	}
	if _, err := s.view(c); err != nil {
		return answer{}, err
	}
	if s.Membership != nil {
		if since := s.Membership(); !since.IsZero() {
			return answer{status: http.StatusInternalServerError, body: health{Status: "unhealthy", Message: fmt.Sprintf(
				"Worker was unable to handle this request and may be unable to handle other requests. The worker is currently ensuring membership in the cluster, which began at %s.", instant(since))}}, nil
		}
	}
	is := health{Status: "healthy", Message: "Worker has completed startup and is ready to handle requests."}
	if s.Configuration != nil {
		is.Degraded = s.Configuration().Degraded()
	}
	return ok(is)
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// graph answers GET /graph, an addition: how systems, pipelines and topics hang together.
func (s *Server) graph(c *call) (answer, error) {
	f := graph.Format(c.URL.Query().Get("format"))
	if f == "" {
		f = graph.Text
	}
	if !slices.Contains(graph.Formats(), f) {
		return answer{}, failure(http.StatusBadRequest, "There is no format %q: use one of %v", f, graph.Formats())
	}
	var text strings.Builder
	if err := s.Connectors.Graph(c.Context(), &text, f); err != nil {
		return answer{}, err
	}
	return answer{write: func(w http.ResponseWriter) {
		kind := "text/plain; charset=utf-8"
		if f == graph.JSON {
			kind = "application/json"
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(text.String()))
	}}, nil
}

func (s *Server) metrics(c *call) (answer, error) {
	return answer{write: func(w http.ResponseWriter) { s.Metrics.ServeHTTP(w, c.Request) }}, nil
}
