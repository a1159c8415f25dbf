package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/sasl/oauth"

	"github.com/penstock/penstock/engine/ssl"
)

// Properties of OAUTHBEARER (KIP-768, KIP-1139).
const (
	tokenURL        = "sasl.oauthbearer.token.endpoint.url"
	tokenRetriever  = "sasl.oauthbearer.jwt.retriever.class"
	tokenClientID   = "sasl.oauthbearer.client.credentials.client.id"
	tokenClientWord = "sasl.oauthbearer.client.credentials.client.secret"
	tokenScope      = "sasl.oauthbearer.scope"
	connectTimeout  = "sasl.login.connect.timeout.ms"
	readTimeout     = "sasl.login.read.timeout.ms"
)

const (
	// largestToken bounds the answer of an endpoint.
	largestToken = 1 << 20
	// tokenTimeout bounds one request for a token where nothing else is said.
	tokenTimeout = 10 * time.Second
	// tokenShare is how much of its life a token is used for (Kafka: sasl.login.refresh.window.factor).
	tokenShare = 0.8
)

// tokens gets bearer tokens by client credentials (RFC 6749 §4.4), or from a file.
type tokens struct {
	url               *url.URL
	id, secret, scope string
	encode            bool
	timeout           time.Duration
	extensions        map[string]string
	tls               *settings // the JAAS options ssl.*; nil: the system's authorities
	client            *http.Client
	mu                sync.Mutex
	token             string
	until             time.Time
}

// readTokens reads where tokens come from; nil when something is wrong.
func (s *settings) readTokens(options map[string]string, wrong func(key, reason string)) *tokens {
	t := &tokens{extensions: map[string]string{}, encode: s.encodeLogin}
	given := map[string]string{}
	for name, value := range options {
		if e, ok := strings.CutPrefix(name, "extension_"); ok {
			t.extensions[e] = value
		}
		if strings.HasPrefix(name, "ssl.") {
			given[name] = value
		}
	}
	if len(given) > 0 {
		t.tls = newSettings(given, s.log)
	}
	if !s.tokenClasses(wrong) || !s.tokenPlace(t, wrong) || !s.tokenTimes(t, wrong) {
		return nil
	}
	t.id = cmp.Or(s.value(tokenClientID), options["clientId"])
	t.secret = cmp.Or(s.value(tokenClientWord), options["clientSecret"])
	t.scope = cmp.Or(s.value(tokenScope), options["scope"])
	if t.url.Scheme != "file" && (t.id == "" || t.secret == "") {
		wrong(jaasConfig, "Mechanism OAUTHBEARER needs the client's id and secret: "+tokenClientID+" and "+tokenClientWord+", or clientId and clientSecret in "+jaasConfig+".")
		return nil
	}
	return t
}

// tokenPlace reads the endpoint.
func (s *settings) tokenPlace(t *tokens, wrong func(key, reason string)) bool {
	u, err := url.Parse(s.value(tokenURL))
	switch {
	case s.value(tokenURL) == "":
		wrong(tokenURL, "Mechanism OAUTHBEARER needs "+tokenURL+": where tokens are asked for.")
		return false
	case err != nil, u.Scheme != "file" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == ""):
		wrong(tokenURL, unusable(tokenURL, "it is not a URL of https, http or file.").Reason)
		return false
	}
	t.url = u
	return true
}

// tokenTimes reads the bounds of a request. One is for the whole, so the shorter ones of its parts need none.
func (s *settings) tokenTimes(t *tokens, wrong func(key, reason string)) bool {
	var whole time.Duration
	for _, key := range []string{connectTimeout, readTimeout} {
		if s.value(key) == "" {
			continue
		}
		n, err := number(key, s.value(key), 32, 1, int64(time.Hour/time.Millisecond))
		if err != nil {
			wrong(key, err.Error())
			return false
		}
		whole += time.Duration(n) * time.Millisecond
	}
	t.timeout = cmp.Or(whole, tokenTimeout)
	return true
}

