package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/config"
)

// Access is how a client shows who it is, beyond what the address says. Files are PEM.
type Access struct {
	Username, Password string
	Token              string // of bearer authentication
	CAFile             string // whom the worker's certificate may come from; "": whom this machine trusts
	CertFile, KeyFile  string
}

// Grant lets the client use an access from now on. It is called before the first call.
func (c *Client) Grant(a Access) error {
	if a.Username != "" || a.Password != "" {
		c.base.User = url.UserPassword(a.Username, a.Password)
	}
	c.token = a.Token
	if a.CAFile == "" && a.CertFile == "" && a.KeyFile == "" {
		return nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.CAFile != "" {
		text, err := os.ReadFile(a.CAFile)
		if err != nil {
			return fmt.Errorf("read the certificates to trust: %w", err)
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("%s has no certificate in PEM form", a.CAFile)
		}
	}
	if a.CertFile != "" || a.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(a.CertFile, a.KeyFile)
		if err != nil {
			return fmt.Errorf("read the client's certificate: %w", err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	transport, ok := c.http.Transport.(*http.Transport)
	if !ok {
		return errors.New("the client has no transport of its own")
	}
	transport.TLSClientConfig = settings
	return nil
}

// ServerInfo is what a worker says of itself. Engine is nil for Kafka Connect.
type ServerInfo struct {
	Version        string      `json:"version"`
	Commit         string      `json:"commit"`
	KafkaClusterID string      `json:"kafka_cluster_id"`
	Engine         *EngineInfo `json:"engine"`
}

// EngineInfo is what a worker of ours says beyond Kafka Connect's answer, to those who ask.
type EngineInfo struct {
	Mode    string `json:"mode"` // standalone or distributed
	Version string `json:"version"`
	Folder  string `json:"folder,omitempty"` // of a standalone worker's project, absolute
}

// Server asks the worker what it is.
func (c *Client) Server(ctx context.Context) (*ServerInfo, error) {
	s := &ServerInfo{}
	if err := c.call(ctx, http.MethodGet, "/?expand=engine", nil, s); err != nil {
		return nil, err
	}
	if s.Version == "" {
		return nil, &UnreachableError{c.URL(), errors.New("what answers is not a Kafka Connect worker")}
	}
	return s, nil
}

// ConnectorInfo is a connector as a worker has it.
type ConnectorInfo struct {
	Info struct {
		Config config.Map        `json:"config"`
		Tasks  []json.RawMessage `json:"tasks"`
		Type   string            `json:"type"` // source, sink or unknown
	} `json:"info"`
	// Nulls are the properties, sorted, that are null and so not in Config. Only the config topic of an old cluster has
	// any; a worker of Kafka Connect 4.3.1 does not start such a connector.
	Nulls  []string `json:"-"`
	Status *Status  `json:"status"` // nil when it has not said anything yet
	Engine *struct {
		Mark
		Revision string `json:"revision"`
	} `json:"engine"` // nil for Kafka Connect
}

// UnmarshalJSON tells properties that are null from empty ones.
func (i *ConnectorInfo) UnmarshalJSON(b []byte) error {
	type members ConnectorInfo
	if err := json.Unmarshal(b, (*members)(i)); err != nil || !slices.Contains(slices.Collect(maps.Values(i.Info.Config)), "") {
		return err
	}
	var again struct {
		Info struct {
			Config map[string]*string `json:"config"`
		} `json:"info"`
	}
	if err := json.Unmarshal(b, &again); err != nil {
		return err
	}
	i.Info.Config, i.Nulls = texts(again.Info.Config)
	return nil
}

// texts are the properties that have one, and the names of the others.
func texts(all map[string]*string) (m config.Map, nulls []string) {
	m = make(config.Map, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if v := all[key]; v != nil {
			m[key] = *v
		} else {
			nulls = append(nulls, key)
		}
	}
	return m, nulls
}

// Connectors reads all connectors by name. It asks twice: a worker that is asked for statuses leaves out connectors that have
// not said anything yet.
func (c *Client) Connectors(ctx context.Context) (map[string]ConnectorInfo, error) {
	var all map[string]ConnectorInfo
	if err := c.call(ctx, http.MethodGet, "/connectors?expand=info&expand=engine", nil, &all); err != nil {
		return nil, err
	}
	statuses, err := c.Statuses(ctx)
	for _, s := range statuses {
		if info, is := all[s.Name]; is {
			info.Status = s
			all[s.Name] = info
		}
	}
	return all, err
}

// Config reads the configuration of one connector, without properties that are null.
func (c *Client) Config(ctx context.Context, connector string) (config.Map, error) {
	var all map[string]*string
	if err := c.call(ctx, http.MethodGet, connectorPath(connector, "config"), nil, &all); err != nil {
		return nil, err
	}
	m, _ := texts(all)
	return m, nil
}

// Condition is what must hold for a write, and the mark that it carries.
type Condition struct {
	Revision string // that it replaces; "" does not ask
	Mark     Mark
}

func (w Condition) headers() http.Header {
	h := http.Header{}
	if w.Revision != "" {
		h.Set("If-Match", fmt.Sprintf("%q", w.Revision))
	}
	for name, value := range map[string]string{projectHeader: w.Mark.Project, sourceHeader: w.Mark.Source, digestHeader: w.Mark.Digest} {
		if value != "" {
			h.Set(name, url.PathEscape(value)) // names may be any text, headers may not
		}
	}
	return h
}

// Create makes a connector, which begins in a state, "" being that it runs. A worker refuses when there is one.
func (c *Client) Create(ctx context.Context, connector string, m config.Map, t config.Target, w Condition) error {
	body := map[string]any{"name": connector, "config": m}
	if state := map[config.Target]string{config.Started: "RUNNING", config.Paused: "PAUSED", config.Stopped: "STOPPED"}[t]; state != "" {
		body["initial_state"] = state
	}
	text, err := encode(body)
	if err != nil {
		return err
	}
	return c.send(ctx, http.MethodPost, "/connectors", text, w.headers(), nil)
}

// Configure replaces a connector's configuration.
func (c *Client) Configure(ctx context.Context, connector string, m config.Map, w Condition) error {
	text, err := encode(m)
	if err != nil {
		return err
	}
	return c.send(ctx, http.MethodPut, connectorPath(connector, "config"), text, w.headers(), nil)
}

// Delete deletes a connector.
func (c *Client) Delete(ctx context.Context, connector string, w Condition) error {
	return c.send(ctx, http.MethodDelete, connectorPath(connector), nil, w.headers(), nil)
}

// Validation is what a worker's plugins say of a configuration. The values in it may be secrets that the worker has looked
// up, so they are not read (invariant 6).
type Validation struct {
	Errors  int `json:"error_count"`
	Configs []struct {
		Definition struct {
			Required bool   `json:"required"`
			Type     string `json:"type"`
		} `json:"definition"`
		Value struct {
			Name   string   `json:"name"`
			Errors []string `json:"errors"`
		} `json:"value"`
	} `json:"configs"`
}

// Validate lets the worker check a configuration.
func (c *Client) Validate(ctx context.Context, m config.Map) (*Validation, error) {
	text, err := encode(m)
	if err != nil {
		return nil, err
	}
	v := &Validation{}
	path := "/connector-plugins/" + url.PathEscape(strings.TrimSpace(m[config.ConnectorClass])) + "/config/validate"
	return v, c.call(ctx, http.MethodPut, path, text, v)
}
