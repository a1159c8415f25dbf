package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is a format whose only data are strings: its schema is that of an Avro type with the name of the Connect schema, its payload the text, and "bad" cannot be written or read.
type plain struct{ indexed bool }

func (p plain) Words() Words {
	return Words{Type: sr.TypeAvro, Name: "Plain", Write: "Failed to serialize Plain data from topic %s:", Read: "Failed to deserialize data for topic %s to Plain: ", Indexed: p.indexed}
}

func (p plain) Derive(s *record.Schema) (Schema, error) {
	if s == nil {
		return nil, plugin.Data("no schema")
	}
	return plainSchema{Text{Schema: `{"type":"fixed","name":"` + s.Name + `","size":1}`}, s.Name, p.indexed}, nil
}

func (p plain) Parse(t Text) (Schema, error) {
	name := t.Schema
	if _, after, ok := strings.Cut(name, `"name":"`); ok {
		name, _, _ = strings.Cut(after, `"`)
	}
	return plainSchema{t, name, p.indexed}, nil
}

func (plain) Null(s *record.Schema) (bool, error) { return s != nil && s.Name == "spoken", nil }

type plainSchema struct {
	text    Text
	name    string
	indexed bool
}

func (s plainSchema) Text() Text                              { return s.text }
func (s plainSchema) RecordName() string                      { return s.name }
func (s plainSchema) Encoder(*record.Schema) (Encoder, error) { return plainCodec{s, 0, nil}, nil }
func (s plainSchema) Decoder(reader Schema, version int, index []int) (Decoder, error) {
	if reader != nil {
		s = reader.(plainSchema)
	}
	return plainCodec{s, version, index}, nil
}

type plainCodec struct {
	plainSchema
	version int
	index   []int
}

func (c plainCodec) Index() []int {
	if c.indexed {
		return []int{1, 0}
	}
	return nil
}

func (c plainCodec) Append(dst []byte, v record.Value) ([]byte, error) {
	switch {
	case v.IsNull():
		return append(dst, "null"...), nil
	case v.Text() == "bad":
		return nil, errors.New("cannot say bad")
	case v.Text() == "data":
		return nil, plugin.Data("not like this")
	}
	return append(dst, v.Text()...), nil
}

func (c plainCodec) Read(_ *record.Arena, src []byte) (record.Datum, error) {
	if string(src) == "bad" {
		return record.Datum{}, errors.New("cannot hear bad")
	}
	return record.Datum{Value: record.OfString(fmt.Sprintf("%s of %s/%d%v", src, c.name, c.version, c.index))}, nil
}

func converter(t *testing.T, f Format, use plugin.Use, urls string, settings ...string) *Converter {
	t.Helper()
	config := plugin.Config{"schema.registry.url": urls, "retries.wait.ms": "1"}
	for i := 0; i < len(settings); i += 2 {
		config[settings[i]] = settings[i+1]
	}
	c := new(Converter)
	if err := c.Setup(f, config, use); err != nil {
		t.Fatal(err)
	}
	return c
}

// fake is a registry that counts its requests.
func fake(t *testing.T) (*srfake.Registry, *atomic.Int64) {
	t.Helper()
	r := srfake.New()
	t.Cleanup(r.Close)
	n := new(atomic.Int64)
	r.Intercept(func(http.ResponseWriter, *http.Request) bool { n.Add(1); return false })
	return r, n
}

func named(name, value string) record.Datum {
	return record.Datum{Schema: record.Build(record.String).Named(name).MustBuild(), Value: record.OfString(value)}
}

func avroText(name string) sr.Schema {
	return sr.Schema{Schema: `{"type":"fixed","name":"` + name + `","size":1}`}
}

func write(t *testing.T, c *Converter, topic string, d record.Datum) string {
	t.Helper()
	out, err := c.AppendMessage(t.Context(), []byte{}, &plugin.Message{Topic: topic}, d)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(out)
}