// tokenClasses accepts the Java classes whose work is done here.
func (s *settings) tokenClasses(wrong func(key, reason string)) bool {
	for key, names := range map[string]string{
		loginHandler:   "OAuthBearerLoginCallbackHandler",
		tokenRetriever: "DefaultJwtRetriever ClientCredentialsJwtRetriever FileJwtRetriever",
	} {
		class := s.value(key)
		if class == "" {
			continue
		}
		simple := class[strings.LastIndexByte(class, '.')+1:]
		if !strings.HasPrefix(class, "org.apache.kafka.common.security.oauthbearer.") || !strings.Contains(" "+names+" ", " "+simple+" ") {
			wrong(key, unusable(key, noClasses+", except what Kafka's "+strings.ReplaceAll(names, " ", ", ")+" do.").Reason)
			return false
		}
	}
	return true
}

// open makes the client that asks for tokens.
func (t *tokens) open() error {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if t.tls != nil {
		config, err := ssl.NewRotating(t.tls.tls(), t.tls.log)
		if err != nil {
			return err
		}
		transport.TLSClientConfig = config.Now() // behind a proxy; the rest dials by itself
		transport.DialTLSContext = encrypted((&net.Dialer{}).DialContext, config)
	}
	t.client = &http.Client{Transport: transport, Timeout: t.timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // credentials go to the place that was named and nowhere else
	}}
	return nil
}

// auth gives the token for one login, the last one while most of its life is left.
func (t *tokens) auth(ctx context.Context) (oauth.Auth, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == "" || !time.Now().Before(t.until) {
		token, life, err := t.ask(ctx)
		if err != nil {
			return oauth.Auth{}, &tokenError{t.url.Redacted(), err}
		}
		t.token, t.until = token, time.Now().Add(time.Duration(float64(life)*tokenShare))
	}
	return oauth.Auth{Token: t.token, Extensions: t.extensions}, nil
}

// tokenError is a token that could not be had.
type tokenError struct {
	url string
	err error
}

func (e *tokenError) Error() string { return fmt.Sprintf("get a token from %s: %v", e.url, e.err) }
func (e *tokenError) Unwrap() error { return e.err }

// ask gets a new token and says how long it lives; one that does not say is used once.
func (t *tokens) ask(ctx context.Context) (string, time.Duration, error) {
	if t.url.Scheme == "file" {
		text, err := os.ReadFile(t.url.Path)
		if err != nil {
			return "", 0, err
		}
		return strings.TrimSpace(string(text)), 0, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if t.scope != "" {
		form.Set("scope", t.scope)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, errors.New("the request cannot be made")
	}
	id, secret := t.id, t.secret
	if t.encode {
		id, secret = url.QueryEscape(id), url.QueryEscape(secret)
	}
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	answer, err := t.client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(io.LimitReader(answer.Body, largestToken))
	if err != nil {
		return "", 0, err
	}
	return readToken(answer.StatusCode, body)
}

// readToken reads the answer of an endpoint (RFC 6749 §5). Of a refusal only the code is told: other words may hold what
// was sent.
func readToken(status int, body []byte) (string, time.Duration, error) {
	var a struct {
		Token   string  `json:"access_token"`
		Seconds float64 `json:"expires_in"`
		Error   string  `json:"error"`
	}
	err := json.Unmarshal(body, &a)
	switch {
	case status != http.StatusOK && err == nil && wellKnown(a.Error):
		return "", 0, errors.New("the answer is " + strconv.Itoa(status) + " " + a.Error)
	case status != http.StatusOK:
		return "", 0, errors.New("the answer is " + strconv.Itoa(status) + " " + http.StatusText(status))
	case err != nil || a.Token == "":
		return "", 0, errors.New("the answer holds no access_token")
	}
	return a.Token, time.Duration(a.Seconds * float64(time.Second)), nil
}

// wellKnown reports whether a code is one of RFC 6749 §5.2.
func wellKnown(code string) bool {
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		return true
	}
	return false
}
