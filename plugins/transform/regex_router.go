package transform

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type regexRouterConfig struct {
	Regex       string `cfg:"regex,required" importance:"high" example:"shop\\.(.*)" doc:"Regular expression of Java that the whole name of the topic must match. What needs backtracking, such as look-around and back-references, is refused."`
	Replacement string `cfg:"replacement,required" importance:"high" example:"$1" doc:"What takes the place of the first match. $1 and ${name} are groups, a backslash takes the meaning from the character behind it."`
}

// regexRouter follows Kafka Connect's RegexRouter. A topic that does not match stays.
//
// The whole topic must match, but what is replaced is the first match from the left, which may be shorter: Java asks
// Matcher.matches and then Matcher.replaceFirst.
type regexRouter struct {
	single
	pattern  *plugin.Pattern
	template template
	wrong    error // of the template: it fails the records whose topic matches
	last     route // of the record before
	known    map[string]route
}

// route is the name that a topic gets, or why it gets none.
type route struct {
	from, to string // copies: a batch's memory is not kept
	err      error
}

// mostRoutes is how many topics are kept before all are forgotten: a source may make a topic name of every record.
const mostRoutes = 1000

func newRegexRouter(plugin.Target) plugin.Transform {
	t := &regexRouter{}
	t.each = t.rename
	return t
}

// Configure implements [plugin.Transform].
func (t *regexRouter) Configure(c plugin.Config) error {
	var cfg regexRouterConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	pattern, err := plugin.ParsePattern(cfg.Regex)
	if err != nil {
		return plugin.Invalid("regex", cfg.Regex, "Invalid regex: "+err.Error())
	}
	t.pattern, t.last, t.known = pattern, route{}, map[string]route{}
	t.template, t.wrong = parseTemplate(cfg.Replacement, pattern.SubexpNames())
	return nil
}

func (t *regexRouter) rename(_ int, r *record.Record) error {
	if r.Topic == "" {
		return plugin.Data("The record has no topic to match")
	}
	if r.Topic != t.last.from {
		known, ok := t.known[r.Topic]
		if !ok {
			if len(t.known) >= mostRoutes {
				clear(t.known)
			}
			known = t.route(strings.Clone(r.Topic))
			t.known[known.from] = known
		}
		t.last = known
	}
	if t.last.err == nil {
		r.Topic = t.last.to
	}
	return t.last.err
}

func (t *regexRouter) route(topic string) route {
	switch {
	case !t.pattern.Matches(topic):
		return route{from: topic, to: topic}
	case t.wrong != nil:
		return route{from: topic, err: t.wrong}
	}
	return route{from: topic, to: t.template.replaceFirst(t.pattern, topic)}
}

// template is what takes the place of a match: literal texts and groups (Java: Matcher.replaceFirst).
type template []templatePart

type templatePart struct {
	literal string
	group   int // valid where literal is empty
}

// parseTemplate reads a replacement. groups are the names of the pattern's groups, the whole match first.
func parseTemplate(text string, groups []string) (template, error) {
	var t template
	var literal strings.Builder
	end := func() {
		if literal.Len() > 0 {
			t = append(t, templatePart{literal: literal.String()})
			literal.Reset()
		}
	}
	for text != "" {
		switch c := text[0]; {
		case c == '\\' && len(text) == 1:
			return nil, plugin.Data("The replacement ends in a backslash: character to be escaped is missing")
		case c == '\\':
			literal.WriteByte(text[1])
			text = text[2:]
		case c == '$':
			group, rest, err := groupReference(text[1:], groups)
			if err != nil {
				return nil, &plugin.DataError{Reason: "The replacement cannot be used: " + err.Error(), Err: err}
			}
			end()
			t = append(t, templatePart{group: group})
			text = rest
		default:
			literal.WriteByte(c)
			text = text[1:]
		}
	}
	end()
	return t, nil
}

// groupReference reads what stands behind a "$": a number of as many digits as there are groups for, or a name in braces.
func groupReference(text string, groups []string) (group int, rest string, err error) {
	switch {
	case text == "":
		return 0, "", errors.New("Illegal group reference: group index is missing") //nolint:staticcheck // Java's text
	case text[0] == '{':
		name, rest, found := strings.Cut(text[1:], "}")
		group = slices.Index(groups, name)
		switch {
		case !found:
			return 0, "", errors.New("named capturing group is missing trailing '}'")
		case name == "" || group < 0:
			return 0, "", fmt.Errorf("No group with name {%s}", name) //nolint:staticcheck // Java's text
		}
		return group, rest, nil
	case text[0] < '0' || text[0] > '9':
		return 0, "", errors.New("Illegal group reference") //nolint:staticcheck // Java's text
	}
	group, rest = int(text[0]-'0'), text[1:]
	for rest != "" && rest[0] >= '0' && rest[0] <= '9' && 10*group+int(rest[0]-'0') < len(groups) {
		group, rest = 10*group+int(rest[0]-'0'), rest[1:]
	}
	if group >= len(groups) {
		return 0, "", fmt.Errorf("No group %d", group) //nolint:staticcheck // Java's text
	}
	return group, rest, nil
}

// replaceFirst replaces the first match in a text, if there is one. A group that took no part in it is empty.
func (t template) replaceFirst(p *plugin.Pattern, text string) string {
	at := p.FindStringSubmatchIndex(text)
	if at == nil {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:at[0]])
	for _, part := range t {
		b.WriteString(part.literal)
		if part.literal == "" && at[2*part.group] >= 0 {
			b.WriteString(text[at[2*part.group]:at[2*part.group+1]])
		}
	}
	b.WriteString(text[at[1]:])
	return b.String()
}