func read(t *testing.T, c *Converter, m *plugin.Message, src string) string {
	t.Helper()
	b, err := hex.DecodeString(src)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.ReadMessage(t.Context(), new(record.Arena), m, b)
	if err != nil {
		t.Fatal(err)
	}
	return d.Value.Text()
}

func TestRoundTripAsksOnce(t *testing.T) {
	t.Parallel()
	reg, n := fake(t)
	c := converter(t, plain{}, plugin.ValueUse, reg.URL())
	d := named("a.B", "hi")
	for range 3 {
		if got, want := write(t, c, "orders", d), "00000000016869"; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	if got := n.Load(); got != 1 {
		t.Errorf("writing three times asked %d times, want once", got)
	}
	if !reg.SubjectExists("orders-value") {
		t.Error("the schema is not under orders-value")
	}
	n.Store(0)
	for range 3 {
		if got, want := read(t, c, &plugin.Message{Topic: "orders"}, "00000000016869"), "hi of a.B/1[]"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if got := n.Load(); got != 2 {
		t.Errorf("reading three times asked %d times, want twice: for the schema and for its version", got)
	}
}

func TestNull(t *testing.T) {
	t.Parallel()
	c := converter(t, plain{}, plugin.ValueUse, "http://127.0.0.1:1")
	for _, s := range []*record.Schema{nil, record.OptionalOf(record.String)} {
		out, err := c.AppendMessage(t.Context(), []byte{}, &plugin.Message{Topic: "t"}, record.Datum{Schema: s})
		if out != nil || err != nil {
			t.Errorf("got %q (%v), want the null message without a question", out, err)
		}
	}
	if d, err := c.ReadData(new(record.Arena), "t", nil); d != (record.Datum{}) || err != nil {
		t.Errorf("got %v (%v), want nothing", d, err)
	}
	reg, _ := fake(t)
	c = converter(t, plain{}, plugin.ValueUse, reg.URL())
	spoken := record.Datum{Schema: record.Build(record.String).Named("spoken").Optional().MustBuild()}
	if got, want := write(t, c, "t", spoken), "0000000001"+hex.EncodeToString([]byte("null")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		strategy, want string
		use            plugin.Use
	}{
		{"TopicNameStrategy", "t-value", plugin.ValueUse},
		{"TopicNameStrategy", "t-key", plugin.KeyUse},
		{"RecordNameStrategy", "a.B", plugin.ValueUse},
		{"TopicRecordNameStrategy", "t-a.B", plugin.KeyUse},
		{"AssociatedNameStrategy", "t-value", plugin.ValueUse}, // the fake does not know the path: it falls back
	} {
		t.Run(tt.strategy+"/"+tt.use.String(), func(t *testing.T) {
			t.Parallel()
			reg, _ := fake(t)
			c := converter(t, plain{}, tt.use, reg.URL(), tt.use.String()+".subject.name.strategy", strategies+tt.strategy)
			out := write(t, c, "t", named("a.B", "x"))
			if !reg.SubjectExists(tt.want) {
				t.Errorf("there is no subject %s", tt.want)
			}
			if got, want := read(t, c, &plugin.Message{Topic: "t"}, out), "x of a.B/1[]"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	reg, _ := fake(t)
	c := converter(t, plain{}, plugin.ValueUse, reg.URL(), "value.subject.name.strategy", strategies+"RecordNameStrategy")
	_, err := c.AppendData([]byte{}, "t", named("", "x"))
	wantData(t, err, "Failed to serialize Plain data from topic t:", "must only be a record schema")
}

func TestAssociation(t *testing.T) {
	t.Parallel()
	reg, _ := fake(t)
	reg.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/associations/resources/-/t" || r.URL.Query().Get("associationType") != "value" {
			return false
		}
		_, _ = w.Write([]byte(`[{"subject":"elsewhere"}]`))
		return true
	})
	c := converter(t, plain{}, plugin.ValueUse, reg.URL(), "value.subject.name.strategy", strategies+"AssociatedNameStrategy")
	write(t, c, "t", named("a.B", "x"))
	if !reg.SubjectExists("elsewhere") {
		t.Error("the schema is not under the associated subject")
	}
}

func TestLadder(t *testing.T) {
	t.Parallel()
	reg, _ := fake(t)
	reg.SeedSchema("t-value", 1, 7, avroText("old"))
	reg.SeedSchema("t-value", 2, 8, avroText("new"))
	for _, tt := range []struct {
		name, data, want, fails string
		settings                []string
	}{
		{"registered already", "old", "0000000007", "", nil},
		{"lookup", "old", "0000000007", "", []string{"auto.register.schemas", "false"}},
		{"lookup of an unknown one", "other", "", "Error retrieving Plain schema", []string{"auto.register.schemas", "false"}},
		{"latest", "new", "0000000008", "", []string{"auto.register.schemas", "false", "use.latest.version", "true"}},
		{"latest, incompatible", "old", "", "Set latest.compatibility.strict=false", []string{"auto.register.schemas", "false", "use.latest.version", "true"}},
		{"latest, not strict", "old", "0000000008", "", []string{"auto.register.schemas", "false", "use.latest.version", "true", "latest.compatibility.strict", "false"}},
		{"id", "old", "0000000007", "", []string{"auto.register.schemas", "false", "use.schema.id", "7"}},
		{"id, incompatible", "new", "", "Set id.compatibility.strict=false", []string{"auto.register.schemas", "false", "use.schema.id", "7"}},
		{"unknown id", "new", "", "error code: 40403", []string{"auto.register.schemas", "false", "use.schema.id", "99"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := converter(t, plain{}, plugin.ValueUse, reg.URL(), tt.settings...)
			out, err := c.AppendData([]byte{}, "t", named(tt.data, ""))
			if tt.fails != "" {
				wantData(t, err, "Failed to serialize Plain data from topic t:", tt.fails)
				return
			}
			if got := hex.EncodeToString(out); err != nil || got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

func TestReaderSchema(t *testing.T) {
	t.Parallel()
	reg, _ := fake(t)
	reg.SeedSchema("t-value", 1, 7, avroText("old"))
	reg.SeedSchema("t-value", 2, 8, avroText("new"))
	c := converter(t, plain{}, plugin.ValueUse, reg.URL(), "use.latest.version", "true")
	if got, want := read(t, c, &plugin.Message{Topic: "t"}, "000000000778"), "x of new/1[]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHeaderForm(t *testing.T) {
	t.Parallel()
	reg, _ := fake(t)
	c := converter(t, plain{indexed: true}, plugin.ValueUse, reg.URL(), "value.schema.id.serializer", ids+"HeaderSchemaIdSerializer")
	m := &plugin.Message{Topic: "t", Headers: []plugin.MessageHeader{{Key: "mine"}}}
	for range 2 {
		out, err := c.AppendMessage(t.Context(), []byte{}, m, named("a.B", "hi"))
		if err != nil || string(out) != "hi" {
			t.Fatalf("got %q (%v), want the bare payload", out, err)
		}
	}
	if len(m.Headers) != 2 || m.Headers[1].Key != valueHeader || len(m.Headers[1].Value) != 20 || m.Headers[1].Value[0] != byGUID {
		t.Fatalf("got headers %q, want one more with a GUID and an index", m.Headers)
	}
	if got, want := read(t, c, m, hex.EncodeToString([]byte("hi"))), "hi of a.B/1[1 0]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_, err := c.AppendData([]byte{}, "t", named("a.B", "hi"))
	wantData(t, err, "Failed to serialize Plain data from topic t:", "Missing headers")
}

func TestIndex(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path []int
		want string
	}{{[]int{0}, "00"}, {[]int{1}, "0202"}, {[]int{1, 0}, "040200"}, {[]int{7}, "020e"}, {nil, ""}} {
		b := appendIndex(nil, tt.path)
		if got := hex.EncodeToString(b); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.path, got, tt.want)
		}
		if got := parseIndex(string(b)); fmt.Sprint(got) != fmt.Sprint(tt.path) {
			t.Errorf("%s: got %v, want %v", tt.want, got, tt.path)
		}
	}
}

func TestDamagedFrames(t *testing.T) {
	t.Parallel()
	reg, _ := fake(t)
	c := converter(t, plain{indexed: true}, plugin.ValueUse, reg.URL())
	for src, cause := range map[string]string{
		"05000000": "Unknown magic byte!", "": "ends before", "000000": "ends before", "0100": "ends before",
		"0000000001": "index", "000000000103": "index", "0000000001feffffff0f": "index", "000000000102": "index", "00000000010201": "index",
		"000000006300": "error code: 40403",
	} {
		b, err := hex.DecodeString(src)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.ReadData(new(record.Arena), "t", b)
		wantData(t, err, "Failed to deserialize data for topic t to Plain: ", cause)
	}
}

// wantData wants a DataError of these words with a cause that has those.
func wantData(t *testing.T, err error, words, cause string) {
	t.Helper()
	d, ok := errors.AsType[*plugin.DataError](err)
	switch {
	case !ok:
		t.Errorf("got %v (%T), want a DataError", err, err)
	case d.Reason != words || d.Err == nil || !strings.Contains(d.Err.Error(), cause):
		t.Errorf("got %q because of %v, want %q because of %q", d.Reason, d.Err, words, cause)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		retry   bool
		asks    int64
		says    string
	}{
		{"HTML with 200", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>hi</html>")) }, false, 1, "decode"},
		{"HTML with 404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); _, _ = w.Write([]byte("<html>")) }, false, 1, "'(<html>)'; error code: 50005"},
		{"500", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = w.Write([]byte(`{"error_code":50001,"message":"m"}`))
		}, true, 4, "m; error code: 50001"},
		{"401", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"error_code":40101,"message":"who"}`))
		}, false, 1, "who; error code: 40101"},
		{"409", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(409)
			_, _ = w.Write([]byte(`{"error_code":409,"message":"incompatible"}`))
		}, false, 1, "incompatible; error code: 409"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, 4, "Network connection error while serializing Plain data for topic t: "},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() }, true, 4, "Network connection error"},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			for range mostAnswer/1024 + 1 {
				_, _ = w.Write(make([]byte, 1024))
			}
		}, false, 1, "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); tt.handler(w, r) }))
			t.Cleanup(server.Close)
			settings := []string{"http.read.timeout.ms", "10000"}
			if tt.name == "slow" {
				settings[1] = "20"
			}
			c := converter(t, plain{}, plugin.ValueUse, server.URL, settings...)
			_, err := c.AppendMessage(t.Context(), []byte{}, &plugin.Message{Topic: "t"}, named("a", "x"))
			if err == nil {
				t.Fatal("got no error")
			}
			if _, retry := plugin.IsRetry(err); retry != tt.retry || asked.Load() != tt.asks {
				t.Errorf("got %v: worth a retry %t, asked %d times; want %t, %d", err, retry, asked.Load(), tt.retry, tt.asks)
			}
			if all := chain(err); !strings.Contains(all, tt.says) {
				t.Errorf("got %q, want %q in it", all, tt.says)
			}
		})
	}
}

func chain(err error) string {
	var b strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		b.WriteString(err.Error() + "\n")
	}
	return b.String()
}

func TestDownThenNextAddress(t *testing.T) {
	t.Parallel()
	reg, _ := fake(t)
	c := converter(t, plain{}, plugin.ValueUse, "http://127.0.0.1:1,"+reg.URL(), "max.retries", "1")
	if got, want := write(t, c, "t", named("a", "x")), "000000000178"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c = converter(t, plain{}, plugin.ValueUse, "http://127.0.0.1:1", "max.retries", "0")
	_, err := c.AppendData([]byte{}, "t", named("a", "x"))
	if _, ok := plugin.IsRetry(err); !ok {
		t.Errorf("got %v, want an error worth another try", err)
	}
}

func TestCodecFailures(t *testing.T) {
	t.Parallel()
	reg, _ := fake(t)
	c := converter(t, plain{}, plugin.ValueUse, reg.URL())
	_, err := c.AppendData([]byte{}, "t", named("a", "bad"))
	wantData(t, err, "Failed to serialize Plain data from topic t:", "Error serializing Plain message: cannot say bad")
	_, err = c.AppendData([]byte{}, "t", named("a", "data"))
	if d, ok := errors.AsType[*plugin.DataError](err); !ok || d.Reason != "not like this" {
		t.Errorf("got %v, want the mapping's own error", err)
	}
	out := write(t, c, "t", named("a", "x"))
	b, _ := hex.DecodeString(out[:10])
	_, err = c.ReadData(new(record.Arena), "t", append(b, "bad"...))
	wantData(t, err, "Failed to deserialize data for topic t to Plain: ", "Error deserializing Plain message for id 1: cannot hear bad")
	// The id is known, but under another subject.
	_, err = c.ReadData(new(record.Arena), "other", append(b, "x"...))
	wantData(t, err, "Failed to deserialize data for topic other to Plain: ", "error code: 4040")
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "me" || password != "hush" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "sr" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"fresh","expires_in":3600}`))
	}))
	t.Cleanup(tokens.Close)
	const basic = "Basic bWU6aHVzaA=="
	for _, tt := range []struct {
		name, user, want string
		settings         []string
	}{
		{"address", "me:hush@", basic, nil},
		{"settings", "", basic, []string{"basic.auth.credentials.source", "USER_INFO", "basic.auth.user.info", "me:hush"}},
		{"settings, other name", "", basic, []string{"basic.auth.credentials.source", "USER_INFO", "schema.registry.basic.auth.user.info", "me:hush"}},
		{"token", "", "Bearer abc", []string{"bearer.auth.token", "abc"}},
		{"OAuth", "", "Bearer fresh", []string{"bearer.auth.credentials.source", "OAUTHBEARER", "bearer.auth.issuer.endpoint.url", tokens.URL, "bearer.auth.client.id", "me", "bearer.auth.client.secret", "hush", "bearer.auth.scope", "sr"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reg := srfake.New(srfake.WithAuth(tt.want))
			t.Cleanup(reg.Close)
			url := "http://" + tt.user + strings.TrimPrefix(reg.URL(), "http://")
			c := converter(t, plain{}, plugin.ValueUse, url, append(tt.settings, "request.header.X-Own", "1")...)
			write(t, c, "t", named("a", "x"))

			wrong := converter(t, plain{}, plugin.ValueUse, strings.Replace(url, "hush", "wrong", 1))
			if tt.user == "" {
				wrong = converter(t, plain{}, plugin.ValueUse, url, "bearer.auth.token", "wrong")
			}
			_, err := wrong.AppendData([]byte{}, "t", named("a", "x"))
			if err == nil || strings.Contains(chain(err), "wrong") {
				t.Errorf("got %v, want a refusal that shows no secret", err)
			}
		})
	}
}

