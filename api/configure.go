package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// Calls that would change the configuration. In standalone mode the files of the project are the configuration, so that
// all of them are refused with the file to edit (decision D5); what cannot be read at all is said first. A worker of a
// cluster validates and hands on to the leader (decision D3).

func (s *Server) declared(name string) error {
	return failure(http.StatusMethodNotAllowed, "The configuration of this worker is read from files: edit %s instead. Nothing was changed.", s.File(name))
}

// initialStates are the targets of a new connector, by what initial_state says of it (KIP-980).
var initialStates = map[string]config.Target{ //nolint:gochecknoglobals // a literal
	"RUNNING": config.Started, "PAUSED": config.Paused, "STOPPED": config.Stopped,
}

// create answers POST /connectors.
func (s *Server) create(c *call) (answer, error) {
	v, err := c.readJSON()
	if err != nil {
		return answer{}, err
	}
	name, m, target, err := whole(v)
	if err != nil {
		return answer{}, err
	}
	if s.Configurer == nil {
		return answer{}, s.declared(name)
	}
	mark, err := c.mark()
	if err != nil {
		return answer{}, err
	}
	if c.Header.Get("If-Match") != "" { // what does not exist yet has no revision
		return answer{}, failure(http.StatusPreconditionFailed, "If-Match has no meaning for a connector that is to be created. Nothing was changed.")
	}
	flat, err := s.valid(name, m)
	if err != nil {
		return answer{}, err
	}
	err = s.Configurer.Put(c.Context(), store.PutConnector{Name: name, Config: flat, Target: target, Create: true, Mark: mark})
	return s.put(c, name, flat, http.StatusCreated, err)
}

// whole takes a connector apart that is a name, a configuration and, maybe, the state to begin in.
func whole(v any) (name string, m map[string]*string, target config.Target, err error) {
	object, err := members("The body", v, "name", "config", "initial_state")
	if err != nil {
		return "", nil, "", err
	}
	if m, err = flatMap("config", object["config"]); err != nil {
		return "", nil, "", err
	}
	if state, given := object["initial_state"]; given && state != nil {
		if target = initialStates[strings.ToUpper(text(state))]; target == "" {
			return "", nil, "", failure(http.StatusBadRequest, "initial_state must be RUNNING, PAUSED or STOPPED")
		}
	}
	if n := object["name"]; n != nil {
		name = strings.TrimFunc(fmt.Sprint(n), func(r rune) bool { return r <= ' ' })
	}
	return name, m, target, nil
}

// replace answers PUT /connectors/{n}/config.
func (s *Server) replace(c *call) (answer, error) {
	m, err := c.readMap()
	if err != nil {
		return answer{}, err
	}
	return s.write(c, m, "")
}

// replaceWhole answers PUT /connectors/{n}, an addition. The body is that of POST /connectors, or a flat map as for
// …/config: where config is an object it is the former, since a property is never one.
func (s *Server) replaceWhole(c *call) (answer, error) {
	v, err := c.readJSON()
	if err != nil {
		return answer{}, err
	}
	object, _ := v.(map[string]any)
	if _, isWhole := object["config"].(map[string]any); !isWhole {
		m, err := flatMap("The body", v)
		if err != nil {
			return answer{}, err
		}
		return s.write(c, m, "")
	}
	name, m, target, err := whole(v)
	if err != nil {
		return answer{}, err
	}
	if name != "" && name != c.name() {
		return answer{}, mismatch(name, c.name())
	}
	return s.write(c, m, target)
}

// write creates the connector that a call names, in a state, or replaces its configuration.
func (s *Server) write(c *call, m map[string]*string, target config.Target) (answer, error) {
	if s.Configurer == nil {
		return answer{}, s.declared(c.name())
	}
	mark, err := c.mark()
	if err != nil {
		return answer{}, err
	}
	flat, err := s.valid(c.name(), m)
	if err != nil {
		return answer{}, err
	}
	conn, err := s.stored(c)
	exists := err == nil
	if err != nil && !isProblem(err, http.StatusNotFound) {
		return answer{}, err
	}
	p := store.PutConnector{Name: c.name(), Config: flat, Target: target, Mark: mark, Create: !exists}
	if p.If, err = c.expected(conn, exists); err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	if p.Create {
		status = http.StatusCreated
		err := s.Configurer.Put(c.Context(), p)
		if r, refused := errors.AsType[*store.RefusedError](err); !refused || r.Refusal != store.Exists {
			return s.put(c, c.name(), flat, status, err)
		}
		p.Create, status = false, http.StatusOK // somebody was faster
	}
	err = s.Configurer.Put(c.Context(), p)
	return s.put(c, c.name(), flat, status, err)
}

func isProblem(err error, code int) bool {
	p, ok := errors.AsType[*problem](err)
	return ok && p.Code == code
}

// patchTries is how often a change of some keys is made anew when others change the connector meanwhile.
const patchTries = 10

