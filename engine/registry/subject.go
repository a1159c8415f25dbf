package registry

import "strings"

// defaultContext is where subjects live that name no context.
const defaultContext = "."

// anyContext is the prefix that stands for the subjects of all contexts.
const anyContext = ":*:"

// split takes a subject apart: ":.ctx:name" is name in the context .ctx, anything else a name in the default one
// (Confluent: QualifiedSubject).
func split(subject string) (context, name string) {
	rest, qualified := strings.CutPrefix(subject, ":.")
	if !qualified {
		return defaultContext, subject
	}
	context, name, closed := strings.Cut(rest, ":")
	if !closed {
		return "." + rest, ""
	}
	return "." + context, name
}

// qualify is the one spelling of a subject: the default context is never named.
func qualify(context, name string) string {
	if context == defaultContext {
		return name
	}
	return ":" + context + ":" + name
}

// canonicalSubject is a subject in its one spelling.
func canonicalSubject(subject string) string { return qualify(split(subject)) }

// contextOf is the context of a subject.
func contextOf(subject string) string {
	context, _ := split(subject)
	return context
}

// scope is the key under which levels and modes of a whole context stand; "" is the global one.
func scope(context string) string { return qualify(context, "") }

// hasPrefix reports whether a subject belongs into a list by prefix: of one context, unless the prefix stands for all.
func hasPrefix(subject, prefix string) bool {
	if rest, all := strings.CutPrefix(prefix, anyContext); all {
		_, name := split(subject)
		return strings.HasPrefix(name, rest)
	}
	context, name := split(prefix)
	of, its := split(subject)
	return of == context && strings.HasPrefix(its, name)
}
