package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// Client calls the REST API of a worker: one of ours, or of Kafka Connect, whose calls all but [Client.Plan] and [Client.Reload] are. Errors
// are an [*AnswerError] when the worker refuses, an [*UnreachableError] when there is none. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	http  *http.Client
	token string // of bearer authentication
}

// Bounds of a call.
const (
	connectWithin  = 5 * time.Second
	answeredWithin = 2 * time.Minute // Kafka Connect answers within 90 s
	mostAnswer     = 64 << 20
)

// NewClient makes a client of a worker's address, such as http://localhost:8083; without a scheme it is http. A name and a
// password in it are sent as basic authentication.
func NewClient(address string) (*Client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	base, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("it cannot be read as an address") // the text of err has the password
	}
	if base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("an address is such as http://localhost:8083")
	}
	return &Client{base: base, http: &http.Client{
		Timeout: answeredWithin,
		Transport: &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: (&net.Dialer{Timeout: connectWithin}).DialContext,
			// A command makes few calls, and owes nobody idle connections.
			DisableKeepAlives: true,
		},
	}}, nil
}

// URL is the worker's address for people, without a password.
func (c *Client) URL() string { return c.base.Redacted() }

// AnswerError is an answer that is an error.
type AnswerError struct {
	Code        int // of HTTP
	Message     string
	Diagnostics Diagnostics // of [Client.Reload]: what is wrong with the files
}

func (e *AnswerError) Error() string { return e.Message }

// UnreachableError says that no worker has answered.
type UnreachableError struct {
	URL string // without a password
	Err error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("call %s: %s", e.URL, e.Err) }

// Unwrap gives what went wrong with the network.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Status is how a connector is. A status that was read is written as JSON with the bytes that came, so that members which
// are not known here are kept.
type Status struct {
	Name      string      `json:"name"`
	Connector State       `json:"connector"`
	Tasks     []TaskState `json:"tasks"`
	Type      string      `json:"type"` // source, sink or unknown
	Beyond    *Beyond     `json:"engine,omitempty"`

	read json.RawMessage
	bare json.RawMessage // read without what is beyond; nil: that came with it
}

// State is how a connector's instance or one of its tasks is. Kafka Connect's states that are not among those of the store
// may occur.
type State struct {
	State    store.State `json:"state"`
	WorkerID string      `json:"worker_id"`
	Trace    string      `json:"trace,omitempty"` // of a failure
}

// TaskState is how a task is.
type TaskState struct {
	ID int `json:"id"`
	State
}

// goBeyond adds what there is beyond Kafka Connect's members, nil being nothing.
func (s *Status) goBeyond(b *Beyond) (err error) {
	if s.Beyond = b; b == nil {
		return nil
	}
	if s.bare == nil {
		s.bare = s.read
	}
	s.read, err = withMember(s.bare, "engine", b)
	return err
}

type statusMembers Status

// UnmarshalJSON keeps a copy of the bytes.
func (s *Status) UnmarshalJSON(b []byte) error {
	var m statusMembers
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*s = Status(m)
	s.read = bytes.Clone(b)
	return nil
}

// MarshalJSON writes the bytes that were read.
func (s *Status) MarshalJSON() ([]byte, error) {
	if s.read != nil {
		return s.read, nil
	}
	return json.Marshal((*statusMembers)(s))
}

// Names lists the connectors, sorted.
func (c *Client) Names(ctx context.Context) ([]string, error) {
	var names []string
	err := c.call(ctx, http.MethodGet, "/connectors", nil, &names)
	slices.Sort(names)
	return names, err
}

