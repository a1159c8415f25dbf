package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
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
	r.SetBasicAuth(a.set.ClientID, string(a.set.ClientSecret)) // as they are, which is what Confluent's client sends
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
	end, err := a.set.checkToken(got.Token)
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	if end.IsZero() {
		end = time.Now().Add(time.Duration(got.Seconds) * time.Second)
	}
	a.token, a.until = got.Token, end.Add(-time.Duration(a.set.TokenBuffer)*time.Second)
	return a.token, nil
}

// checkToken looks at the claims of a token that is a JWT (Kafka: ClientJwtValidator) and gives the time at which it ends.
// Of any other token it knows nothing, and the time is zero. Errors do not show the token (invariant 6).
func (s *settings) checkToken(token string) (end time.Time, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return end, nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims map[string]any
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return end, nil
	}
	if subject, _ := claims[s.SubClaim].(string); strings.TrimSpace(subject) == "" {
		return end, fmt.Errorf("the token has no subject under %s (bearer.auth.sub.claim.name)", s.SubClaim)
	}
	switch scope := claims[s.ScopeClaim].(type) {
	case nil, string:
	case []any:
		if slices.ContainsFunc(scope, func(v any) bool { _, is := v.(string); return !is }) {
			return end, fmt.Errorf("the token's scope under %s (bearer.auth.scope.claim.name) is no list of texts", s.ScopeClaim)
		}
	default:
		return end, fmt.Errorf("the token's scope under %s (bearer.auth.scope.claim.name) is neither a text nor a list", s.ScopeClaim)
	}
	seconds, is := claims["exp"].(float64)
	if !is || seconds < 0 || seconds > 1<<40 {
		return end, errors.New("the token does not say when it ends (exp)")
	}
	return time.Unix(int64(seconds), 0), nil
}
