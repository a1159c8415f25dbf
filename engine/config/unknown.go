package config

import (
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// overrides checks the settings of clients that the connector sets over the worker's (KIP-458).
func (c *checker) overrides() {
	used := Overrides(c.role, c.set(DeadLetterTopic))
	for _, key := range c.keys {
		for _, prefix := range []string{ProducerPrefix, ConsumerPrefix, AdminPrefix} {
			name, ok := strings.CutPrefix(key, prefix)
			if !ok || c.role == 0 {
				continue
			}
			switch {
			case !slices.Contains(used, prefix):
				c.warn(diag.NoEffect, key, "This %s has no client that %s would reach.", c.role, c.Spelling(key))
			case !c.worker.Allows(name):
				c.fail(diag.OverrideRefused, key, "The worker's policy %q does not let a connector set %s of its clients.", c.worker.OverridePolicy, name)
			}
		}
	}
}

// misplaced warns of settings that only connectors of the other kind read.
func (c *checker) misplaced() {
	var others plugin.Spec
	switch c.role {
	case plugin.SourceRole:
		others = specs().sink
	case plugin.SinkRole:
		others = specs().source
	default:
		return
	}
	for _, key := range c.keys {
		_, own := c.connector.Spec.Field(key)
		_, other := others.Field(key)
		if c.role == plugin.SinkRole && strings.HasPrefix(key, TopicCreationPrefix) {
			other = true
		}
		if other && !own && !slices.Contains(c.reads[""], key) {
			c.warn(diag.NoEffect, key, "A %s does not read %s; the setting belongs to a %s.", c.role, c.Spelling(key), opposite(c.role))
		}
	}
}

func opposite(r plugin.Role) plugin.Role {
	if r == plugin.SourceRole {
		return plugin.SinkRole
	}
	return plugin.SourceRole
}

// misspelt warns of properties that nobody reads and that are close to one that somebody does. Others are let through, but
// for those of the chain: a map may carry what only its owner understands.
func (c *checker) misspelt() {
	if c.role == 0 {
		return
	}
	for _, key := range c.keys {
		prefix := c.scope(key)
		name := strings.TrimPrefix(key, prefix)
		if prefix == "" && within(key, groups...) {
			if !strings.HasPrefix(key, "errors.") {
				continue
			}
		}
		if slices.Contains(c.reads[prefix], name) {
			continue
		}
		near := diag.Nearest(name, c.reads[prefix])
		if near == "" {
			c.unread(key, prefix)
			continue
		}
		if _, both := c.Map[prefix+near]; both && !strings.EqualFold(near, name) {
			continue // what it might have been meant for is set as well
		}
		meant := prefix + near
		if c.Spelling(key) != key {
			meant = c.spelt(prefix, near)
		}
		c.warn(diag.ProbablyMisspelt, key, "%q is not a %s and would be ignored. Did you mean %q?", c.Spelling(key), c.settingOf(prefix), meant)
	}
}

// unread warns of a setting of a transform or a predicate that its plugin does not have, since what comes out would be
// another thing than what it asks for (invariant 9).
func (c *checker) unread(key, prefix string) {
	chain := strings.HasPrefix(prefix, Transforms+".") || strings.HasPrefix(prefix, Predicates+".")
	if chain && c.set(prefix+"type") && !c.settled[prefix+"type"] {
		c.warn(diag.NoEffect, key, "%s is not a %s, so it has no effect.", c.Spelling(key), c.settingOf(prefix))
	}
}

// scope is the longest prefix of a key under which settings are listed.
func (c *checker) scope(key string) string {
	best := ""
	for p := range c.reads {
		if len(p) > len(best) && strings.HasPrefix(key, p) {
			best = p
		}
	}
	return best
}

func (c *checker) settingOf(prefix string) string {
	switch {
	case prefix == "":
		return "Kafka Connect setting"
	case strings.HasPrefix(prefix, Transforms+"."):
		return "setting of this transform"
	case strings.HasPrefix(prefix, Predicates+"."):
		return "setting of this predicate"
	default:
		return "setting of this converter"
	}
}
