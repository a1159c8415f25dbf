package api

import (
	"cmp"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
)

// call is a request on its way to a handler.
type call struct {
	*http.Request
	vars   map[string]string // of the path, decoded
	header http.Header       // of the answer
}

func (c *call) name() string { return c.vars["n"] }

// task is the task number of the path, which must fit a Java int.
func (c *call) task() (int, error) {
	n, err := strconv.ParseInt(c.vars["i"], 10, 32)
	if err != nil {
		return 0, standard(http.StatusNotFound)
	}
	return int(n), nil
}

// flag is a boolean of the query, as Java's Boolean.valueOf reads it.
func (c *call) flag(name string) bool { return strings.EqualFold(c.URL.Query().Get(name), "true") }

type handler func(c *call) (answer, error)

// endpoint is what a method does on a path.
type endpoint struct {
	serve handler
	body  bool // it reads JSON, so that a body needs a content type
	own   bool // not part of Kafka Connect's API, so OPTIONS and HEAD do not know it
	open  bool // anybody may, also where a login is asked for
}

// route is a path with its methods. A path may end with a slash.
type route struct {
	path    string
	methods map[string]endpoint
	// plain paths take any content type; texts answer with something other than JSON.
	plain, text bool
	logins      *logins // nil: nobody has to log in
}

// connectorRoutes is the table of everything but /admin.
func (s *Server) connectorRoutes() []route {
	get := func(h handler) endpoint { return endpoint{serve: h} }
	body := func(h handler) endpoint { return endpoint{serve: h, body: true} }
	act := func(h handler) endpoint { return endpoint{serve: s.guarded(h), own: true} }
	type m = map[string]endpoint
	routes := []route{
		{path: "/", methods: m{"GET": get(s.root)}, plain: true},
		{path: "/health", methods: m{"GET": get(s.health)}, plain: true},
		{path: "/connectors", methods: m{"GET": get(s.list), "POST": body(s.create)}},
		{path: "/connectors/{n}", methods: m{"GET": get(s.connector), "PUT": {serve: s.replaceWhole, body: true, own: true}, "DELETE": get(s.remove)}},
		{path: "/connectors/{n}/config", methods: m{"GET": get(s.config), "PUT": body(s.replace), "PATCH": body(s.patch)}},
		{path: "/connectors/{n}/status", methods: m{"GET": get(s.status)}},
		{path: "/connectors/{n}/tasks", methods: m{"GET": get(s.tasks), "POST": {serve: s.putTasks, open: true}}},
		{path: "/connectors/{n}/tasks/{i}", methods: m{"GET": get(s.taskWhole)}},
		{path: "/connectors/{n}/tasks/{i}/status", methods: m{"GET": get(s.taskStatus), "PUT": {serve: s.setTaskStatus, body: true, own: true}}},
		{path: "/connectors/{n}/tasks/{i}/restart", methods: m{"POST": get(s.restartTask), "GET": act(s.restartTask)}},
		{path: "/connectors/{n}/topics", methods: m{"GET": get(s.topics)}},
		{path: "/connectors/{n}/topics/reset", methods: m{"PUT": get(s.resetTopics)}},
		{path: "/connectors/{n}/pause", methods: m{"PUT": get(s.pause), "GET": act(s.pause)}},
		{path: "/connectors/{n}/resume", methods: m{"PUT": get(s.resume), "GET": act(s.resume)}},
		{path: "/connectors/{n}/stop", methods: m{"PUT": get(s.stop)}},
		{path: "/connectors/{n}/restart", methods: m{"POST": get(s.restart), "GET": act(s.restart)}},
		{path: "/connectors/{n}/offsets", methods: m{"GET": get(s.offsets), "PATCH": body(s.alterOffsets), "DELETE": get(s.deleteOffsets)}},
		{path: "/connectors/{n}/fence", methods: m{"PUT": {serve: s.fence, open: true}}},
		{path: "/connector-plugins", methods: m{"GET": get(s.plugins)}},
		{path: "/connector-plugins/{p}/config", methods: m{"GET": get(s.pluginConfig)}},
		{path: "/connector-plugins/{p}/config/validate", methods: m{"PUT": body(s.validate)}},
		{path: "/openapi.json", methods: m{"GET": get(s.openapi)}, plain: true},
		{path: "/graph", methods: m{"GET": get(s.graph)}, plain: true, text: true},
	}
	if s.Metrics != nil {
		routes = append(routes, route{path: "/metrics", methods: m{"GET": get(s.metrics)}, plain: true, text: true})
	}
	if s.Plan != nil {
		routes = append(routes, route{path: "/plan", methods: m{"GET": get(s.plan)}, plain: true})
	}
	if s.Configuration != nil {
		routes = append(routes, route{path: "/config", methods: m{"GET": get(s.configuration)}, plain: true})
	}
	if s.Reload != nil {
		routes = append(routes, route{path: "/reload", methods: m{"POST": get(s.reload)}, plain: true})
	}
	return routes
}

