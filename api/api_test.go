package api_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
)

// What Kafka Connect answers is tested by the recorded cases in cmd/engine; here is what goes beyond it.

func TestGetActsAtHomeOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method string
		headers      []string
		change       func(*api.Settings, *config.Worker)
		code         int
	}{
		{name: "plain", method: "GET", code: 202},
		{name: "by name", method: "GET", headers: []string{"Host", "localhost:8083"}, code: 202},
		{name: "own page", method: "GET", headers: []string{"Sec-Fetch-Site", "same-origin"}, code: 202},
		{name: "typed", method: "GET", headers: []string{"Sec-Fetch-Site", "none"}, code: 202},
		{name: "page of another site", method: "GET", headers: []string{"Sec-Fetch-Site", "cross-site"}, code: 403},
		{name: "page of another port", method: "GET", headers: []string{"Sec-Fetch-Site", "same-site"}, code: 403},
		{name: "a name that points here", method: "GET", headers: []string{"Host", "evil.example:8083", "Sec-Fetch-Site", "same-origin"}, code: 405},
		{name: "HEAD", method: "HEAD", code: 405},
		{name: "switched off", method: "GET", change: func(_ *api.Settings, w *config.Worker) { w.GetActions = false }, code: 405},
		{name: "reachable by others", method: "GET", change: func(s *api.Settings, _ *config.Worker) { s.Loopback = false }, code: 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			got := do(newServer(t, f, c.change), c.method, "/connectors/c/pause", "", c.headers...)
			if got.Code != c.code {
				t.Errorf("got %d %s, want %d", got.Code, got.Body, c.code)
			}
			if acted := f.log() == "PAUSED c"; acted != (c.code == 202) {
				t.Errorf("asked of the engine: %q", f.log())
			}
		})
	}
}

func TestGetDoesNotStop(t *testing.T) {
	t.Parallel()
	f := &fake{}
	if got := do(newServer(t, f, nil), "GET", "/connectors/c/stop", ""); got.Code != 405 || f.log() != "" {
		t.Errorf("got %d and %q, want 405 and nothing", got.Code, f.log())
	}
}

func TestOneTask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, body string
		code       int
		asked      string
	}{
		{"0", `{"state":"PAUSED"}`, 202, "PAUSED c-0"},
		{"1", `{"state":"RUNNING"}`, 202, "STARTED c-1"},
		{"1", `{"state":"STOPPED"}`, 400, ""},
		{"1", `{"state":1}`, 400, ""},
		{"1", `{"state":"PAUSED","x":1}`, 400, ""},
		{"1", ``, 400, ""},
		{"7", `{"state":"PAUSED"}`, 404, ""},
		{"x", `{"state":"PAUSED"}`, 404, ""},
	} {
		f := &fake{}
		got := do(newServer(t, f, nil), "PUT", "/connectors/c/tasks/"+c.path+"/status", c.body)
		if got.Code != c.code || f.log() != c.asked {
			t.Errorf("%s %s: got %d %s and %q, want %d and %q", c.path, c.body, got.Code, got.Body, f.log(), c.code, c.asked)
		}
	}
	got := do(newServer(t, &fake{}, nil), "GET", "/connectors/c/tasks/1", "")
	want := `{"id":{"connector":"c","task":1},"config":{"a":"b"},"status":{"id":1,"state":"FAILED","worker_id":"127.0.0.1:8083","version":null,"trace":"why"}}`
	if got.Body.String() != want {
		t.Errorf("got %s, want %s", got.Body, want)
	}
}

func TestRestartChoosesWhatFailed(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"": "restart c true []", "?includeTasks=true": "restart c true [0 1]", "?includeTasks=true&onlyFailed=true": "restart c false [1]", "?onlyFailed=true": "",
	} {
		f := &fake{}
		got := do(newServer(t, f, nil), "POST", "/connectors/c/restart"+query, "")
		if f.log() != want || got.Code/100 != 2 {
			t.Errorf("%q: got %d and %q, want %q", query, got.Code, f.log(), want)
		}
	}
}

func TestChangesNameTheFile(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"POST", "/connectors", `{"name":" n ","config":{}}`}, {"PUT", "/connectors/n/config", `{}`},
		{"PATCH", "/connectors/c/config", `{}`}, {"DELETE", "/connectors/c", ""},
	} {
		got := do(newServer(t, &fake{}, nil), c[0], c[1], c[2])
		file := "n.hcl"
		if strings.HasPrefix(c[1], "/connectors/c") {
			file = "c.hcl"
		}
		if got.Code != 405 || !strings.Contains(got.Body.String(), "edit "+file) || got.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v: got %d %s, want 405 that names %s", c, got.Code, got.Body, file)
		}
	}
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 100_000)
	for name, c := range map[string]struct {
		body string
		code int
	}{
		"too long": {`{"offsets":"` + strings.Repeat("x", 1<<20) + `"}`, 413}, "deep": {deep, 400}, "half": {`{"offsets":`, 400},
		"two": {`{"offsets":[]}{}`, 400}, "binary": {"\x00\x01", 400}, "text": {`"x"`, 400}, "number": {`{"offsets":1}`, 400},
		"other case": {`{"Offsets":[]}`, 400}, "entry": {`{"offsets":[1]}`, 400}, "partition": {`{"offsets":[{"partition":1}]}`, 400},
	} {
		f := &fake{}
		got := do(newServer(t, f, nil), "PATCH", "/connectors/c/offsets", c.body)
		if got.Code != c.code || f.log() != "" || !strings.HasPrefix(got.Body.String(), `{"error_code":`) || got.Body.Len() > 1000 {
			t.Errorf("%s: got %d %.200s, want %d", name, got.Code, got.Body, c.code)
		}
	}
}

