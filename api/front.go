package api

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// front is what every request passes first: paths that nobody may ask for are refused, configured headers and those of
// CORS are added, and a handler that panics answers 500.
func (s *Server) front(next http.Handler, decorated bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // a panic value
					panic(p)
				}
				s.Logger.Error("a REST handler panicked", "method", r.Method, "panic", p)
				send(w, answer{}, failure(http.StatusInternalServerError, "This call failed because of a mistake in the program; the log has more"))
			}
		}()
		path, refusal := cleanPath(r.RequestURI)
		if refusal != "" {
			send(w, answer{}, failure(http.StatusBadRequest, "%s", refusal))
			return
		}
		unescaped, err := url.PathUnescape(path)
		if err != nil {
			send(w, answer{}, failure(http.StatusBadRequest, "Bad Request"))
			return
		}
		if decorated {
			for _, rule := range s.headers {
				rule.apply(w.Header())
			}
			s.cors.apply(w.Header(), r)
		}
		clean := r.Clone(r.Context())
		clean.URL.Path, clean.URL.RawPath = unescaped, path
		next.ServeHTTP(w, clean)
		s.Logger.Debug("a REST call", "method", r.Method, "path", path)
	})
}

// cleanPath takes the path, as it was sent, out of a request target, without matrix parameters; or says why Jetty 12
// refuses it (org.eclipse.jetty.http.UriCompliance.DEFAULT).
func cleanPath(target string) (path, refusal string) {
	path, _, _ = strings.Cut(target, "?")
	if path == "*" {
		return "/*", ""
	}
	if _, rest, absolute := strings.Cut(path, "://"); absolute && !strings.HasPrefix(path, "/") {
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segment, _, _ = strings.Cut(segment, ";")
		if refusal := refuseSegment(segment); refusal != "" {
			return "", refusal
		}
		segments[i] = segment
	}
	// Looked at last: a parameter may have been all there was in a segment.
	if path = strings.Join(segments, "/"); strings.Contains(path, "//") {
		return "", "Ambiguous URI empty segment"
	}
	return path, ""
}

func refuseSegment(segment string) string {
	if strings.ContainsAny(segment, "|\\\"<>^`{}") {
		return "Illegal Path Character"
	}
	text, err := url.PathUnescape(segment)
	switch {
	case err != nil, strings.Contains(text, "\x00"):
		return "Bad Request"
	case !utf8.ValidString(text):
		return "Bad UTF-8 encoding"
	case (text == "." || text == "..") && text != segment:
		return "Ambiguous URI path segment"
	case strings.Contains(text, "/"):
		return "Ambiguous URI path separator"
	case strings.Contains(text, "%"):
		return "Ambiguous URI path encoding"
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }):
		return "Suspicious Path Character"
	}
	return ""
}

// headerRule is one rule of response.http.headers.config (KIP-577).
type headerRule struct {
	add         bool
	date        bool
	name, value string
	offset      time.Duration
}

func (h headerRule) apply(to http.Header) {
	value := h.value
	if h.date {
		value = time.Now().Add(h.offset).UTC().Format(http.TimeFormat)
	}
	if h.add {
		to.Add(h.name, value)
	} else {
		to.Set(h.name, value)
	}
}

// parseHeaderRules reads rules such as `set X-Frame-Options: DENY`, separated by commas, in quotes where they hold one
// (Kafka Connect: RestServerConfig.validateHttpResponseHeaderConfig).
func parseHeaderRules(text string) ([]headerRule, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	reader := csv.NewReader(strings.NewReader(text))
	reader.LazyQuotes, reader.TrimLeadingSpace = true, true
	fields, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("response.http.headers.config: %w", err)
	}
	rules := make([]headerRule, 0, len(fields))
	for _, field := range fields {
		rule, err := parseHeaderRule(strings.TrimSpace(field))
		if err != nil {
			return nil, fmt.Errorf("response.http.headers.config: %w", err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func parseHeaderRule(text string) (headerRule, error) {
	action, header, found := strings.Cut(text, " ")
	if !found {
		return headerRule{}, fmt.Errorf("Invalid format of header config '%s'. Expected: '[action] [header name]:[header value]'", text) //nolint:staticcheck // Kafka Connect's text
	}
	var r headerRule
	switch strings.ToLower(action) {
	case "set":
	case "add":
		r.add = true
	case "setdate":
		r.date = true
	case "adddate":
		r.add, r.date = true, true
	default:
		return headerRule{}, fmt.Errorf("Invalid header config action: '%s'. Expected one of [set, add, setDate, addDate]", action) //nolint:staticcheck // Kafka Connect's text
	}
	parts := strings.Split(strings.TrimSpace(header), ":")
	if len(parts) != 2 {
		return headerRule{}, fmt.Errorf("Invalid format of header name and header value pair '%s'. Expected: '[header name]:[header value]'", header) //nolint:staticcheck // Kafka Connect's text
	}
	r.name, r.value = strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1])
	if r.name == "" || strings.ContainsAny(r.name, " \t") {
		return headerRule{}, fmt.Errorf("Invalid header name '%s'. The '[header name]' cannot contain whitespace", r.name) //nolint:staticcheck // Kafka Connect's text
	}
	if r.date {
		millis, err := strconv.ParseInt(r.value, 10, 64)
		if err != nil {
			return headerRule{}, fmt.Errorf("the offset of %s must be a number of milliseconds, not %q", r.name, r.value)
		}
		r.offset = time.Duration(millis) * time.Millisecond
	}
	return r, nil
}

// cors tells browsers which pages may read answers (Jetty 12: CrossOriginHandler). The zero value is off.
type cors struct {
	on      bool
	any     bool
	origins []*regexp.Regexp
	methods string
}

func newCORS(origin string, methods []string) (cors, error) {
	var c cors
	for pattern := range strings.SplitSeq(origin, ",") {
		switch pattern = strings.TrimSpace(pattern); pattern {
		case "":
			continue
		case "*":
			c.any = true
		default:
			re, err := regexp.Compile(`^(?:` + pattern + `)$`)
			if err != nil {
				return cors{}, fmt.Errorf("access.control.allow.origin: %w", err)
			}
			c.origins = append(c.origins, re)
		}
		c.on = true
	}
	if len(methods) == 0 {
		methods = []string{http.MethodGet, http.MethodPost, http.MethodHead}
	}
	c.methods = strings.Join(methods, ",")
	return c, nil
}

func (c cors) apply(h http.Header, r *http.Request) {
	if !c.on {
		return
	}
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !c.any && !slices.ContainsFunc(c.origins, func(re *regexp.Regexp) bool { return re.MatchString(origin) }) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", c.methods)
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		h.Set("Access-Control-Max-Age", "60")
	}
}
