package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// client asks a registry and remembers what cannot change. It is safe for concurrent use.
type client struct {
	servers []*sr.Client // in the order in which they are tried
	set     settings

	registered memo[textKey, answer]
	lookedUp   memo[textKey, answer]
	byID       memo[idKey, answer]
	byGUID     memo[string, answer]
	versions   memo[versionKey, answer]
	latest     memo[string, answer]
	subjects   memo[string, string]
}

type (
	textKey struct {
		subject, schema, references string
		deleted                     bool
	}
	idKey struct {
		id      uint32
		subject string
	}
	versionKey struct {
		subject string
		version int
	}
)

// answer is what the registry says of a schema; which members it has depends on the question and on the registry.
type answer struct {
	ID         int                  `json:"id"`
	GUID       string               `json:"guid"`
	Version    int                  `json:"version"`
	Schema     string               `json:"schema"`
	Type       string               `json:"schemaType"` // "" is AVRO
	References []sr.SchemaReference `json:"references"`
	Metadata   struct {
		Properties map[string]string `json:"properties"`
	} `json:"metadata"`
	RuleSet struct {
		Domain   []rule `json:"domainRules"`
		Encoding []rule `json:"encodingRules"`
	} `json:"ruleSet"`
}

type rule struct {
	Disabled bool `json:"disabled"`
}

// newClient makes a client; it opens nothing. Extra are headers of every request.
func newClient(set settings, secured *tls.Config, extra map[string]string) (*client, error) {
	c := &client{set: set}
	c.registered.most, c.lookedUp.most, c.byID.most, c.byGUID.most, c.versions.most = set.Most, set.Most, set.Most, set.Most, set.Most
	c.subjects.most, c.latest.most = set.SubjectMost, set.LatestSize
	for _, ttl := range []*time.Duration{&c.registered.ttl, &c.lookedUp.ttl, &c.byID.ttl, &c.byGUID.ttl, &c.versions.ttl} {
		*ttl = -1
	}
	c.latest.ttl, c.subjects.ttl = time.Duration(set.LatestTTL)*time.Second, time.Duration(set.SubjectTTL)*time.Second
	for _, most := range []*int{&c.byID.mostMissing, &c.byGUID.mostMissing, &c.lookedUp.mostMissing, &c.versions.mostMissing} {
		*most = set.MissingMost
	}
	c.byID.missingTTL, c.lookedUp.missingTTL = time.Duration(set.MissingID)*time.Second, time.Duration(set.MissingText)*time.Second
	c.byGUID.missingTTL, c.versions.missingTTL = c.byID.missingTTL, time.Duration(set.MissingVersion)*time.Second
	transport := set.transport(secured)
	auth := &authorizer{set: set, http: &http.Client{Transport: transport, Timeout: set.timeout()}}
	for _, text := range set.URLs {
		s, err := newServer(text, set, transport, auth, extra)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, s)
	}
	if set.Randomize {
		rand.Shuffle(len(c.servers), func(i, j int) { c.servers[i], c.servers[j] = c.servers[j], c.servers[i] })
	}
	return c, nil
}

// newServer is a client of one address. User and password leave the address, so that no message shows them.
func newServer(text string, set settings, transport http.RoundTripper, auth *authorizer, extra map[string]string) (*sr.Client, error) {
	u, err := url.Parse(withScheme(text))
	if err != nil {
		return nil, errors.New("an address of the registry does not parse")
	}
	opts := []sr.ClientOpt{
		sr.HTTPClient(&http.Client{Transport: bounded{transport}, Timeout: set.timeout()}),
		sr.UserAgent("penstock"),
	}
	user := u.User
	u.User = nil
	opts = append(opts, sr.URLs(u.String()), sr.PreReq(func(r *http.Request) error {
		r.Header.Set("Confluent-Accept-Unknown-Properties", "true")
		for name, value := range extra {
			r.Header.Set(name, value)
		}
		return auth.authorize(r, user)
	}))
	return sr.NewClient(opts...)
}

func (s *settings) timeout() time.Duration {
	if s.ConnectTimeout == 0 || s.ReadTimeout == 0 {
		return 0
	}
	return s.ConnectTimeout + s.ReadTimeout
}

