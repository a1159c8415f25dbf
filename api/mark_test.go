package api_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// shelf is a fake whose connectors can be changed. "c" is at revision 8: its configuration is of 5, its mark of 8.
type shelf struct {
	fake
	puts    []store.PutConnector
	deletes []store.DeleteConnector
	refuse  error
	holds   sync.Mutex
}

func (s *shelf) Snapshot(context.Context) (*store.Snapshot, error) {
	return &store.Snapshot{Connectors: map[string]store.Connector{"c": {
		Name: "c", Config: config.Map{"name": "c", "connector.class": "Nothing", "a": "1"}, Revision: 5, Marked: 8,
		Mark: store.Mark{Project: "shöp", Source: "a.hcl:1:1", Digest: "d1 d2"}, Target: config.Paused,
	}}}, nil
}

func (s *shelf) Put(_ context.Context, p store.PutConnector) error {
	s.holds.Lock()
	defer s.holds.Unlock()
	s.puts = append(s.puts, p)
	return s.refuse
}

func (s *shelf) Delete(_ context.Context, d store.DeleteConnector) error {
	s.deletes = append(s.deletes, d)
	return s.refuse
}

func (s *shelf) Sync(context.Context) error { return nil }

// nothing is a connector without settings.
func nothing() plugin.Descriptor {
	return plugin.Descriptor{Name: "nothing", Class: "x.Nothing", Version: "1", Doc: "A source.", NewSource: func() plugin.Source { return nil }}
}

// shared makes a server of a worker of a cluster with the connectors of a shelf.
func shared(t *testing.T, s *shelf, plugins ...plugin.Descriptor) *api.Server {
	t.Helper()
	registry, err := plugin.NewRegistry(append(plugins, nothing()))
	if err != nil {
		t.Fatal(err)
	}
	return newServer(t, &s.fake, func(settings *api.Settings, _ *config.Worker) {
		settings.Connectors, settings.Configurer, settings.Registry = s, s, registry
	})
}

// TestMarksTravel: what the client sends reaches the store, and what the store has reaches the client.
func TestMarksTravel(t *testing.T) {
	t.Parallel()
	mark := store.Mark{Project: "läden / \"1\" 100%", Source: "a b.hcl:3:1", Digest: "x y"}
	headers := []string{"Engine-Project", url.PathEscape(mark.Project), "Engine-Source", url.PathEscape(mark.Source), "Engine-Digest", url.PathEscape(mark.Digest)}
	for _, c := range [][3]string{
		{"POST", "/connectors", `{"name":"n","config":{"connector.class":"Nothing"}}`}, {"PUT", "/connectors/c/config", `{"connector.class":"Nothing"}`},
		{"PUT", "/connectors/c", `{"connector.class":"Nothing"}`}, {"PATCH", "/connectors/c/config", `{"a":"2"}`},
	} {
		s := &shelf{}
		if got := do(shared(t, s), c[0], c[1], c[2], headers...); got.Code/100 != 2 || len(s.puts) != 1 || s.puts[0].Mark != mark {
			t.Errorf("%v: got %d %s and %+v", c, got.Code, got.Body, s.puts)
		}
		s = &shelf{}
		if got := do(shared(t, s), c[0], c[1], c[2]); got.Code/100 != 2 || len(s.puts) != 1 || s.puts[0].Mark != (store.Mark{}) {
			t.Errorf("%v without a mark: got %d %s and %+v", c, got.Code, got.Body, s.puts)
		}
		s = &shelf{}
		if got := do(shared(t, s), c[0], c[1], c[2], "Engine-Project", "%zz"); got.Code != 400 || len(s.puts) != 0 {
			t.Errorf("%v with a mark that cannot be read: got %d %s and %+v", c, got.Code, got.Body, s.puts)
		}
	}
	server := shared(t, &shelf{})
	var all map[string]struct{ Engine map[string]any }
	if err := json.Unmarshal(do(server, "GET", "/connectors?expand=engine", "").Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"project": "shöp", "source": "a.hcl:1:1", "digest": "d1 d2", "revision": "8", "current": true, "target": "PAUSED"}
	if diff := cmp.Diff(want, all["c"].Engine); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"/connectors?expand=info", "/connectors/c", "/"} {
		if got := do(server, "GET", path, ""); strings.Contains(got.Body.String(), "sh") && strings.Contains(got.Body.String(), "engine") {
			t.Errorf("%s tells who does not ask: %s", path, got.Body)
		}
	}
	if got := do(server, "GET", "/?expand=engine", ""); !strings.HasSuffix(got.Body.String(), `"engine":{"mode":"distributed","version":"test"}}`) {
		t.Errorf("got %s", got.Body)
	}
}

