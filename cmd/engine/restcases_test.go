package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// The cases of testdata/rest are what a Kafka Connect 4.3.1 worker answered, by their numbers. profiles.json says how the
// worker of a profile is configured. What differs on purpose stands in docs/deviations.md.

type restCase struct {
	ID          string
	Title       string
	Profile     string
	Modes       []string
	NeedsPlugin string `json:"needs_plugin"`
	Setup       []restStep
	Steps       []restStep
	Teardown    []restStep
}

type restStep struct {
	Request          *restRequest
	Worker           string
	Expect           map[string]any
	ExpectStandalone map[string]any `json:"expect_standalone"`
	ExpectShared     map[string]any `json:"expect_distributed"`
	ExpectPenstock   map[string]any `json:"expect_penstock"`
	Connector        string
	Retry            float64
	MaxSeconds       float64 `json:"max_seconds"`
	Stable           int
	Save             map[string][]any
	Write            *struct {
		Path, Text string
		Append     bool
	}
	Remove    string
	Sleep     float64
	OnlyMode  string `json:"only_mode"`
	Hammer    json.RawMessage
	Allowed   []any
	Meanwhile []restStep
}

type restRequest struct {
	Method, Path string
	Headers      map[string]*string
	Body         *string
}

// expectation is what this server shall answer: the recorded answer of the mode, with the members that differ on purpose.
func (s restStep) expectation(mode string) map[string]any {
	want := s.Expect
	if of := map[string]map[string]any{"standalone": s.ExpectStandalone, "distributed": s.ExpectShared}[mode]; of != nil {
		want = of
	}
	if s.ExpectPenstock == nil {
		return want
	}
	merged := maps.Clone(want)
	maps.Copy(merged, s.ExpectPenstock)
	if changed, ok := s.ExpectPenstock["headers"].(map[string]any); ok && len(changed) > 0 { // none at all: none matter
		headers := map[string]any{}
		if have, ok := want["headers"].(map[string]any); ok {
			maps.Copy(headers, have)
		}
		maps.Copy(headers, changed)
		merged["headers"] = headers
	}
	return merged
}

func (s restStep) createsOrChanges() bool {
	if s.Request == nil {
		return false
	}
	segments := strings.Split(strings.Trim(strings.Split(s.Request.Path, "?")[0], "/"), "/")
	if segments[0] != "connectors" {
		return false
	}
	switch s.Request.Method {
	case http.MethodPost:
		return len(segments) == 1
	case http.MethodDelete:
		return len(segments) == 2
	case http.MethodPut, http.MethodPatch:
		return len(segments) == 3 && segments[2] == "config"
	}
	return false
}

func readCases(t *testing.T) []restCase {
	t.Helper()
	files, err := filepath.Glob("../../testdata/rest/[0-9]*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	var all []restCase
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var section struct{ Cases []restCase }
		if err := json.Unmarshal(b, &section); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, section.Cases...)
	}
	return all
}

// deviations reads from docs/deviations.md which cases end otherwise in a mode, and which are calls that files take the place
// of when there is no cluster.
func deviations(t *testing.T, mode string) (differ, files map[string]string) {
	t.Helper()
	b, err := os.ReadFile("../../docs/deviations.md")
	if err != nil {
		t.Fatal(err)
	}
	differ, files = map[string]string{}, map[string]string{}
	item := regexp.MustCompile(`^(\d+)\. `)
	list := regexp.MustCompile(`Recorded cases( that become 405|, standalone|, distributed)?: ([C0-9, ]+)\.`)
	number, text := "", ""
	flush := func() {
		for _, m := range list.FindAllStringSubmatch(strings.Join(strings.Fields(text), " "), -1) {
			for id := range strings.SplitSeq(m[2], ",") {
				switch m[1] {
				case " that become 405":
					files[strings.TrimSpace(id)] = number
				case "", ", " + mode:
					differ[strings.TrimSpace(id)] = number
				}
			}
		}
		text = ""
	}
	for line := range strings.Lines(string(b)) {
		if m := item.FindStringSubmatch(line); m != nil {
			flush()
			number = m[1]
		}
		text += line
	}
	flush()
	return differ, files
}