func TestRefusedSettings(t *testing.T) {
	t.Parallel()
	for _, settings := range [][]string{
		{"schema.registry.url", "mock://here"}, {"schema.registry.url", ""}, {"rule.executors", "x"}, {"context.name.strategy", "x"},
		{"value.subject.name.strategy", "com.example.Mine"}, {"value.schema.id.serializer", "x"}, {"value.schema.id.deserializer", "x"},
		{"value.schema.id.deserializer", ids + "ConfigSchemaIdDeserializer"}, {"basic.auth.credentials.source", "SASL_INHERIT"},
		{"bearer.auth.credentials.source", "CUSTOM"}, {"bearer.auth.credentials.source", "OAUTHBEARER"}, {"schema.reflection", "true"},
		{"schema.registry.ssl.truststore.type", "BCFKS"}, {"schema.registry.ssl.truststore.location", "/nowhere"}, {"schema.registry.ssl.protocol", "SSLv3"},
		{"schema.registry.ssl.cipher.suites", "x"}, {"schema.registry.ssl.engine.factory.class", "x"}, {"schema.format", "resolved"}, {"schema.backup.enabled", "true"},
		{"bearer.auth.custom.provider.class", "x"}, {"validation.rules.execution", "ENABLED"}, {"rule.actions", "x"}, {"execution.environment", "x"}, {"schema.registry.ssl.keystore.key", "x"},
		{"schema.registry.ssl.truststore.certificates", "x"}, {"schema.registry.ssl.endpoint.identification.algorithm", "x"},
	} {
		config := plugin.Config{"schema.registry.url": "http://127.0.0.1:1"}
		config[settings[0]] = settings[1]
		err := new(Converter).Setup(plain{}, config, plugin.ValueUse)
		if e, ok := errors.AsType[*plugin.ConfigError](err); !ok || e.Key != "" && e.Key != settings[0] && settings[1] != "OAUTHBEARER" && e.Key != "use.schema.id" {
			t.Errorf("%q: got %v, want a ConfigError of it", settings, err)
		}
	}
}