// TestIfMatch: the leader is asked about the revision, and its refusal is 412.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/connectors/c", "/connectors/c/config"} {
		for _, method := range []string{"GET", "HEAD"} {
			if got := do(shared(t, &shelf{}), method, path, "").Header().Get("ETag"); got != `"8"` {
				t.Errorf("%s %s: got the ETag %s", method, path, got)
			}
		}
	}
	conflict := &store.RefusedError{Refusal: store.Conflict, Reason: "changed"}
	const none = -1 // the leader is not asked
	for _, c := range []struct {
		name, match string
		refuse      error
		code        int
		asked       store.Revision
	}{
		{"as it is", `"8"`, nil, 200, 8},
		{"older", `"5"`, conflict, 412, 5},
		{"of several", `"3", "8"`, nil, 200, 8},
		{"newer than known here", `"9"`, nil, 200, 9},
		{"weak", `W/"8"`, conflict, 412, 1<<63 - 1},
		{"not of ours", `"abc"`, conflict, 412, 1<<63 - 1},
		{"any", `*`, nil, 200, 8},
		{"no tag", `8`, nil, 400, none},
		{"half a tag", `"`, nil, 400, none},
	} {
		for _, call := range [][3]string{
			{"PUT", "/connectors/c/config", `{"connector.class":"Nothing"}`}, {"PUT", "/connectors/c", `{"config":{"connector.class":"Nothing"}}`},
			{"PATCH", "/connectors/c/config", `{"a":"2"}`}, {"DELETE", "/connectors/c", ""},
		} {
			s := &shelf{refuse: c.refuse}
			got := do(shared(t, s), call[0], call[1], call[2], "If-Match", c.match)
			code, asked := c.code, store.Revision(none)
			if call[0] == "DELETE" && code == 200 {
				code = 204
			}
			for _, p := range s.puts {
				asked = p.If
			}
			for _, d := range s.deletes {
				asked = d.If
			}
			if got.Code != code || asked != c.asked || code == 412 && !strings.Contains(got.Body.String(), "Nothing was changed") {
				t.Errorf("%s, %v: got %d %s and asked for %d, want %d and %d", c.name, call, got.Code, got.Body, asked, code, c.asked)
			}
		}
	}
	s := &shelf{refuse: conflict}
	if got := do(shared(t, s), "PUT", "/connectors/new/config", `{"connector.class":"Nothing"}`, "If-Match", `"8"`); got.Code != 412 || len(s.puts) != 1 || s.puts[0].If != 8 {
		t.Errorf("one that is gone: got %d %s", got.Code, got.Body)
	}
	for _, call := range [][3]string{{"PUT", "/connectors/new/config", `{"connector.class":"Nothing"}`}, {"POST", "/connectors", `{"name":"n","config":{"connector.class":"Nothing"}}`}} {
		s := &shelf{}
		if got := do(shared(t, s), call[0], call[1], call[2], "If-Match", "*"); got.Code != 412 || len(s.puts) != 0 {
			t.Errorf("%v: got %d %s", call, got.Code, got.Body)
		}
	}
	// A conflict that nobody has asked about is as before.
	s = &shelf{refuse: conflict}
	if got := do(shared(t, s), "PATCH", "/connectors/c/config", `{"a":"2"}`); got.Code != 409 || len(s.puts) != 10 {
		t.Errorf("a patch that others are always faster than: got %d after %d tries", got.Code, len(s.puts))
	}
}

// TestPutTakesBothShapes is PUT /connectors/{n}.
func TestPutTakesBothShapes(t *testing.T) {
	t.Parallel()
	stored := config.Map{"name": "n", "connector.class": "Nothing", "x": "1"}
	for name, c := range map[string]struct {
		body   string
		code   int
		target config.Target
	}{
		"flat":                   {`{"connector.class":"Nothing","x":"1"}`, 201, ""},
		"flat with a name":       {`{"connector.class":"Nothing","x":1,"name":"n"}`, 201, ""},
		"whole":                  {`{"name":"n","config":{"connector.class":"Nothing","x":"1"}}`, 201, ""},
		"whole without a name":   {`{"config":{"connector.class":"Nothing","x":"1"}}`, 201, ""},
		"whole in a state":       {`{"name":"n","config":{"connector.class":"Nothing","x":"1"},"initial_state":"PAUSED"}`, 201, config.Paused},
		"of another name":        {`{"name":"m","config":{"connector.class":"Nothing"}}`, 400, ""},
		"another name inside":    {`{"config":{"connector.class":"Nothing","name":"m"}}`, 400, ""},
		"flat of another name":   {`{"connector.class":"Nothing","name":"m"}`, 400, ""},
		"with an unknown member": {`{"config":{"connector.class":"Nothing"},"more":1}`, 400, ""},
		"no object":              {`[]`, 400, ""},
		"nothing":                {``, 400, ""},
	} {
		s := &shelf{}
		got := do(shared(t, s), "PUT", "/connectors/n", c.body)
		if got.Code != c.code {
			t.Errorf("%s: got %d %s", name, got.Code, got.Body)
		}
		if c.code == 201 && (len(s.puts) != 1 || !cmp.Equal(s.puts[0].Config, stored) || s.puts[0].Target != c.target || got.Header().Get("Location") == "") {
			t.Errorf("%s: stored %+v", name, s.puts)
		}
	}
	s := &shelf{}
	if got := do(shared(t, s), "PUT", "/connectors/c", `{"connector.class":"Nothing","config":"1"}`); got.Code != 200 || s.puts[0].Config["config"] != "1" {
		t.Errorf("a property of the name config: got %d %s", got.Code, got.Body)
	}
}