// unavailable says which cases this version cannot run, and why.
func unavailable(c restCase, mode string) string {
	switch {
	case !slices.Contains(c.Modes, mode) || len(c.Steps) == 0:
		return "not recorded in this mode"
	case c.Profile == "exactly-once":
		return "exactly-once sources are not there yet"
	case mode == "distributed" && (c.Profile == "auth" || c.Profile == "auth-admin" || c.NeedsPlugin != ""):
		return "run in standalone mode, where it makes no difference"
	case c.Profile == "versions":
		return "two versions of one plugin cannot be built in"
	case mode == "distributed" && os.Getenv("ENGINE_TEST_KAFKA") != "" && (c.Profile == "starting" || c.Profile == "joining"):
		return "a genuine Kafka does not put workers off when it is told to"
	case c.Profile == "boot":
		return "the port answers only once the API is there"
	}
	return ""
}

// profileSettings are the settings of a worker of a profile; placeholders are filled in by the caller.
func profileSettings(t *testing.T, profile string) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../testdata/rest/profiles.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Profiles map[string]struct{ Settings map[string]string }
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{
		"listeners": "http://127.0.0.1:0", "key.converter": "org.apache.kafka.connect.json.JsonConverter",
		"value.converter": "org.apache.kafka.connect.json.JsonConverter", "offset.flush.interval.ms": "1000",
		"config.providers": "file", "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
	}
	for k, v := range all.Profiles[profile].Settings {
		settings[k] = strings.ReplaceAll(v, "{free port}", "0")
	}
	return settings
}

// reply is an answer, read whole.
type reply struct {
	method string
	status int
	header http.Header
	body   string
}

func (a reply) String() string {
	return fmt.Sprintf("%d %s %.600s", a.status, a.header.Get("Content-Type"), a.body)
}

// ask sends a request as it stands, without any of the cleaning that Go's client does.
func ask(address string, r restRequest, fill func(string) string) (reply, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return reply{}, err
	}
	headers := map[string]string{"Host": address, "Accept": "*/*"}
	body := ""
	if r.Body != nil {
		body = fill(*r.Body)
		headers["Content-Type"] = "application/json"
		headers["Content-Length"] = strconv.Itoa(len(body))
	}
	for k, v := range r.Headers {
		maps.DeleteFunc(headers, func(h, _ string) bool { return strings.EqualFold(h, k) })
		if v != nil {
			headers[k] = fill(*v)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.Method, fill(r.Path))
	for k, v := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", k, v)
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	if _, err := conn.Write(b.Bytes()); err != nil {
		return reply{}, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.Method})
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if len(answer.TransferEncoding) > 0 {
		answer.Header.Set("Transfer-Encoding", answer.TransferEncoding[0])
	}
	return reply{r.Method, answer.StatusCode, answer.Header, string(text)}, err
}

// matcher compares answers with expectations in which placeholders stand for what varies.
type matcher map[string]string

func (m matcher) fill(text string) string {
	for k, v := range m {
		text = strings.ReplaceAll(text, "{"+k+"}", v)
	}
	return text
}

