package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// bodied are the calls that read a body.
var bodied = [][2]string{
	{http.MethodPost, "/connectors"}, {http.MethodPut, "/connectors/c"}, {http.MethodPut, "/connectors/c/config"}, {http.MethodPatch, "/connectors/c/config"},
	{http.MethodPatch, "/connectors/c/offsets"}, {http.MethodPut, "/connectors/c/tasks/0/status"}, {http.MethodPut, "/connector-plugins/x.Nothing/config/validate"},
	{http.MethodPut, "/admin/loggers/root"},
}

// FuzzBody holds that every call answers every body with JSON or nothing, and refuses what it cannot read: it never fails of it,
// and nothing is stored whose properties are no texts.
func FuzzBody(f *testing.F) {
	for i := range bodied {
		for _, body := range []string{
			`{"name":"c","config":{"connector.class":"Nothing","a":"1"}}`, `{"connector.class":"Nothing","a":null,"b":1.50,"c":true}`, `{"offsets":[{"partition":{"a":1},"offset":null}]}`,
			`{"state":"PAUSED"}`, `{"level":"DEBUG"}`, `{"name":"c","config":null}`, `{"a":{"b":1}}`, `[]`, `null`, `"x"`, `{`, ``, `{"a":"1","a":"2"}`, "{\"a\":\"\xff\"}",
			`{"config":{"connector.class":"x.Nothing"},"initial_state":"stopped"}`, strings.Repeat(`{"a":`, 3000) + "1" + strings.Repeat("}", 3000),
		} {
			f.Add(uint8(i), body)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		call := bodied[int(which)%len(bodied)]
		s := &shelf{}
		got := do(shared(t, s), call[0], call[1], body)
		// Kafka Connect gives some refusals the status 500; a panic is no refusal.
		if got.Code >= http.StatusInternalServerError && strings.Contains(got.Body.String(), "mistake in the program") {
			t.Fatalf("%s %s with %q: got %d %s", call[0], call[1], body, got.Code, got.Body)
		}
		if text := got.Body.Bytes(); len(text) > 0 && !json.Valid(text) {
			t.Fatalf("%s %s with %q: got %s", call[0], call[1], body, text)
		}
		if got.Code >= http.StatusBadRequest && len(s.puts) > 0 {
			t.Fatalf("%s %s with %q: refused with %d, and stored: %v", call[0], call[1], body, got.Code, s.puts)
		}
	})
}
