package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/diag"
)

// DefaultAddress is where `engine broker` serves the registry: Confluent's own port.
const DefaultAddress = "127.0.0.1:8081"

// maxBody bounds the body of a call.
const maxBody = 8 << 20

// contentType is what is answered unless a client asks for another of accepted.
const contentType = "application/vnd.schemaregistry.v1+json"

// accepted are the types that bodies may have.
func accepted() []string {
	return []string{contentType, "application/vnd.schemaregistry+json", "application/json", "application/octet-stream"}
}

// Settings say where a registry keeps its state and where it listens.
type Settings struct {
	Bootstrap string       // host:port of the development broker that holds the topic
	Addr      string       // loopback host:port; "" or port 0 takes a free one
	Version   string       // of the engine, for /v1/metadata/version
	Logger    *slog.Logger // nil discards
	// OnDemand leaves the topic alone until the first call, which then opens it: a registry that nobody calls is a socket.
	// Errors of opening it are answers to calls, each of which tries again.
	OnDemand bool

	topic string // another than Topic
}

// Registry is a registry that is being served.
type Registry struct {
	opening  sync.Mutex // held while the books are opened
	settings Settings
	books    *books // nil until they are open

	listener net.Listener
	server   *http.Server
	log      *slog.Logger
	version  string
	wait     sync.WaitGroup
}

// Start reads the state and returns when the registry can be called. ctx bounds the start only. Errors are diagnostics where
// they are about the address ([diag.Usage], [diag.AddressInUse]) or the topic ([diag.BrokerRefused]). Nothing is left running
// after an error. One registry belongs to a broker.
func Start(ctx context.Context, s Settings) (*Registry, error) {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := listen(ctx, s.Addr)
	if err != nil {
		return nil, err
	}
	r := &Registry{settings: s, listener: l, log: s.Logger, version: s.Version}
	if !s.OnDemand {
		if err := r.open(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	r.server = &http.Server{
		Handler: r.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
	}
	r.wait.Go(func() {
		if err := r.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.Logger.Error("the Schema Registry has ended", "error", err)
		}
	})
	return r, nil
}

// open opens the books, unless they are.
func (r *Registry) open(ctx context.Context) error {
	r.opening.Lock()
	defer r.opening.Unlock()
	if r.books != nil {
		return nil
	}
	b, err := openBooks(ctx, r.settings)
	if err != nil {
		return err
	}
	r.books = b
	return nil
}

// openFor opens the books for a call. One that goes away does not stop what others wait for.
func (r *Registry) openFor(req *http.Request) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), writeTimeout)
	defer cancel()
	if err := r.open(ctx); err != nil {
		return &failure{http.StatusInternalServerError, 50001, fmt.Sprintf("The topic of the Schema Registry cannot be opened: %s", err)}
	}
	return nil
}

// listen refuses addresses that others could reach: the registry asks nobody who they are.
func listen(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		d := diag.New(diag.InvalidValue, diag.Place{}, "%q is not an address of the form host:port, such as %s.", address, DefaultAddress)
		return nil, &d
	}
	if !local(host) {
		d := diag.New(diag.InvalidValue, diag.Place{}, "The embedded Schema Registry listens on this machine only, and %q may be reached from elsewhere. It asks nobody who they are.\n\n"+
			"Use %s, or a real registry for other machines.", address, DefaultAddress)
		return nil, &d
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		d := diag.New(diag.AddressInUse, diag.Place{}, "The Schema Registry cannot listen on %s: another process does. Stop it, or choose another address; port 0 takes any free one.", address)
		return nil, &d
	}
	return l, err
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// URL is where clients find the registry.
func (r *Registry) URL() string { return "http://" + r.listener.Addr().String() }

// Close lets the calls under way end, until ctx is done, and stops. The broker is closed after it.
func (r *Registry) Close(ctx context.Context) error {
	err := r.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, r.server.Close())
	}
	r.wait.Wait()
	if r.books != nil { // no call is left that could open them
		r.books.log.close()
	}
	if err != nil {
		return fmt.Errorf("close the Schema Registry: %w", err)
	}
	return nil
}

// Handler answers the calls of Confluent's REST interface.
func (r *Registry) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range r.routes() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
			v, err := answer(call{req, req.URL.Query()})
			r.answer(w, req, v, err)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer func() {
			if p := recover(); p != nil { // one call must not take the others along
				r.log.Error("a call of the Schema Registry panicked", "panic", p, "stack", string(debug.Stack()))
				r.answer(w, req, nil, &failure{http.StatusInternalServerError, 500, "Internal Server Error"})
			}
		}()
		if err := admit(req); err != nil {
			r.answer(w, req, nil, err)
			return
		}
		req, err := inDefaultContext(req)
		if err == nil {
			err = routed(mux, req)
		}
		if err == nil {
			err = r.openFor(req)
		}
		if err != nil {
			r.answer(w, req, nil, err)
			return
		}
		mux.ServeHTTP(w, req)
	})
}

// admit refuses what no client of a registry sends.
func admit(req *http.Request) error {
	host := req.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !local(strings.Trim(host, "[]")) { // a page whose name was made to lead here
		return fail(http.StatusForbidden, "HTTP 403 Forbidden: this registry answers to the names of this machine only")
	}
	if req.Method != http.MethodPost && req.Method != http.MethodPut {
		return nil
	}
	if given := req.Header.Get("Content-Type"); given != "" {
		kind, _, err := mime.ParseMediaType(given)
		if err != nil || !slices.Contains(accepted(), kind) {
			return fail(http.StatusUnsupportedMediaType, "HTTP 415 Unsupported Media Type")
		}
	}
	return nil
}

