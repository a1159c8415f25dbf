package registry

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/registry/schema"
)

// memory is a journal that nothing outlives.
type memory struct{ books *books }

func memoryBooks() *books {
	b := &books{state: newState(), parsed: map[digest]schema.Schema{}}
	b.log = memory{b}
	return b
}

func (m memory) append(_ context.Context, records ...record) error {
	for _, r := range records {
		k, v := r.encode()
		if err := m.books.apply(k, v); err != nil {
			return err
		}
	}
	return nil
}

func (memory) settle(context.Context) error { return nil }
func (memory) close()                       {}

// FuzzPaths demands an answer in JSON to any call.
func FuzzPaths(f *testing.F) {
	for _, path := range []string{
		"/", "/subjects", "/subjects/a%2Fb/versions/latest", "/subjects/:.c:s/versions/-1/schema", "/contexts/:.c:/subjects", "/contexts/.c/schemas/ids/1",
		"/contexts/c/config", "/config/:.:", "/mode/%00", "//", "/schemas/ids/99999999999", "/schemas?offset=-1&limit=x", "/subjects/%ff/versions", "/compatibility/subjects/s/versions",
		"/contexts", "/contexts/", "/contexts/%zz/subjects", "/subjects/../config",
	} {
		f.Add("GET", path, "")
		f.Add("POST", path, `{"schema":"\"string\"","references":[{"name":"n","subject":"s","version":1}]}`)
		f.Add("PUT", path, `{"mode":"IMPORT","compatibility":"FULL"}`)
		f.Add("DELETE", path, "[")
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || !strings.HasPrefix(path, "/") {
			return
		}
		r := &Registry{books: memoryBooks(), log: slog.New(slog.DiscardHandler)}
		req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, strings.NewReader(body))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		kind := w.Header().Get("Content-Type")
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s %q: got %d %s", method, path, body, w.Code, w.Body)
		}
		if w.Code >= http.StatusBadRequest && kind != contentType {
			t.Errorf("%s %s: got %d %s of type %q", method, path, w.Code, w.Body, kind)
		}
	})
}