var (
	placeholders = map[string]string{
		"any": `(?s:.*)`, "any_string": `(?s:.+)`, "any_int": `-?\d+`, "trace": `(?s:.+)`, "doc": `(?s:.*)`, "worker_id": `[^/\s"]+:\d+`,
		"version": `\d+\.\d+[^\s"]*`, "plugin_version": `[^\s"]+`, "instant": `\d{4}-\d\d-\d\dT[0-9:.]+Z`,
	}
	placeholder = regexp.MustCompile(`\{(any_string|any_int|plugin_version|worker_id|version|instant|trace|any|doc)\}`)
	quoted      = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\{(any_int|any_value)\}`)
)

func (m matcher) text(want, got string) error {
	want = m.fill(want)
	pattern, at := "^", 0
	for _, loc := range placeholder.FindAllStringSubmatchIndex(want, -1) {
		pattern += regexp.QuoteMeta(want[at:loc[0]]) + placeholders[want[loc[2]:loc[3]]]
		at = loc[1]
	}
	re := regexp.MustCompile(pattern + regexp.QuoteMeta(want[at:]) + "$")
	if !re.MatchString(got) {
		return fmt.Errorf("got %.600q, want %.600q", got, want)
	}
	return nil
}

// decodeExpected reads expected JSON, in which a placeholder may stand outside quotes.
func decodeExpected(text string) (any, error) {
	text = quoted.ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasPrefix(s, "{") {
			return `"\u0000` + strings.Trim(s, "{}") + `"`
		}
		return s
	})
	var v any
	err := json.Unmarshal([]byte(text), &v)
	return v, err
}

func (m matcher) json(want, got any, how, where string) error {
	switch want := want.(type) {
	case string:
		if kind, special := strings.CutPrefix(want, "\x00"); special {
			if n, isNumber := got.(float64); kind == "any_int" && (!isNumber || n != float64(int64(n))) {
				return fmt.Errorf("%s: got %v, want an integer", where, got)
			}
			return nil
		}
		text, isText := got.(string)
		if !isText {
			return fmt.Errorf("%s: got %v, want a string like %q", where, got, want)
		}
		if err := m.text(want, text); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		return nil
	case map[string]any:
		object, isObject := got.(map[string]any)
		if !isObject {
			return fmt.Errorf("%s: got %v, want an object", where, got)
		}
		for k, v := range want {
			k = m.fill(k)
			is, has := object[k]
			if !has {
				return fmt.Errorf("%s: member %q is missing in %.300v", where, k, object)
			}
			if err := m.json(v, is, how, where+"."+k); err != nil {
				return err
			}
		}
		if how != "contains" && len(object) != len(want) {
			return fmt.Errorf("%s: got members %v, want %v", where, slices.Sorted(maps.Keys(object)), slices.Sorted(maps.Keys(want)))
		}
		return nil
	case []any:
		list, isList := got.([]any)
		if !isList {
			return fmt.Errorf("%s: got %v, want an array", where, got)
		}
		return m.list(want, list, how, where)
	default:
		if want != got {
			return fmt.Errorf("%s: got %v, want %v", where, got, want)
		}
		return nil
	}
}

func (m matcher) list(want, got []any, how, where string) error {
	if how != "contains" && len(want) != len(got) {
		return fmt.Errorf("%s: got %d elements, want %d: %.500v", where, len(got), len(want), got)
	}
	rest, at := slices.Clone(got), 0
	for n, v := range want {
		if how == "json" {
			if err := m.json(v, got[n], how, fmt.Sprintf("%s[%d]", where, n)); err != nil {
				return err
			}
			continue
		}
		from := 0
		if how == "contains" {
			from = at
		}
		var nearest error
		hit := -1
		for i := from; i < len(rest) && hit < 0; i++ {
			err := m.json(v, rest[i], how, where)
			if err == nil {
				hit = i
			} else if nearest == nil || len(err.Error()) > len(nearest.Error()) {
				nearest = err
			}
		}
		if hit < 0 {
			return fmt.Errorf("%s: no element like %.300v; nearest: %w", where, v, nearest)
		}
		if at = hit + 1; how == "unordered" {
			rest = slices.Delete(rest, hit, hit+1)
		}
	}
	return nil
}

func set(text string) []string {
	var items []string
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.TrimSpace(s); s != "" {
			items = append(items, s)
		}
	}
	slices.Sort(items)
	return items
}

// answer compares a whole answer.
func (m matcher) answer(want map[string]any, got reply) error {
	if choices, ok := want["any_of"].([]any); ok {
		var errs []error
		for _, c := range choices {
			err := m.answer(c.(map[string]any), got)
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	if err := status(want["status"], got); err != nil {
		return err
	}
	headers, _ := want["headers"].(map[string]any)
	for name, v := range headers {
		is, has := got.header[http.CanonicalHeaderKey(name)]
		joined := strings.Join(is, ", ")
		text, wanted := v.(string)
		switch {
		case !wanted && has:
			return fmt.Errorf("header %s: got %q, want none", name, joined)
		case !wanted:
		case !has:
			return fmt.Errorf("header %s is missing, want %q", name, text)
		case slices.Contains([]string{"allow", "access-control-allow-methods", "access-control-allow-headers", "vary"}, strings.ToLower(name)):
			if !slices.Equal(set(m.fill(text)), set(joined)) {
				return fmt.Errorf("header %s: got the set %q, want %q", name, joined, text)
			}
		default:
			if err := m.text(text, joined); err != nil {
				return fmt.Errorf("header %s: %w", name, err)
			}
		}
	}
	forbidden, _ := want["not_contains"].([]any)
	for _, v := range forbidden {
		if text := m.fill(v.(string)); strings.Contains(got.body, text) {
			return fmt.Errorf("the body contains %q: %s", text, got)
		}
	}
	body, has := want["body"].(string)
	if !has || got.method == http.MethodHead && got.body == "" {
		return nil
	}
	return m.body(body, want["compare"], got)
}

func status(want any, got reply) error {
	allowed, isList := want.([]any)
	if !isList && want != nil {
		allowed = []any{want}
	}
	if want != nil && !slices.Contains(allowed, any(float64(got.status))) {
		return fmt.Errorf("got %s, want status %v", got, want)
	}
	return nil
}

func (m matcher) body(want string, compare any, got reply) error {
	how, _ := compare.(string)
	switch {
	case how == "text" || want == "":
		return m.text(want, got.body)
	case how == "set":
		if !slices.Equal(set(want), set(got.body)) {
			return fmt.Errorf("got the set %q, want %q", got.body, want)
		}
		return nil
	case how == "":
		how = "json"
	}
	expected, err := decodeExpected(want)
	if err != nil {
		return fmt.Errorf("the expectation %.300q is no JSON: %w", want, err)
	}
	var is any
	if err := json.Unmarshal([]byte(got.body), &is); err != nil {
		return fmt.Errorf("got %s, want JSON", got)
	}
	return m.json(expected, is, how, "$")
}

// caseRunner runs the cases of one profile.
type caseRunner struct {
	*restWorker
	t        *testing.T
	mode     string
	other    *restWorker // of the profile with two workers
	known    matcher
	contract *contract     // nil until the first answer
	patience time.Duration // most that a step is repeated
}

func newCaseRunner(t *testing.T, profile, mode string, beside ...plugin.Descriptor) *caseRunner {
	t.Helper()
	settings := profileSettings(t, profile)
	if settings["rest.extension.classes"] != "" {
		settings[config.BasicAuthFile] = write(t, t.TempDir(), "users.properties", "user=password\n")
	}
	run := strings.ToLower(store.NewID()[:8])
	var w, other *restWorker
	if mode == "standalone" {
		w = startWorker(t, settings, beside...)
	} else {
		k := startTestKafka(t, "test", "o-"+run)
		if k.fake != nil {
			withhold(k.fake, profile)
		}
		settings["bootstrap.servers"] = k.servers
		if profile == "starting" {
			w, _, _ = launchShared(t, k, settings)
		} else {
			w = startShared(t, k, settings)
		}
		if profile == "cluster" {
			other = startShared(t, k, settings)
			eventually(t, patience, func() (bool, string) {
				is := plan(t, w)
				return len(is.Members) == 2 && is.Leader != "", fmt.Sprintf("%+v", is)
			})
		}
	}
	for _, x := range []*restWorker{w, other} {
		if x != nil && x.engine != nil && profile != "joining" { // the others cannot work with their Kafka
			eventually(t, patience, func() (bool, string) { return x.engine.ClusterID(t.Context()) != "", "the cluster's id is not known" })
		}
	}
	tmp := t.TempDir()
	if err := os.WriteFile(filepath.Join(tmp, "in.txt"), []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &caseRunner{restWorker: w, t: t, other: other, mode: mode, known: matcher{"url": "http://" + w.address, "host": w.address, "tmp": tmp, "run": run}}
}

// run returns what is wrong with a case, nil when nothing is. fileDriven says that its calls that change the configuration
// become 405, after which the change is made as an edit of a file would.
func (r *caseRunner) run(t *testing.T, c restCase, fileDriven bool) error {
	t.Helper()
	defer r.wipe(t)
	r.known["id"] = strings.ToLower(c.ID)
	for _, s := range c.Setup {
		if err := r.step(t, s, true, false); err != nil {
			return fmt.Errorf("setup: %w", err)
		}
	}
	refused := 0
	for n, s := range c.Steps {
		if s.createsOrChanges() && fileDriven {
			refused++
		}
		if err := r.step(t, s, false, fileDriven); err != nil {
			return fmt.Errorf("step %d: %w", n+1, err)
		}
	}
	if fileDriven && refused == 0 {
		return errors.New("none of its steps changes the configuration, yet docs/deviations.md says that they become 405")
	}
	return nil
}

func (r *caseRunner) step(t *testing.T, s restStep, setup, fileDriven bool) error {
	t.Helper()
	switch {
	case s.OnlyMode != "" && s.OnlyMode != r.mode:
		return nil
	case s.Write != nil:
		return r.write(s)
	case s.Remove != "":
		return os.Remove(r.known.fill(s.Remove))
	case s.Sleep > 0:
		<-time.After(time.Duration(s.Sleep * float64(time.Second)))
		return nil
	case s.Hammer != nil:
		return r.hammering(t, s)
	case s.Request == nil:
		return errors.New("a step that the runner does not know")
	case s.createsOrChanges() && r.mode == "standalone" && (setup || fileDriven):
		return r.edit(t, s, setup)
	}
	return r.request(s)
}

func (r *caseRunner) write(s restStep) error {
	path := r.known.fill(s.Write.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if s.Write.Append {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(r.known.fill(s.Write.Text))
	return errors.Join(err, f.Close())
}

// request asks until the answer is as expected or the time of the step is over.
func (r *caseRunner) request(s restStep) error {
	want := s.expectation(r.mode)
	address, err := r.addressOf(s)
	if err != nil {
		return err
	}
	until := time.Now()
	if s.Retry > 0 { // for how long it was when it was recorded, on another machine
		until = until.Add(r.patience)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for good := 0; ; <-tick.C {
		began := time.Now()
		got, err := ask(address, *s.Request, r.known.fill)
		if err == nil && want != nil {
			err = r.known.answer(want, got)
		}
		if took := time.Since(began); err == nil && s.MaxSeconds > 0 && took.Seconds() > s.MaxSeconds {
			err = fmt.Errorf("took %s, want at most %v s", took, s.MaxSeconds)
		}
		if err != nil {
			if good = 0; time.Now().Before(until) {
				continue
			}
			return fmt.Errorf("%s %s: %w", s.Request.Method, r.known.fill(s.Request.Path), err)
		}
		if err := r.described(s.Request, address, got); err != nil {
			return err
		}
		if good++; good >= s.Stable {
			return r.save(s, got)
		}
	}
}

// addressOf is where the worker is that a step asks.
func (r *caseRunner) addressOf(s restStep) (string, error) {
	if s.Worker == "admin" {
		return r.admin, nil
	}
	if r.other == nil {
		return r.address, nil
	}
	other := map[string]string{r.address: r.other.address, r.other.address: r.address}
	is, err := r.engine.Cluster(context.Background())
	if err != nil {
		return "", err
	}
	leader := is.Plan.Addresses[is.Leader]
	r.known["leader_host"], r.known["follower_host"], r.known["host2"] = leader, other[leader], r.other.address
	owner := r.address
	for _, p := range is.Plan.Placements {
		if p.Connector == s.Connector && p.Task == store.Instance {
			owner = is.Plan.Addresses[p.Member]
		}
	}
	switch s.Worker {
	case "leader":
		return leader, nil
	case "follower":
		return other[leader], nil
	case "owner":
		return owner, nil
	case "not_owner":
		return other[owner], nil
	case "second":
		return r.other.address, nil
	}
	return r.address, nil
}

// hammering sends one request again and again during other steps; every answer must be an allowed one.
func (r *caseRunner) hammering(t *testing.T, s restStep) error {
	t.Helper()
	var h struct{ Request restRequest }
	if err := json.Unmarshal(s.Hammer, &h); err != nil {
		return err
	}
	fill, address := maps.Clone(r.known).fill, r.address
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-done:
				ended <- nil
				return
			default:
			}
			got, err := ask(address, h.Request, fill)
			if err == nil {
				err = r.known.answer(map[string]any{"any_of": s.Allowed}, got)
			}
			if err != nil {
				ended <- fmt.Errorf("meanwhile %s %s: %w", h.Request.Method, h.Request.Path, err)
				return
			}
		}
	}()
	var err error
	for _, m := range s.Meanwhile {
		if err = r.step(t, m, false, false); err != nil {
			break
		}
	}
	close(done)
	return errors.Join(err, <-ended)
}

func (r *caseRunner) save(s restStep, got reply) error {
	for name, path := range s.Save {
		var v any
		if err := json.Unmarshal([]byte(got.body), &v); err != nil {
			return err
		}
		for _, at := range path {
			switch at := at.(type) {
			case float64:
				v = v.([]any)[int(at)]
			case string:
				v = v.(map[string]any)[at]
			}
		}
		r.known[name] = fmt.Sprint(v)
	}
	return nil
}

// edit makes a recorded call that changes the configuration as an edit of a file would, if it succeeded when it was
// recorded. Outside of setups the call itself must answer 405, or 400 or 404 where it cannot be read or names nothing.
func (r *caseRunner) edit(t *testing.T, s restStep, setup bool) error {
	t.Helper()
	recorded := s.expectation(r.mode)
	if !setup {
		got, err := ask(r.address, *s.Request, r.known.fill)
		if err != nil {
			return err
		}
		if got.status != http.StatusMethodNotAllowed || !strings.Contains(got.body, "read from files: edit") {
			if err := r.known.answer(recorded, got); err != nil {
				return fmt.Errorf("%s %s: got %s, want 405 that names the file to edit, or %w", s.Request.Method, s.Request.Path, got, err)
			}
			return nil
		}
	}
	codes, several := recorded["status"].([]any)
	if !several {
		codes = []any{recorded["status"]}
	}
	// A connector that does not start was stored all the same.
	text, _ := recorded["body"].(string)
	if first, _ := codes[0].(float64); first >= 300 && !strings.Contains(text, "Failed to transition connector") {
		return nil
	}
	return r.apply(t, s)
}

// apply changes what is declared.
func (r *caseRunner) apply(t *testing.T, s restStep) error {
	t.Helper()
	body := "{}"
	if s.Request.Body != nil {
		body = r.known.fill(*s.Request.Body)
	}
	segments := strings.Split(strings.Trim(r.known.fill(s.Request.Path), "/"), "/")
	switch s.Request.Method {
	case http.MethodPost:
		var in struct {
			Name   string
			Config map[string]any
			State  string `json:"initial_state"`
		}
		if err := json.Unmarshal(bytes.TrimPrefix([]byte(body), []byte("\ufeff")), &in); err != nil {
			return err
		}
		return r.declare(t, strings.TrimSpace(in.Name), in.Config, in.State)
	case http.MethodDelete:
		return r.declare(t, segments[1], nil, "")
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return err
	}
	if s.Request.Method == http.MethodPatch {
		whole := map[string]any{}
		for k, v := range r.declared[segments[1]].Map {
			whole[k] = v
		}
		for k, v := range m {
			if whole[k] = v; v == nil {
				delete(whole, k)
			}
		}
		m = whole
	}
	return r.declare(t, segments[1], m, "")
}

// startless stands for a connector of Kafka's that the cases need because its start() throws.
func startless(name string) plugin.Descriptor {
	return plugin.Descriptor{
		Name: "startless", Class: "org.apache.kafka.connect.mirror." + name, Version: "4.3.1", Doc: "Fails to start.",
		Spec: plugin.Spec{Fields: []plugin.Setting{
			{Name: "source.cluster.alias", Type: plugin.StringType, Doc: "A name."}, {Name: "target.cluster.alias", Type: plugin.StringType, Doc: "A name."},
		}},
		NewSource: func() plugin.Source { return &neverStarts{} },
	}
}

type neverStarts struct{ plugin.Source }

func (*neverStarts) Start(context.Context, plugin.Host, plugin.Config) error {
	return errors.New("there are no bootstrap servers")
}

func (*neverStarts) Stop(context.Context) error { return nil }

// TestRecordedCases runs every case that was recorded on a standalone worker. Each ends in exactly one way: as recorded;
// otherwise on purpose, by an item of docs/deviations.md, which must then really be so; or not at all, for a reason.
func TestRecordedCases(t *testing.T) {
	t.Parallel()
	recordedCases(t, "standalone")
}

// TestRecordedCasesOfACluster runs every case that was recorded on distributed workers, in the same way.
func TestRecordedCasesOfACluster(t *testing.T) {
	t.Parallel()
	recordedCases(t, "distributed")
}

func recordedCases(t *testing.T, mode string) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes a minute")
	}
	differ, files := deviations(t, mode)
	byProfile := map[string][]restCase{}
	var profiles []string
	skipped := map[string]int{}
	for _, c := range readCases(t) {
		if why := unavailable(c, mode); why != "" {
			skipped[why]++
			continue
		}
		if c.NeedsPlugin != "" {
			c.Profile += " with " + c.NeedsPlugin // a worker of its own: others list their plugins
		}
		if byProfile[c.Profile] == nil {
			profiles = append(profiles, c.Profile)
		}
		byProfile[c.Profile] = append(byProfile[c.Profile], c)
	}
	only := os.Getenv("ENGINE_TEST_CASE")
	passed, failed, refused, deviating := 0, 0, 0, 0
	for _, profile := range profiles {
		name, needs, _ := strings.Cut(profile, " with ")
		var beside []plugin.Descriptor
		if needs != "" {
			beside = append(beside, startless(needs))
		}
		r := newCaseRunner(t, name, mode, beside...)
		for _, c := range byProfile[profile] {
			if only != "" && !slices.Contains(set(only), c.ID) {
				skipped["not among ENGINE_TEST_CASE"]++
				continue
			}
			number, otherwise := differ[c.ID]
			_, fileDriven := files[c.ID]
			fileDriven = fileDriven && mode == "standalone"
			// What differs on purpose does not become as recorded by waiting.
			if r.patience = patience; otherwise {
				r.patience = time.Second
			}
			err := r.run(t, c, fileDriven)
			switch {
			case otherwise && err == nil:
				failed++
				t.Errorf("%s %s: answers as recorded, yet docs/deviations.md item %s says that it differs", c.ID, c.Title, number)
			case otherwise:
				deviating++
			case err != nil:
				failed++
				t.Errorf("%s %s: %v", c.ID, c.Title, err)
			case fileDriven:
				refused++
			default:
				passed++
			}
		}
		for _, w := range []*restWorker{r.other, r.restWorker} {
			if w != nil && w.shared {
				w.end(t) // the next ones have the same group
			}
		}
	}
	t.Logf("%d passed, %d passed with 405 for changes of the configuration, %d differ on purpose, %d failed", passed, refused, deviating, failed)
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		t.Logf("%d not run: %s", skipped[why], why)
	}
}
