package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	inner, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Listener: inner, slots: make(chan struct{}, 2), closed: make(chan struct{})}
	accepted := make(chan net.Conn, 3)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	var clients []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Fatal("a third connection was accepted")
	default:
	}
	for range 2 { // closing twice gives one place back
		_ = first.Close()
	}
	third := <-accepted
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
	for _, c := range append(clients, second, third) {
		_ = c.Close()
	}
}

// FuzzPath holds that no path that passes has anything that a router, a proxy or a person could read in two ways.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"/", "/connectors/a%2Fb", "//x", "/a;b=c/d", "http://h/x?y", "/a%2e%2e/b", "/%2e%2e", "/%C3", "/a|b", "*", "/a%00", "/é"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, target string) {
		path, refusal := cleanPath(target)
		if refusal != "" {
			return
		}
		text, err := url.PathUnescape(path)
		if err != nil {
			t.Fatalf("%q passes as %q, which cannot be decoded", target, path)
		}
		if strings.Count(text, "/") != strings.Count(path, "/") || strings.Contains(path, "//") || strings.ContainsAny(text, "\\\x00\n\r%") || strings.ContainsRune(path, ';') {
			t.Fatalf("%q passes as %q", target, path)
		}
	})
}

// TestEveryRouteIsDescribed: the description of the API has all routes, and nothing else.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	s := &Server{Settings: Settings{
		Metrics: http.NotFoundHandler(), Plan: func(context.Context) (*Plan, error) { return nil, errStarting() },
		Configuration: func() *Configuration { return nil }, Reload: func(context.Context) (*Reloaded, error) { return nil, errStarting() },
	}}
	routes := append(s.connectorRoutes(), s.adminRoutes()...)
	if got := undescribed(routes); len(got) > 0 {
		t.Errorf("described but no route, or the other way round: %q", got)
	}
	text, err := s.describe(routes)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Version string `json:"openapi"`
		Paths   map[string]map[string]struct {
			Summary   string                     `json:"summary"`
			Responses map[string]json.RawMessage `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	if document.Version != "3.1.0" || len(document.Paths) != len(routes) {
		t.Errorf("got version %s and %d paths, want %d", document.Version, len(document.Paths), len(routes))
	}
	for path, item := range document.Paths {
		for method, o := range item {
			if o.Summary == "" || len(o.Responses) < 2 {
				t.Errorf("%s %s: got %+v", method, path, o)
			}
		}
	}
}
