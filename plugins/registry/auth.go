package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/plugin"
)

// authorizer says who asks. It is safe for concurrent use.
type authorizer struct {
	set  settings
	http *http.Client // for tokens

	mu    sync.Mutex
	token string
	until time.Time
}

// authorize sets the headers of a request; user is what the address named.
func (a *authorizer) authorize(r *http.Request, user *url.Userinfo) error {
	if a.set.Cluster != "" {
		r.Header.Set("target-sr-cluster", a.set.Cluster)
	}
	if a.set.Pool != "" {
		r.Header.Set("Confluent-Identity-Pool-Id", a.set.Pool)
	}
	info := a.set.UserInfo
	if info == "" {
		info = a.set.OwnUserInfo
	}
	switch {
	case a.set.BearerSource == "OAUTHBEARER":
		token, err := a.current(r.Context())
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	case a.set.Token != "":
		r.Header.Set("Authorization", "Bearer "+string(a.set.Token))
	case a.set.AuthSource == "USER_INFO" && info != "":
		name, password, _ := strings.Cut(string(info), ":")
		r.SetBasicAuth(name, password)
	case user != nil:
		password, _ := user.Password()
		r.SetBasicAuth(user.Username(), password)
	}
	return nil
}

// current is a token that is still good (RFC 6749, section 4.4).
func (a *authorizer) current(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && time.Now().Before(a.until) {
		return a.token, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if a.set.Scope != "" {
		form.Set("scope", a.set.Scope)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.set.Issuer, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(a.set.ClientID), url.QueryEscape(string(a.set.ClientSecret)))
	resp, err := a.http.Do(r)
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	var got struct {
		Token   string `json:"access_token"`
		Seconds int    `json:"expires_in"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return "", fmt.Errorf("ask for a token: %w", err)
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("ask for a token: the endpoint answers %s", resp.Status)
	case json.Unmarshal(body, &got) != nil || got.Token == "":
		return "", errors.New("ask for a token: the endpoint's answer has none")
	}
	a.token = got.Token
	a.until = time.Now().Add(time.Duration(got.Seconds-a.set.TokenBuffer) * time.Second)
	return a.token, nil
}

const pemOnly = "only PEM is read here; keytool and openssl turn the others into it"

// checkTLS checks what needs no file.
func (s *settings) checkTLS() error {
	for key, kind := range map[string]string{"schema.registry.ssl.truststore.type": s.TrustType, "schema.registry.ssl.keystore.type": s.KeyType} {
		if kind != "" && !strings.EqualFold(kind, "PEM") {
			return plugin.Invalid(key, kind, pemOnly)
		}
	}
	if s.HostCheck != nil && *s.HostCheck != "" && !strings.EqualFold(*s.HostCheck, "https") {
		return plugin.Invalid("schema.registry.ssl.endpoint.identification.algorithm", *s.HostCheck, "it is https, or empty")
	}
	return nil
}

// tls opens the stores.
func (s *settings) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	trusted, err := pemOf("schema.registry.ssl.truststore.location", s.TrustLocation, s.TrustCerts)
	if err != nil {
		return nil, err
	}
	if len(trusted) > 0 {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(trusted) {
			return nil, &plugin.ConfigError{Key: "schema.registry.ssl.truststore.location", Reason: "The trust store has no certificate in PEM."}
		}
	}
	own, err := pemOf("schema.registry.ssl.keystore.location", s.KeyLocation, string(s.Key)+"\n"+s.Chain)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(string(own)) != "" {
		cert, err := tls.X509KeyPair(own, own)
		if err != nil {
			return nil, &plugin.ConfigError{Key: "schema.registry.ssl.keystore.location", Reason: "The key store needs a private key, not encrypted, and its certificates, both in PEM."}
		}
		c.Certificates = []tls.Certificate{cert}
	}
	if s.HostCheck != nil && *s.HostCheck == "" {
		anyHost(c)
	}
	return c, nil
}

// anyHost switches off the check of the host's name, and nothing else.
func anyHost(c *tls.Config) {
	c.InsecureSkipVerify = true // VerifyConnection does the rest of the check
	c.VerifyConnection = func(state tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, cert := range state.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: c.RootCAs, Intermediates: between})
		return err
	}
}

func pemOf(key, location, inline string) ([]byte, error) {
	if location == "" {
		return []byte(inline), nil
	}
	b, err := os.ReadFile(location)
	if err != nil {
		return nil, &plugin.ConfigError{Key: key, Reason: fmt.Sprintf("%s: %v", key, err)}
	}
	return b, nil
}
