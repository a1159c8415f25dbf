package api

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/penstock/penstock/store"
)

// Mark says who applied a configuration; workers of ours keep it beside the configuration (decision D6).
type Mark = store.Mark

// The request headers that carry a mark, percent-encoded: names may be any text, headers may not.
const (
	projectHeader = "Engine-Project"
	sourceHeader  = "Engine-Source"
	digestHeader  = "Engine-Digest"
)

// mostMark is the longest header of a mark, as it stands.
const mostMark = 4096

// mark is what the headers of a write say of who makes it.
func (c *call) mark() (Mark, error) {
	var m Mark
	for name, to := range map[string]*string{projectHeader: &m.Project, sourceHeader: &m.Source, digestHeader: &m.Digest} {
		sent := c.Header.Get(name)
		text, err := url.PathUnescape(sent)
		if err != nil || !utf8.ValidString(text) || len(sent) > mostMark {
			return m, failure(http.StatusBadRequest, "The header %s must be percent-encoded UTF-8 of at most %d bytes", name, mostMark)
		}
		*to = text
	}
	return m, nil
}

// tag makes the ETag of a connector (RFC 9110, section 8.8.3): the revision of the last write of its configuration or mark,
// which callers compare and do not read.
func tag(c store.Connector) string { return strconv.Quote(revisionOf(c)) }

func revisionOf(c store.Connector) string { return strconv.FormatInt(int64(c.Written()), 10) }

// expected is the revision that If-Match asks for, 0 where it asks for nothing. Of several tags it is that of the connector
// as it is known here, if that is among them. The leader decides by it, since what is known here may be older.
func (c *call) expected(known store.Connector, exists bool) (store.Revision, error) {
	text := strings.Join(c.Header.Values("If-Match"), ",")
	if text == "" {
		return 0, nil
	}
	if strings.TrimSpace(text) == "*" {
		if !exists {
			return 0, failure(http.StatusPreconditionFailed, "There is no connector %s that If-Match could ask for. Nothing was changed.", c.name())
		}
		return known.Written(), nil
	}
	expected := store.Revision(math.MaxInt64) // no revision: a tag that is not of ours matches nothing
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		if strings.HasPrefix(one, "W/") {
			continue // it never matches (RFC 9110, section 13.1.1)
		}
		if len(one) < 2 || one[0] != '"' || one[len(one)-1] != '"' {
			return 0, failure(http.StatusBadRequest, "If-Match must be the ETag that a GET of the connector gives, in double quotes, or *")
		}
		n, err := strconv.ParseInt(one[1:len(one)-1], 10, 64)
		if err == nil && n > 0 && (expected == math.MaxInt64 || store.Revision(n) == known.Written()) {
			expected = store.Revision(n)
		}
	}
	return expected, nil
}

// unmatched is the refusal of a write whose If-Match did not hold.
func (c *call) unmatched(err error) error {
	r, refused := errors.AsType[*store.RefusedError](err)
	if c.Header.Get("If-Match") == "" || !refused || r.Refusal != store.Conflict {
		return err
	}
	return failure(http.StatusPreconditionFailed, "Connector %s is not at the revision that If-Match asks for: somebody has changed it since. Nothing was changed.", c.name())
}