// Statuses lists how all connectors are that have said so, sorted by name. A worker of Kafka Connect tells nothing of
// Beyond.
func (c *Client) Statuses(ctx context.Context) ([]*Status, error) {
	var all map[string]struct {
		Status *Status `json:"status"`
		Beyond *Beyond `json:"engine"`
	}
	if err := c.call(ctx, http.MethodGet, "/connectors?expand=status&expand=engine", nil, &all); err != nil {
		return nil, err
	}
	list := make([]*Status, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name].Status
		if s == nil {
			continue
		}
		if err := s.goBeyond(all[name].Beyond); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// Status says how one connector is, its tasks by number.
func (c *Client) Status(ctx context.Context, connector string) (*Status, error) {
	s := &Status{}
	if err := c.call(ctx, http.MethodGet, connectorPath(connector, "status")+"?expand=engine", nil, s); err != nil {
		return nil, err
	}
	slices.SortFunc(s.Tasks, func(a, b TaskState) int { return cmp.Compare(a.ID, b.ID) })
	return s, nil
}

// SetTarget asks a connector to run, to pause or to stop. Only stopping may wait for that to be so.
func (c *Client) SetTarget(ctx context.Context, connector string, t config.Target) error {
	action, known := map[config.Target]string{config.Started: "resume", config.Paused: "pause", config.Stopped: "stop"}[t]
	if !known {
		return fmt.Errorf("%q is not a state that a connector can be asked for", t)
	}
	return c.call(ctx, http.MethodPut, connectorPath(connector, action), nil, nil)
}

// Restart restarts a connector, with includeTasks its tasks too; with onlyFailed what has failed of these (KIP-745).
func (c *Client) Restart(ctx context.Context, connector string, includeTasks, onlyFailed bool) error {
	query := url.Values{"includeTasks": {strconv.FormatBool(includeTasks)}, "onlyFailed": {strconv.FormatBool(onlyFailed)}}
	return c.call(ctx, http.MethodPost, connectorPath(connector, "restart")+"?"+query.Encode(), nil, nil)
}

// RestartTask restarts one task.
func (c *Client) RestartTask(ctx context.Context, connector string, task int) error {
	return c.call(ctx, http.MethodPost, connectorPath(connector, "tasks", strconv.Itoa(task), "restart"), nil, nil)
}

// ConnectorOffset is a place in a source or a topic, as JSON objects; a null offset deletes.
type ConnectorOffset struct {
	Partition json.RawMessage `json:"partition"`
	Offset    json.RawMessage `json:"offset"`
}

// ConnectorOffsets is the body of a connector's offsets, read and written.
type ConnectorOffsets struct {
	Offsets []ConnectorOffset `json:"offsets"`
}

// Offsets reads a connector's offsets.
func (c *Client) Offsets(ctx context.Context, connector string) (*ConnectorOffsets, error) {
	o := &ConnectorOffsets{}
	return o, c.call(ctx, http.MethodGet, connectorPath(connector, "offsets"), nil, o)
}

// OffsetsAt reads where a sink would go on that was sent to [AtEarliest], [AtLatest] or a time in milliseconds since the
// epoch. Kafka Connect does not know the parameter: it answers as to [Client.Offsets].
func (c *Client) OffsetsAt(ctx context.Context, connector, at string) (*ConnectorOffsets, error) {
	o := &ConnectorOffsets{}
	return o, c.call(ctx, http.MethodGet, connectorPath(connector, "offsets")+"?at="+url.QueryEscape(at), nil, o)
}

// AlterOffsets changes offsets of a stopped connector to those of a body such as [ConnectorOffsets], which the worker checks.
// It returns what the worker says of it.
func (c *Client) AlterOffsets(ctx context.Context, connector string, body []byte) (string, error) {
	return c.told(ctx, http.MethodPatch, connectorPath(connector, "offsets"), body)
}

// ResetOffsets deletes the offsets of a stopped connector and returns what the worker says of it.
func (c *Client) ResetOffsets(ctx context.Context, connector string) (string, error) {
	return c.told(ctx, http.MethodDelete, connectorPath(connector, "offsets"), nil)
}

func (c *Client) told(ctx context.Context, method, path string, body []byte) (string, error) {
	var said struct {
		Message string `json:"message"`
	}
	err := c.call(ctx, method, path, body, &said)
	return said.Message, err
}

// PluginInfo is a plugin that a worker has.
type PluginInfo struct {
	Class   string `json:"class"`
	Type    string `json:"type"`
	Version string `json:"version,omitempty"`
}

// Plugins lists all plugins, in the worker's order.
func (c *Client) Plugins(ctx context.Context) ([]PluginInfo, error) {
	var list []PluginInfo
	return list, c.call(ctx, http.MethodGet, "/connector-plugins?connectorsOnly=false", nil, &list)
}

// LoggerLevel is the level of a logger.
type LoggerLevel struct {
	Level    string `json:"level"`
	Modified *int64 `json:"last_modified"` // milliseconds since the epoch; nil: never
}

// LoggerLevels lists the loggers by name.
func (c *Client) LoggerLevels(ctx context.Context) (map[string]LoggerLevel, error) {
	var all map[string]LoggerLevel
	return all, c.call(ctx, http.MethodGet, "/admin/loggers", nil, &all)
}

// LoggerLevel reads the level of one logger.
func (c *Client) LoggerLevel(ctx context.Context, logger string) (LoggerLevel, error) {
	var l LoggerLevel
	return l, c.call(ctx, http.MethodGet, "/admin/loggers/"+url.PathEscape(logger), nil, &l)
}

// SetLoggerLevel gives a logger, and those below it, a level, and returns the names of those that it changed.
func (c *Client) SetLoggerLevel(ctx context.Context, logger, level string) ([]string, error) {
	body, err := encode(map[string]string{"level": level})
	if err != nil {
		return nil, err
	}
	var changed []string
	return changed, c.call(ctx, http.MethodPut, "/admin/loggers/"+url.PathEscape(logger), body, &changed)
}

// Plan says who is in the worker's cluster and who runs what. Kafka Connect has no such call.
func (c *Client) Plan(ctx context.Context) (*Plan, error) {
	p := &Plan{}
	return p, c.call(ctx, http.MethodGet, "/plan", nil, p)
}

// Reload lets the worker read its project again.
func (c *Client) Reload(ctx context.Context) (*Reloaded, error) {
	r := &Reloaded{}
	if err := c.call(ctx, http.MethodPost, "/reload", nil, r); err != nil {
		return nil, err
	}
	return r, nil
}

// connectorPath is the path of a connector, or of something of it.
func connectorPath(connector string, more ...string) string {
	return strings.Join(append([]string{"/connectors", url.PathEscape(connector)}, more...), "/")
}

// call makes one call. The answer is read into a value, unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, body []byte, into any) error {
	return c.send(ctx, method, path, body, nil, into)
}

// send is call with headers.
func (c *Client) send(ctx context.Context, method, path string, body []byte, headers http.Header, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.base.String(), "/")+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a call of %s: %w", path, err)
	}
	maps.Copy(req.Header, headers)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return c.failed(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }() // it has been read
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	if err != nil {
		return c.failed(ctx, err)
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return refused(answer.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return &UnreachableError{c.URL(), fmt.Errorf("what answers is not a Kafka Connect worker: %w", err)}
	}
	return nil
}

// failed is the error of a call without an answer. That of the caller's context is not the worker's fault.
func (c *Client) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &UnreachableError{c.URL(), err}
}

// refused reads the body of an error, which may also be that of something on the way to the worker.
func refused(code int, text []byte) error {
	var p problem
	if err := json.Unmarshal(text, &p); err != nil || p.Message == "" {
		p = problem{Message: standard(code).Message}
	}
	return &AnswerError{Code: code, Message: p.Message, Diagnostics: p.Diagnostics}
}