func (s *Server) adminRoutes() []route {
	return []route{
		{path: "/admin/loggers", methods: map[string]endpoint{"GET": {serve: s.loggers}}},
		{path: "/admin/loggers/{l}", methods: map[string]endpoint{"GET": {serve: s.logger}, "PUT": {serve: s.setLogger, body: true}}},
	}
}

// router finds the route of a path. Paths are matched as they were sent, so that an encoded character never separates.
func router(routes []route) http.Handler {
	m := mux.NewRouter().UseEncodedPath().SkipClean(true)
	for _, r := range routes {
		path := r.path
		if path != "/" {
			path += "{_:/?}"
		}
		m.Handle(path, r)
	}
	m.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		send(w, answer{}, standard(http.StatusNotFound))
	})
	return m
}

// ServeHTTP checks a request in the order in which JAX-RS does: method, content type, Accept; then it calls the handler.
func (r route) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	a, err := r.answer(w, req)
	send(w, a, err)
}

func (r route) answer(w http.ResponseWriter, req *http.Request) (answer, error) {
	e, known := r.methods[req.Method]
	if req.Method == http.MethodHead {
		e, known = r.methods[http.MethodGet]
		known = known && !e.own
	}
	asks := req.Method == http.MethodOptions
	if !known && !asks {
		return answer{}, standard(http.StatusMethodNotAllowed)
	}
	if !asks {
		if err := r.consumes(req, e); err != nil {
			return answer{}, err
		}
		if !r.text && !acceptsJSON(req.Header.Values("Accept")) {
			return answer{}, standard(http.StatusNotAcceptable)
		}
	}
	if r.logins != nil && !e.open {
		if refusal, err := r.logins.check(req); refusal != nil || err != nil {
			return *cmp.Or(refusal, &answer{}), err
		}
	}
	if asks {
		return r.options(req), nil
	}
	c := &call{Request: req, vars: map[string]string{}, header: w.Header()}
	for k, v := range mux.Vars(req) {
		text, err := url.PathUnescape(v)
		if err != nil {
			return answer{}, failure(http.StatusBadRequest, "Bad Request")
		}
		c.vars[k] = text
	}
	return e.serve(c)
}

// consumes checks the content type, which must be JSON also where nobody reads a body.
func (r route) consumes(req *http.Request, e endpoint) error {
	text := req.Header.Get("Content-Type")
	if r.plain {
		return nil
	}
	if text == "" {
		if e.body && req.ContentLength != 0 {
			return standard(http.StatusUnsupportedMediaType)
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(text)
	switch {
	case err != nil || !strings.Contains(kind, "/"):
		return failure(http.StatusBadRequest, "Bad Request")
	case kind != "application/json":
		return standard(http.StatusUnsupportedMediaType)
	}
	return nil
}

// acceptsJSON reports whether a client takes JSON; weights do not matter.
func acceptsJSON(accepts []string) bool {
	all := strings.Join(accepts, ",")
	if strings.TrimSpace(all) == "" {
		return true
	}
	for one := range strings.SplitSeq(all, ",") {
		kind, _, _ := strings.Cut(one, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "*/*", "application/*", "application/json", "*":
			return true
		}
	}
	return false
}

// options says which methods a path has, as text unless JSON is asked for.
func (r route) options(req *http.Request) answer {
	names := []string{http.MethodOptions}
	for method, e := range r.methods {
		if e.own {
			continue
		}
		names = append(names, method)
		if method == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return answer{write: func(w http.ResponseWriter) {
		h := w.Header()
		h.Set("Allow", strings.Join(names, ","))
		text := strings.Join(names, ", ")
		if accept := req.Header.Get("Accept"); strings.HasPrefix(accept, "application/json") {
			h.Set("Content-Type", "application/json")
			text = ""
		} else {
			h.Set("Content-Type", "text/plain")
		}
		h.Set("Content-Length", strconv.Itoa(len(text)))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte(text))
	}}
}

// guarded lets a GET act where nobody but the owner of this machine, or who has logged in, can have sent it (decision D6):
// the listeners are on loopback addresses, the browser says that no other site's page asks, and the host that was asked for is this machine, so
// that a name that somebody points at it does not count.
func (s *Server) guarded(h handler) handler {
	return func(c *call) (answer, error) {
		switch site := c.Header.Get("Sec-Fetch-Site"); {
		case !s.Worker.GetActions || s.logins == nil && (!s.Loopback || !loopback(c.Host)):
			return answer{}, standard(http.StatusMethodNotAllowed)
		case site != "" && site != "same-origin" && site != "none":
			return answer{}, failure(http.StatusForbidden, "A page of another site may not do this")
		}
		return h(c)
	}
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