func TestOffsetsPassUnchanged(t *testing.T) {
	t.Parallel()
	f := &fake{}
	got := do(newServer(t, f, nil), "PATCH", "/connectors/c/offsets", `{"offsets":[{"partition":{"f":"<&>","n":12345678901234567890},"offset":null}]}`)
	if want := `offset of c: {"f":"<&>","n":12345678901234567890} = `; f.log() != want {
		t.Errorf("got %q, want %q", f.log(), want)
	}
	if !strings.Contains(got.Body.String(), "framework-managed offsets") {
		t.Errorf("a connector that has no say: got %s", got.Body)
	}
}

func TestSettingsThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"set":               "Invalid format of header config 'set'",
		"put A: b":          "Invalid header config action: 'put'",
		"set A:b:c":         "Invalid format of header name and header value pair",
		"set A B:c":         "Invalid header name 'A B'",
		"setDate Expires:x": "milliseconds",
	} {
		w := config.WorkerDefaults()
		w.ResponseHeaders = text
		if _, err := api.New(api.Settings{Worker: &w}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	w := config.WorkerDefaults()
	w.AllowOrigin = "("
	if _, err := api.New(api.Settings{Worker: &w}); err == nil || !strings.Contains(err.Error(), "access.control.allow.origin") {
		t.Errorf("origin: got %v", err)
	}
}

func TestLoggersAreLive(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	loggers := api.NewLoggers(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.Level(math.MinInt32)}), slog.LevelInfo)
	log := loggers.Logger("a.b.c").With("k", "v").WithGroup("g")
	s := newServer(t, &fake{}, func(s *api.Settings, _ *config.Worker) { s.Loggers = loggers })
	log.Debug("one")
	if got := do(s, "PUT", "/admin/loggers/a.b", `{"level":"debug"}`); got.Body.String() != `["a.b","a.b.c"]` {
		t.Errorf("got %s", got.Body)
	}
	log.Debug("two")
	do(s, "PUT", "/admin/loggers/root", `{"level":"OFF"}`)
	log.Error("three")
	if text := out.String(); strings.Contains(text, "one") || !strings.Contains(text, "two") || strings.Contains(text, "three") {
		t.Errorf("the log has %q", text)
	}
}

func TestAPanicIsOneAnswer(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fake{boom: true}, nil)
	if got := do(s, "GET", "/graph", ""); got.Code != 500 || strings.Contains(got.Body.String(), "boom") {
		t.Errorf("got %d %s, want 500 without the panic's text", got.Code, got.Body)
	}
}

func TestGraphFormats(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fake{}, nil)
	for query, want := range map[string]string{"": "graph as text", "?format=dot": "graph as dot", "?format=mermaid": "graph as mermaid"} {
		if got := do(s, "GET", "/graph"+query, ""); got.Code != 200 || got.Body.String() != want {
			t.Errorf("%q: got %d %s", query, got.Code, got.Body)
		}
	}
	if got := do(s, "GET", "/graph?format=png", ""); got.Code != 400 {
		t.Errorf("png: got %d", got.Code)
	}
}

// served runs a server on a listener of its own until the test ends.
func served(t *testing.T, s *api.Server) (address string, end func() error) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, []net.Listener{l}, nil) }()
	return l.Addr().String(), func() error { stop(); return <-ended }
}

// exchange sends text and reads one answer.
func exchange(t *testing.T, address, text string) (int, http.Header, string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header, string(b)
}

func TestWhatIsNoRequestIsRefusedInJSON(t *testing.T) {
	t.Parallel()
	address, end := served(t, newServer(t, &fake{}, nil))
	for name, text := range map[string]string{
		"escape": "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "no host": "GET / HTTP/1.1\r\n\r\n",
		"headers": "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
	} {
		code, header, body := exchange(t, address, text)
		if code/100 != 4 || header.Get("Content-Type") != "application/json" || !strings.HasPrefix(body, `{"error_code":4`) {
			t.Errorf("%s: got %d %v %s", name, code, header, body)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestAThousandConnections: so many clients that say nothing, half a request or keep their connection do not keep others
// out, and cost little.
func TestAThousandConnections(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("opens 2,000 sockets")
	}
	address, end := served(t, newServer(t, &fake{}, nil))
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	texts := []string{"", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", "POST /connectors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"}
	for i := range 1000 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, texts[i%len(texts)]); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if code, _, body := exchange(t, address, "GET /connectors HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); code != 200 || body != `["c"]` {
			t.Fatalf("beside them: got %d %s", code, body)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&during)
	if grown := int64(during.HeapInuse+during.StackInuse) - int64(before.HeapInuse+before.StackInuse); grown > 64<<20 {
		t.Errorf("they hold %d MB, want at most 64", grown>>20)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestShutdownLetsCallsEnd(t *testing.T) {
	t.Parallel()
	f := &fake{block: make(chan struct{}), enter: make(chan struct{})}
	address, end := served(t, newServer(t, f, nil))
	answered := make(chan int, 1)
	go func() {
		code, _, _ := exchange(t, address, "PUT /connectors/c/pause HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		answered <- code
	}()
	<-f.enter
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	close(f.block)
	if code := <-answered; code != 202 {
		t.Errorf("the call under way: got %d, want 202", code)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHealthWhileStarting(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fake{}, func(s *api.Settings, _ *config.Worker) { s.Ready = func() bool { return false } })
	if got := do(s, "GET", "/health", ""); got.Code != 503 || !strings.Contains(got.Body.String(), `"status":"starting"`) {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	// Everything else answers all the same.
	if got := do(s, "GET", "/connectors", ""); got.Body.String() != `["c"]` {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
}
