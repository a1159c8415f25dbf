package condition

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type topicNameMatchesConfig struct {
	Pattern string `cfg:"pattern,required,nonempty" example:"orders|invoices" doc:"Regular expression of Java that the whole name of the topic matches. What needs backtracking, such as look-around and back-references, is refused."`
}

// topicNameMatches follows Kafka Connect's TopicNameMatches. A task meets few topics, so the answers are kept.
type topicNameMatches struct {
	pattern *plugin.Pattern
	last    verdict // on the topic before
	known   map[string]verdict
}

type verdict struct {
	topic   string // a copy: a batch's memory is not kept
	matches bool
}

// mostTopics is how many answers are kept before all are forgotten: a source may make a topic name of every record.
const mostTopics = 1000

// Configure implements [plugin.Predicate].
func (p *topicNameMatches) Configure(c plugin.Config) error {
	var cfg topicNameMatchesConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	pattern, err := plugin.ParsePattern(cfg.Pattern)
	if err != nil {
		return plugin.Invalid("pattern", cfg.Pattern, "Invalid regex: "+err.Error())
	}
	p.pattern, p.last, p.known = pattern, verdict{}, map[string]verdict{}
	return nil
}

// Test implements [plugin.Predicate]. A record without a topic does not match.
func (p *topicNameMatches) Test(r *record.Record) (bool, error) {
	if r.Topic == p.last.topic {
		return p.last.matches, nil
	}
	if r.Topic == "" {
		return false, nil
	}
	v, ok := p.known[r.Topic]
	if !ok {
		if len(p.known) >= mostTopics {
			clear(p.known)
		}
		v = verdict{strings.Clone(r.Topic), p.pattern.Matches(r.Topic)}
		p.known[v.topic] = v
	}
	p.last = v
	return v.matches, nil
}