// routed says whether a path is known, and with this method.
func routed(mux *http.ServeMux, req *http.Request) error {
	if _, pattern := mux.Handler(req); pattern != "" {
		return nil
	}
	other := *req
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other.Method = method
		if _, pattern := mux.Handler(&other); pattern != "" {
			return fail(http.StatusMethodNotAllowed, "HTTP 405 Method Not Allowed")
		}
	}
	return fail(http.StatusNotFound, "HTTP 404 Not Found")
}

// inDefaultContext turns /contexts/.ctx/… into the path without it, with the subject or prefix that says the same
// (Confluent: ContextFilter). A slash at the end of a path is nothing.
func inDefaultContext(req *http.Request) (*http.Request, error) {
	path := req.URL.EscapedPath()
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	rest, inside := strings.CutPrefix(path, "/contexts/")
	name, below, deeper := strings.Cut(rest, "/")
	query := req.URL.Query()
	if inside && deeper {
		name, err := url.PathUnescape(name)
		if err != nil {
			return req, fail(http.StatusBadRequest, "HTTP 400 Bad Request")
		}
		prefix := qualify(readContext(name), "")
		path = within(prefix, "/"+below, query)
	}
	clone := req.Clone(req.Context())
	clone.URL.RawQuery = query.Encode()
	clone.URL.RawPath = path
	plain, err := url.PathUnescape(path)
	if err != nil {
		return req, fail(http.StatusBadRequest, "HTTP 400 Bad Request")
	}
	clone.URL.Path = plain
	return clone, nil
}

// readContext reads ".ctx", ":.ctx:" and "ctx".
func readContext(name string) string {
	return "." + strings.TrimPrefix(strings.Trim(name, ":"), ".")
}

// within puts a context into a path that names none, or into its query.
func within(prefix, path string, query url.Values) string {
	parts := strings.Split(path, "/") // parts[0] is empty
	at := 2
	if parts[1] == "compatibility" {
		at = 3
	}
	switch parts[1] {
	case "subjects", "config", "mode", "compatibility":
		if len(parts) > at {
			if subject, err := url.PathUnescape(parts[at]); err == nil && contextOf(subject) == defaultContext {
				parts[at] = url.PathEscape(prefix + subject)
			}
		} else if parts[1] == "subjects" {
			query.Set("subjectPrefix", prefix+query.Get("subjectPrefix"))
		} else if prefix != "" {
			parts = append(parts, url.PathEscape(prefix))
		}
	case "schemas":
		name := "subject"
		if len(parts) == 2 {
			name = "subjectPrefix"
		}
		query.Set(name, prefix+query.Get(name))
	}
	return strings.Join(parts, "/")
}

// call is one call.
type call struct {
	*http.Request
	query url.Values
}

// subject is the subject that a path names.
func (c call) subject() string { return canonicalSubject(c.PathValue("subject")) }

func (c call) flag(name string) bool {
	is, err := strconv.ParseBool(strings.ToLower(c.query.Get(name)))
	return err == nil && is
}

// number is a number of the query, other when it is none.
func (c call) number(name string, other int) int {
	n, err := strconv.ParseInt(c.query.Get(name), 10, 32)
	if err != nil {
		return other
	}
	return int(n)
}

// body reads a JSON body into v. Without one v stays as it is.
func (c call) body(v any, members ...string) error {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, c.Body, maxBody))
	if err != nil {
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			return fail(http.StatusRequestEntityTooLarge, "The body is longer than %d bytes", maxBody)
		}
		return fail(http.StatusBadRequest, "The body cannot be read")
	}
	if len(raw) == 0 {
		return nil
	}
	var given map[string]json.RawMessage
	switch err := json.Unmarshal(raw, &given); {
	case !utf8.Valid(raw):
		return fail(http.StatusBadRequest, "Malformed JSON: it is not valid UTF-8")
	case !json.Valid(raw):
		return fail(http.StatusBadRequest, "Malformed JSON: %s", err)
	case err != nil || given == nil:
		return fail(http.StatusBadRequest, "Cannot deserialize the body: it is not a JSON object")
	}
	if !strings.EqualFold(c.Header.Get("Confluent-Accept-Unknown-Properties"), "true") {
		for _, name := range slices.Sorted(maps.Keys(given)) {
			if !slices.Contains(members, name) {
				return fail(http.StatusUnprocessableEntity, "Unrecognized field: %s", name)
			}
		}
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fail(http.StatusBadRequest, "Cannot deserialize the body: %s", err)
	}
	return nil
}

// text is an answer that is sent as it is.
type text string

// nothing is an answer without a body.
type nothing struct{}

// answer writes an answer or a refusal.
func (r *Registry) answer(w http.ResponseWriter, req *http.Request, v any, err error) {
	status := http.StatusOK
	if err != nil {
		f, known := errors.AsType[*failure](err)
		if !known {
			r.log.Error("a call of the Schema Registry failed", "error", err)
			f = &failure{http.StatusInternalServerError, 50001, "Error in the backend store"}
		}
		status = f.status
		v = struct {
			Code    int    `json:"error_code"`
			Message string `json:"message"`
		}{f.code, f.message}
	}
	if _, empty := v.(nothing); empty {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", wanted(req.Header.Get("Accept")))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	b, is := v.(text)
	if !is {
		b = text(marshal(v))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, string(b)) // the client may be gone
}

// wanted is the type of an answer: the first that a client names and we have, else the usual one.
func wanted(accept string) string {
	for one := range strings.SplitSeq(accept, ",") {
		kind, _, err := mime.ParseMediaType(one)
		if err == nil && slices.Contains(accepted()[:3], kind) {
			return kind
		}
	}
	return contentType
}