// TestIdleSettings: what has nothing to work on here is taken, and so is the default of what is refused.
func TestIdleSettings(t *testing.T) {
	t.Parallel()
	config := plugin.Config{
		"schema.registry.url": "http://127.0.0.1:1", "rule.executors": "", "rule.actions": "", "rule.service.loader.enable": "false", "rule.metrics.enable": "true",
		"execution.environment": "CLIENT", "validation.rules.execution": "DISABLED", "validation.rules.executor.class": "x", "validation.rules.fail.fast": "true",
		"schema.reflection": "false", "schema.registry.ssl.provider": "SunJSSE", "schema.registry.ssl.keymanager.algorithm": "SunX509",
		"schema.registry.ssl.trustmanager.algorithm": "PKIX", "schema.registry.ssl.secure.random.implementation": "SHA1PRNG",
	}
	if err := new(Converter).Setup(plain{}, config, plugin.ValueUse); err != nil {
		t.Error(err)
	}
	spec := Spec()
	for key := range config {
		if _, known := spec.Field(key); !known {
			t.Errorf("%s is not described", key)
		}
	}
}

// TestTags asks the registry to take tags over.
func TestTags(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"true":  `{"schema":"{\"type\":\"fixed\",\"name\":\"a\",\"size\":1}","propagateSchemaTags":true}`,
		"false": `{"schema":"{\"type\":\"fixed\",\"name\":\"a\",\"size\":1}"}`,
	} {
		var sent string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			sent = string(body)
			_, _ = w.Write([]byte(`{"id":1}`))
		}))
		t.Cleanup(server.Close)
		write(t, converter(t, plain{}, plugin.ValueUse, server.URL, "propagate.schema.tags", setting), "t", named("a", "x"))
		if sent != want {
			t.Errorf("%s: sent %s, want %s", setting, sent, want)
		}
	}
}