// transport makes a connection for each question. Questions are few, one or two a schema, and a connection that is kept
// would need somebody to close it.
func (s *settings) transport(config *tls.Config) *http.Transport {
	t := &http.Transport{
		DisableKeepAlives:     true,
		TLSClientConfig:       config,
		DialContext:           (&net.Dialer{Timeout: s.ConnectTimeout}).DialContext,
		TLSHandshakeTimeout:   s.ConnectTimeout,
		ResponseHeaderTimeout: s.ReadTimeout,
	}
	if s.ProxyHost != "" {
		t.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: net.JoinHostPort(s.ProxyHost, strconv.Itoa(s.ProxyPort))})
	}
	return t
}

// mostAnswer bounds an answer. Schemas of a megabyte exist, of ten not.
const mostAnswer = 16 << 20

// bounded ends the reading of answers that are too long.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, mostAnswer}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", mostAnswer)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// ask puts a question to the addresses in turn; each is asked again for answers and failures that pass.
func (c *client) ask(ctx context.Context, method, path string, query url.Values, body any) (a answer, err error) {
	ctx = sr.WithParams(ctx, sr.RawParams(query))
	for _, s := range c.servers {
		if err = c.askOne(ctx, s, method, path, body, &a); err == nil || !passing(err) || ctx.Err() != nil {
			break
		}
	}
	return a, explain(ctx, err)
}

func (c *client) askOne(ctx context.Context, s *sr.Client, method, path string, body any, into any) error {
	for attempt := 0; ; attempt++ {
		err := s.Do(ctx, method, path, body, into)
		if err == nil || attempt == c.set.Retries || !passing(err) || ctx.Err() != nil {
			return err
		}
		most := min(c.set.Wait<<min(attempt, 20), c.set.MostWait)
		timer := time.NewTimer(time.Duration(rand.Int64N(int64(max(most, time.Millisecond)))) + 1)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// registration is a schema to be registered.
type registration struct {
	sr.Schema
	Tags bool `json:"propagateSchemaTags,omitempty"`
}

// register adds a schema to a subject, or finds it there.
func (c *client) register(ctx context.Context, subject string, t Text, kind sr.SchemaType) (answer, error) {
	return c.registered.get(ctx, keyOf(subject, t, false), func(ctx context.Context) (answer, error) {
		return c.ask(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject)+"/versions",
			url.Values{"normalize": {strconv.FormatBool(c.set.Normalize)}},
			registration{sr.Schema{Schema: t.Schema, Type: kind, References: t.References}, c.set.Tags})
	})
}

// lookUp finds a schema under a subject. Deleted ones count when the version of what was read is wanted.
func (c *client) lookUp(ctx context.Context, subject string, t Text, kind sr.SchemaType, deleted bool) (answer, error) {
	return c.lookedUp.get(ctx, keyOf(subject, t, deleted), func(ctx context.Context) (answer, error) {
		return c.ask(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject),
			url.Values{"normalize": {strconv.FormatBool(c.set.Normalize)}, "deleted": {strconv.FormatBool(deleted)}},
			sr.Schema{Schema: t.Schema, Type: kind, References: t.References})
	})
}

func keyOf(subject string, t Text, deleted bool) textKey {
	var refs strings.Builder
	for _, r := range t.References {
		fmt.Fprintf(&refs, "%q %q %d;", r.Name, r.Subject, r.Version)
	}
	return textKey{subject, t.Schema, refs.String(), deleted}
}

// schemaOf is the schema of an id; the subject, which may be "", says in which context the id counts.
func (c *client) schemaOf(ctx context.Context, id uint32, subject string) (answer, error) {
	return c.byID.get(ctx, idKey{id, subject}, func(ctx context.Context) (answer, error) {
		query := url.Values{"fetchMaxId": {"false"}}
		if subject != "" {
			query.Set("subject", subject)
		}
		a, err := c.ask(ctx, http.MethodGet, "/schemas/ids/"+strconv.FormatUint(uint64(id), 10), query, nil)
		a.ID = int(id)
		return a, err
	})
}