// patch answers PATCH /connectors/{n}/config (KIP-477).
func (s *Server) patch(c *call) (answer, error) {
	m, err := c.readMap()
	if err != nil {
		return answer{}, err
	}
	conn, err := s.stored(c)
	if err != nil {
		return answer{}, err
	}
	if s.Configurer == nil {
		return answer{}, s.declared(c.name())
	}
	mark, err := c.mark()
	if err != nil {
		return answer{}, err
	}
	expected, err := c.expected(conn, true)
	if err != nil {
		return answer{}, err
	}
	for try := 1; ; try++ {
		whole := map[string]*string{}
		for k, v := range conn.Config {
			whole[k] = &v
		}
		for k, v := range m {
			if whole[k] = v; v == nil {
				delete(whole, k)
			}
		}
		flat, err := s.sound(whole)
		if err != nil {
			return answer{}, err
		}
		if flat[config.Name] != c.name() {
			return answer{}, mismatch(flat[config.Name], c.name())
		}
		// Without If-Match too: what was not asked to change stays as it was seen.
		p := store.PutConnector{Name: c.name(), Config: flat, If: cmp.Or(expected, conn.Written()), Mark: mark}
		err = s.Configurer.Put(c.Context(), p)
		r, refused := errors.AsType[*store.RefusedError](err)
		if !refused || r.Refusal != store.Conflict || expected != 0 || try == patchTries {
			return s.put(c, c.name(), flat, http.StatusOK, err)
		}
		if conn, err = s.stored(c); err != nil {
			return answer{}, err
		}
	}
}

func mismatch(inside, name string) error {
	return failure(http.StatusBadRequest, "Connector name configuration (%s) doesn't match connector name in the URL (%s)", inside, name)
}

// valid is a configuration of a connector of a name, when nothing is wrong with it.
func (s *Server) valid(name string, m map[string]*string) (config.Map, error) {
	inside, given := m[config.Name]
	switch {
	case !given:
		m[config.Name] = &name
	case inside != nil && *inside != name:
		return nil, mismatch(*inside, name)
	}
	return s.sound(m)
}

// sound is a configuration that the validation finds nothing wrong with.
func (s *Server) sound(m map[string]*string) (config.Map, error) {
	v, err := s.judge(m)
	if ce, bad := errors.AsType[*plugin.ConfigError](err); bad {
		return nil, failure(http.StatusInternalServerError, "%s", ce.Reason)
	}
	if err != nil {
		return nil, err
	}
	if v.ErrorCount > 0 {
		return nil, failure(http.StatusBadRequest, "%s", v.text())
	}
	return flat(m), nil
}

// text is the verdict in one message, whose last line clients cut off by its words (Kafka Connect:
// ConnectorsResource, AbstractHerder.maybeAddConfigErrors).
func (v *verdict) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Connector configuration is invalid and contains the following %d error(s):", v.ErrorCount)
	for _, c := range v.Configs {
		for _, e := range c.Value.Errors {
			b.WriteString("\n" + e)
		}
	}
	b.WriteString("\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`")
	return b.String()
}

// put is the answer of a call that stores a configuration.
func (s *Server) put(c *call, name string, m config.Map, status int, err error) (answer, error) {
	if r, refused := errors.AsType[*store.RefusedError](err); refused && r.Refusal == store.Exists {
		return answer{}, failure(http.StatusConflict, "Connector %s already exists", name)
	}
	if err != nil {
		return answer{}, c.unmatched(err)
	}
	is := store.Connector{Name: name, Config: m}
	if status != http.StatusCreated {
		// The tasks are those of before, which the instance makes anew by and by.
		snapshot, err := s.Connectors.Snapshot(c.Context())
		if err != nil {
			return answer{}, err
		}
		is.Tasks = snapshot.Connectors[name].Tasks
	} else {
		c.header.Set("Location", location(c, name))
	}
	return answer{status: status, body: s.info(is)}, nil
}

// location is where a connector that was created can be read, written as JAX-RS does (UriBuilder.path).
func location(c *call, name string) string {
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.Host + "/connectors/" + pathOf(name)
}

// pathOf writes a name as path: what may stand there stays, also a slash and an escape.
func pathOf(name string) string {
	const kept = "-._~!$&'()*+,;=:@/"
	var b strings.Builder
	for i := range len(name) {
		switch ch := name[i]; {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', strings.IndexByte(kept, ch) >= 0:
			b.WriteByte(ch)
		case ch == '%' && isEscape(name[i:]):
			b.WriteByte(ch)
		default:
			fmt.Fprintf(&b, "%%%02X", ch)
		}
	}
	return b.String()
}

func isEscape(text string) bool {
	if len(text) < 3 {
		return false
	}
	_, err := url.PathUnescape(text[:3])
	return err == nil
}

// remove answers DELETE /connectors/{n}.
func (s *Server) remove(c *call) (answer, error) {
	conn, err := s.stored(c)
	if err != nil {
		return answer{}, err
	}
	if s.Configurer == nil {
		return answer{}, s.declared(c.name())
	}
	expected, err := c.expected(conn, true)
	if err != nil {
		return answer{}, err
	}
	err = s.Configurer.Delete(c.Context(), store.DeleteConnector{Name: c.name(), If: expected})
	if isNotFound(err) {
		return answer{}, failure(http.StatusNotFound, "Connector %s not found", c.name())
	}
	return answer{status: http.StatusNoContent}, c.unmatched(err)
}

// putTasks and fence are what a distributed worker of Kafka Connect tells its leader. Ours speak through the config topic
// (decision D3), so that nobody has to be signed in.

func (s *Server) putTasks(*call) (answer, error) {
	return answer{}, s.internal("externally setting task configurations")
}

func (s *Server) fence(*call) (answer, error) {
	return answer{}, s.internal("exactly-once source connectors")
}

func (s *Server) internal(what string) error {
	if s.Configurer == nil {
		return failure(http.StatusInternalServerError, "Kafka Connect in standalone mode does not support %s.", what)
	}
	return failure(http.StatusForbidden, "Workers of this cluster do not call each other, so that nobody may make this call.")
}
