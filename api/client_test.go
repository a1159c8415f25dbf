package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

// clientOf is a client of a handler.
func clientOf(t *testing.T, h http.Handler) *api.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := api.NewClient(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientAsksTheEngine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		call func(context.Context, *api.Client) error
		want string
	}{
		"pause":  {func(ctx context.Context, c *api.Client) error { return c.SetTarget(ctx, "c", config.Paused) }, "PAUSED c"},
		"resume": {func(ctx context.Context, c *api.Client) error { return c.SetTarget(ctx, "c", config.Started) }, "STARTED c"},
		"stop":   {func(ctx context.Context, c *api.Client) error { return c.SetTarget(ctx, "c", config.Stopped) }, "STOPPED c"},
		"odd name": {func(ctx context.Context, c *api.Client) error {
			return c.SetTarget(ctx, "grün & gelb?", config.Paused)
		}, "PAUSED grün & gelb?"},
		"restart":        {func(ctx context.Context, c *api.Client) error { return c.Restart(ctx, "c", false, false) }, "restart c true []"},
		"with tasks":     {func(ctx context.Context, c *api.Client) error { return c.Restart(ctx, "c", true, false) }, "restart c true [0 1]"},
		"what failed":    {func(ctx context.Context, c *api.Client) error { return c.Restart(ctx, "c", true, true) }, "restart c false [1]"},
		"restart a task": {func(ctx context.Context, c *api.Client) error { return c.RestartTask(ctx, "c", 1) }, "restart c false [1]"},
		"alter": {func(ctx context.Context, c *api.Client) error {
			_, err := c.AlterOffsets(ctx, "c", []byte(`{"offsets":[{"partition":{"f":"a"},"offset":{"p":1}}]}`))
			return err
		}, `offset of c: {"f":"a"} = {"p":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			if err := tc.call(t.Context(), clientOf(t, newServer(t, f, nil))); err != nil || f.log() != tc.want {
				t.Errorf("got %q and %v, want %q", f.log(), err, tc.want)
			}
		})
	}
}

func TestClientReads(t *testing.T) {
	t.Parallel()
	c := clientOf(t, newServer(t, &fake{}, nil))
	all, err := c.Statuses(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("got %v and %v, want one status", all, err)
	}
	s := all[0]
	if s.Name != "c" || s.Connector.State != "RUNNING" || len(s.Tasks) != 2 || s.Tasks[1].State.State != "FAILED" || s.Tasks[1].Trace != "why" {
		t.Errorf("got %+v", s)
	}
	names, err := c.Names(t.Context())
	if diff := cmp.Diff([]string{"c"}, names); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := c.SetLoggerLevel(t.Context(), "root", "DEBUG"); err != nil {
		t.Error(err)
	}
	if l, err := c.LoggerLevel(t.Context(), "root"); err != nil || l.Level != "DEBUG" {
		t.Errorf("got %v and %v, want DEBUG", l, err)
	}
	if said, err := c.ResetOffsets(t.Context(), "c"); err != nil || !strings.Contains(said, "reset successfully") {
		t.Errorf("got %q and %v", said, err)
	}
}

// TestAPropertyThatIsNullIsNotAnEmptyOne reads what the config topic of an old cluster may hold, as a worker tells it.
func TestAPropertyThatIsNullIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	const m = `{"name":"c","a":null,"b":"","c":null,"d":"x"}`
	c := clientOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer := `{"c":{"info":{"name":"c","config":` + m + `,"tasks":[],"type":"source"}}}`
		if strings.HasSuffix(r.URL.Path, "/config") {
			answer = m
		}
		_, _ = io.WriteString(w, answer)
	}))
	want := config.Map{"name": "c", "b": "", "d": "x"}
	all, err := c.Connectors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, all["c"].Info.Config); diff != "" || !slices.Equal(all["c"].Nulls, []string{"a", "c"}) || all["c"].Info.Type != "source" {
		t.Errorf("the connectors (-want +got):\n%s\nand nulls %q", diff, all["c"].Nulls)
	}
	one, err := c.Config(t.Context(), "c")
	if diff := cmp.Diff(want, one); err != nil || diff != "" {
		t.Errorf("the configuration: %v (-want +got):\n%s", err, diff)
	}
}

// TestStatusKeepsWhatItDoesNotKnow holds that programs see all that a worker says.
func TestStatusKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	body := `{"name":"c","connector":{"state":"RUNNING","worker_id":"w","next_attempt":"soon"},"tasks":[],"type":"source"}`
	c := clientOf(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
	s, err := c.Status(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(s); err != nil || string(got) != body {
		t.Errorf("got %s and %v, want %s", got, err, body)
	}
}

func TestClientErrors(t *testing.T) {
	t.Parallel()
	status := func(t *testing.T, h http.HandlerFunc) error {
		_, err := clientOf(t, h).Status(t.Context(), "c")
		return err
	}
	t.Run("words of the worker", func(t *testing.T) {
		t.Parallel()
		_, err := clientOf(t, newServer(t, &fake{}, nil)).Status(t.Context(), "x")
		if a, ok := errors.AsType[*api.AnswerError](err); !ok || a.Code != 404 || a.Message != "No status found for connector x" {
			t.Errorf("got %#v", err)
		}
	})
	t.Run("a proxy's page", func(t *testing.T) {
		t.Parallel()
		err := status(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>"))
		})
		if a, ok := errors.AsType[*api.AnswerError](err); !ok || a.Code != 502 || a.Message != "HTTP 502 Bad Gateway" {
			t.Errorf("got %#v", err)
		}
	})
	t.Run("something else answers", func(t *testing.T) {
		t.Parallel()
		err := status(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
		if u, ok := errors.AsType[*api.UnreachableError](err); !ok || !strings.Contains(u.Error(), "not a Kafka Connect worker") {
			t.Errorf("got %#v", err)
		}
	})
	t.Run("nothing answers", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.NotFoundHandler())
		c, err := api.NewClient(strings.Replace(server.URL, "http://", "http://me:hidden@", 1))
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Names(t.Context())
		if u, ok := errors.AsType[*api.UnreachableError](err); !ok || strings.Contains(u.Error(), "hidden") || !strings.Contains(u.Error(), "me:xxxxx@127.0.0.1") {
			t.Errorf("got %v, want an UnreachableError with a hidden password", err)
		}
	})
	t.Run("the caller gives up", func(t *testing.T) {
		t.Parallel()
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := clientOf(t, http.NotFoundHandler()).Names(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	for _, address := range []string{"", "http://", "ftp://h", "://", "http://u:hidden@h:x"} {
		if _, err := api.NewClient(address); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q: got %v, want an error that hides the password", address, err)
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	warning := diag.Warn(diag.NoEffect, diag.Place{File: "a.hcl", Line: 2, Column: 3, Context: `pipeline "a"`}, "Nothing reads it.")
	mistake := diag.New(diag.UnknownArgument, diag.Place{File: "a.hcl", Line: 1, Column: 1}, "No such thing.")
	stuck := diag.New(diag.NotApplied, diag.Place{}, "The store is closed.")
	for name, tc := range map[string]struct {
		gives api.Reloaded
		code  int
	}{
		"loaded":      {api.Reloaded{Revision: 2, Created: []string{"a"}, Changed: []string{}, Deleted: []string{}, Untouched: 3, Diagnostics: api.Diagnostics{warning}}, 200},
		"errors":      {api.Reloaded{Revision: 1, Diagnostics: api.Diagnostics{warning, mistake}}, 400},
		"not applied": {api.Reloaded{Revision: 1, Diagnostics: api.Diagnostics{stuck}}, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, newServer(t, &fake{}, func(s *api.Settings, _ *config.Worker) {
				s.Reload = func(context.Context) (*api.Reloaded, error) { given := tc.gives; return &given, nil }
			}))
			got, err := c.Reload(t.Context())
			if tc.code == 200 {
				if diff := cmp.Diff(&tc.gives, got); err != nil || diff != "" {
					t.Errorf("%v %s", err, diff)
				}
				return
			}
			a, ok := errors.AsType[*api.AnswerError](err)
			if !ok || a.Code != tc.code || !strings.Contains(a.Message, "revision 1 runs on") {
				t.Fatalf("got %#v, want %d", err, tc.code)
			}
			if diff := cmp.Diff(tc.gives.Diagnostics, a.Diagnostics); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("empty lists are arrays", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, &fake{}, func(s *api.Settings, _ *config.Worker) {
			s.Reload = func(context.Context) (*api.Reloaded, error) { return &api.Reloaded{Revision: 2, Loaded: true}, nil }
		})
		want := `{"revision":2,"loaded":true,"created":[],"changed":[],"deleted":[],"untouched":0,"diagnostics":[]}`
		if got := do(s, "POST", "/reload", ""); got.Code != 200 || got.Body.String() != want {
			t.Errorf("got %d %s, want %s", got.Code, got.Body, want)
		}
		if got := do(newServer(t, &fake{}, nil), "POST", "/reload", ""); got.Code != 404 {
			t.Errorf("without files: got %d, want 404", got.Code)
		}
	})
}