// schemaOfGUID is the schema of a GUID.
func (c *client) schemaOfGUID(ctx context.Context, guid string) (answer, error) {
	return c.byGUID.get(ctx, guid, func(ctx context.Context) (answer, error) {
		a, err := c.ask(ctx, http.MethodGet, "/schemas/guids/"+url.PathEscape(guid), nil, nil)
		a.GUID = guid
		return a, err
	})
}

// newest is the newest schema of a subject, of those with the properties if there are any.
func (c *client) newest(ctx context.Context, subject string) (answer, error) {
	return c.latest.get(ctx, subject, func(ctx context.Context) (answer, error) {
		if c.set.Metadata == "" {
			return c.ask(ctx, http.MethodGet, "/subjects/"+url.PathEscape(subject)+"/versions/latest", nil, nil)
		}
		query := url.Values{"deleted": {"true"}}
		for p := range strings.SplitSeq(c.set.Metadata, ",") {
			key, value, _ := strings.Cut(strings.Trim(strings.TrimSpace(p), "'"), "=")
			query.Add("key", key)
			query.Add("value", value)
		}
		return c.ask(ctx, http.MethodGet, "/subjects/"+url.PathEscape(subject)+"/metadata", query, nil)
	})
}

// mostReferences bounds what one schema may refer to, directly and indirectly.
const mostReferences = 1000

// textOf is an answer's schema with all that it refers to.
func (c *client) textOf(ctx context.Context, a answer) (Text, error) {
	t := Text{Schema: a.Schema, References: a.References, Properties: a.Metadata.Properties}
	for _, rules := range [][]rule{a.RuleSet.Domain, a.RuleSet.Encoding} {
		for _, r := range rules {
			t.Rules = t.Rules || !r.Disabled
		}
	}
	err := c.resolve(ctx, a.References, &t.Resolved, map[string]bool{})
	return t, err
}

func (c *client) resolve(ctx context.Context, refs []sr.SchemaReference, into *[]Reference, seen map[string]bool) error {
	for _, r := range refs {
		if seen[r.Name] {
			continue
		}
		seen[r.Name] = true
		if len(seen) > mostReferences {
			return fmt.Errorf("a schema refers to more than %d others", mostReferences)
		}
		a, err := c.versions.get(ctx, versionKey{r.Subject, r.Version}, func(ctx context.Context) (answer, error) {
			return c.ask(ctx, http.MethodGet, "/subjects/"+url.PathEscape(r.Subject)+"/versions/"+strconv.Itoa(r.Version), url.Values{"deleted": {"true"}}, nil)
		})
		if err != nil {
			return fmt.Errorf("find version %d of subject %s, to which a schema refers as %s: %w", r.Version, r.Subject, r.Name, err)
		}
		if err := c.resolve(ctx, a.References, into, seen); err != nil {
			return err
		}
		*into = append(*into, Reference{r.Name, a.Schema})
	}
	return nil
}

// associated is the subject that the registry associates with a topic, "" for none.
func (c *client) associated(ctx context.Context, topic, kind string) (string, error) {
	return c.subjects.get(ctx, topic, func(ctx context.Context) (string, error) {
		cluster := c.set.ClusterID
		if cluster == "" {
			cluster = "-"
		}
		ctx = sr.WithParams(ctx, sr.RawParams(url.Values{"resourceType": {"topic"}, "associationType": {kind}}))
		var found []struct {
			Subject string `json:"subject"`
		}
		path := "/associations/resources/" + url.PathEscape(cluster) + "/" + url.PathEscape(topic)
		var err error
		for _, s := range c.servers {
			if err = c.askOne(ctx, s, http.MethodGet, path, nil, &found); err == nil || !passing(err) || ctx.Err() != nil {
				break
			}
		}
		err = explain(ctx, err)
		if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound {
			return "", nil
		}
		switch {
		case err != nil:
			return "", err
		case len(found) > 1:
			return "", fmt.Errorf("Multiple associated subjects found for topic %s", topic) //nolint:staticcheck // Confluent's words
		case len(found) == 0:
			return "", nil
		}
		return found[0].Subject, nil
	})
}