// TestMissing: that the registry does not have a schema is believed for as long as the settings say.
func TestMissing(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]int64{"0": 3, "60": 1} {
		reg, n := fake(t)
		c := converter(t, plain{}, plugin.ValueUse, reg.URL(), "missing.id.cache.ttl.sec", setting)
		for range 3 {
			_, err := c.ReadData(new(record.Arena), "t", []byte{0, 0, 0, 0, 9, 'x'})
			wantData(t, err, "Failed to deserialize data for topic t to Plain: ", "error code: 40403")
		}
		if got := n.Load(); got != want {
			t.Errorf("%s s: asked %d times, want %d", setting, got, want)
		}
	}
	// Other failures are asked about again.
	m := memo[string, int]{most: 1, ttl: -1, mostMissing: 1, missingTTL: time.Hour}
	asked := 0
	for range 2 {
		_, err := m.get(t.Context(), "k", func(context.Context) (int, error) { asked++; return 0, &Error{Status: 500, Code: 50001} })
		if err == nil {
			t.Fatal("got no error")
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times, want twice", asked)
	}
}

// TestTokens looks at the claims of tokens that have some.
func TestTokens(t *testing.T) {
	t.Parallel()
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".hunter2"
	}
	for _, tt := range []struct {
		token, says string
		ends        int64
	}{
		{"hunter2", "", 0},
		{"a.b.hunter2", "", 0},
		{jwt(`{"sub":"me","exp":4102444800}`), "", 4102444800},
		{jwt(`{"sub":"me","exp":4102444800.5,"scope":["a","b"]}`), "", 4102444800},
		{jwt(`{"sub":"me","exp":4102444800,"scope":"a b"}`), "", 4102444800},
		{jwt(`{"exp":4102444800}`), "bearer.auth.sub.claim.name", 0},
		{jwt(`{"sub":" ","exp":4102444800}`), "no subject under sub", 0},
		{jwt(`{"sub":"me","exp":4102444800,"scope":5}`), "bearer.auth.scope.claim.name", 0},
		{jwt(`{"sub":"me","exp":4102444800,"scope":[5]}`), "no list of texts", 0},
		{jwt(`{"sub":"me"}`), "when it ends", 0},
	} {
		set := defaults()
		end, err := set.checkToken(tt.token)
		switch {
		case tt.says == "" && (err != nil || tt.ends != 0 && end.Unix() != tt.ends || tt.ends == 0 && !end.IsZero()):
			t.Errorf("%s: got %v (%v), want %d", tt.token, end, err, tt.ends)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: got %v, want %q", tt.token, err, tt.says)
		}
	}
	set := defaults()
	set.SubClaim, set.ScopeClaim = "who", "what"
	if _, err := set.checkToken(jwt(`{"who":"me","what":["a"],"exp":4102444800}`)); err != nil {
		t.Error(err)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	reg, _ := fake(t)
	reg.SeedSchema("base", 1, 1, avroText("base"))
	reg.SeedSchema("mid", 3, 2, sr.Schema{Schema: avroText("mid").Schema, References: []sr.SchemaReference{{Name: "b", Subject: "base", Version: 1}}})
	c := converter(t, plain{}, plugin.ValueUse, reg.URL())
	text, err := c.client.textOf(t.Context(), answer{References: []sr.SchemaReference{{Name: "m", Subject: "mid", Version: 3}, {Name: "b", Subject: "base", Version: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Reference{{"b", avroText("base").Schema}, {"m", avroText("mid").Schema}}
	if fmt.Sprint(text.Resolved) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", text.Resolved, want)
	}
}

// TestOneAsksForAll has many ask for the same at a time.
func TestOneAsksForAll(t *testing.T) {
	t.Parallel()
	reg, n := fake(t)
	reg.SeedSchema("s", 1, 1, avroText("a"))
	release := make(chan struct{})
	reg.Intercept(func(http.ResponseWriter, *http.Request) bool { <-release; return false })
	c := converter(t, plain{}, plugin.ValueUse, reg.URL())
	var wg sync.WaitGroup
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Add(1)
		wg.Go(func() {
			waiting.Done()
			if a, err := c.client.schemaOf(t.Context(), 1, "s"); err != nil || a.Schema == "" {
				t.Errorf("got %+v (%v)", a, err)
			}
		})
	}
	waiting.Wait()
	close(release)
	wg.Wait()
	if got := n.Load(); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
}

func TestStopEndsWaiting(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // or the server does not see the client leave
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	c := converter(t, plain{}, plugin.ValueUse, server.URL)
	ctx, stop := contextWithStop(t)
	go func() { <-asked; stop() }()
	_, err := c.AppendMessage(ctx, []byte{}, &plugin.Message{Topic: "t"}, named("a", "x"))
	if _, retry := plugin.IsRetry(err); err == nil || retry {
		t.Errorf("got %v, want an error that is not tried again", err)
	}
}

func contextWithStop(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// TestTLS: a server whose certificate is trusted, one whose is not, and one that wants to know who asks.
func TestTLS(t *testing.T) {
	t.Parallel()
	reg := srfake.NewRegistry()
	server := httptest.NewTLSServer(reg.Handler())
	t.Cleanup(server.Close)
	trust := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	file := filepath.Join(t.TempDir(), "trust.pem")
	if err := os.WriteFile(file, []byte(trust), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, settings := range [][]string{
		{"schema.registry.ssl.truststore.type", "PEM", "schema.registry.ssl.truststore.certificates", trust},
		{"schema.registry.ssl.truststore.location", file, "schema.registry.ssl.truststore.type", "PEM"},
		{"schema.registry.ssl.truststore.type", "PEM", "schema.registry.ssl.truststore.certificates", trust, "schema.registry.ssl.endpoint.identification.algorithm", ""},
	} {
		write(t, converter(t, plain{}, plugin.ValueUse, server.URL, settings...), "t", named("a", "x"))
	}
	stranger := converter(t, plain{}, plugin.ValueUse, server.URL, "max.retries", "0")
	if _, err := stranger.AppendData([]byte{}, "t", named("a", "x")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want a certificate that nobody trusts", err)
	}

	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	own := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	var asked atomic.Int64
	strict := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(int64(len(r.TLS.PeerCertificates)))
		reg.Handler().ServeHTTP(w, r)
	}))
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	strict.StartTLS()
	t.Cleanup(strict.Close)
	write(t, converter(t, plain{}, plugin.ValueUse, strict.URL, "schema.registry.ssl.truststore.type", "PEM", "schema.registry.ssl.truststore.certificates", trust,
		"schema.registry.ssl.keystore.type", "PEM", "schema.registry.ssl.keystore.key", own, "schema.registry.ssl.keystore.certificate.chain", trust), "t", named("a", "x"))
	if asked.Load() != 1 {
		t.Errorf("the server saw %d certificates, want 1", asked.Load())
	}
}

// TestStores: key and trust stores as keytool writes them.
func TestStores(t *testing.T) {
	t.Parallel()
	const dir = "../../engine/ssl/testdata/"
	const ssl = "schema.registry.ssl."
	stores := map[string][]string{
		"jks": {ssl + "keystore.location", dir + "keytool.jks", ssl + "keystore.password", "storeword", ssl + "key.password", "wordofkey", ssl + "truststore.location", dir + "trust.jks", ssl + "truststore.password", "storeword"},
		"p12": {ssl + "keystore.type", "PKCS12", ssl + "keystore.location", dir + "keytool.p12", ssl + "keystore.password", "storeword", ssl + "truststore.type", "PKCS12", ssl + "truststore.location", dir + "trust.p12", ssl + "truststore.password", "storeword"},
	}
	config := plugin.Config{}
	for i := 0; i < len(stores["jks"]); i += 2 {
		config[stores["jks"][i]] = stores["jks"][i+1]
	}
	own, err := tlsOf(config).Config()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := own.GetClientCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	reg := srfake.NewRegistry()
	server := httptest.NewUnstartedServer(reg.Handler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}, ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	for kind, settings := range stores {
		// The certificate is of a name that no host has.
		c := converter(t, plain{}, plugin.ValueUse, server.URL, append(settings, ssl+"endpoint.identification.algorithm", "")...)
		if got, want := write(t, c, "t", named("a", "x")), "000000000178"; got != want {
			t.Errorf("%s: got %s, want %s", kind, got, want)
		}
		c = converter(t, plain{}, plugin.ValueUse, server.URL, append(settings, "max.retries", "0")...)
		if _, err := c.AppendData([]byte{}, "t", named("a", "x")); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: got %v, want a certificate of another name", kind, err)
		}
	}
}
