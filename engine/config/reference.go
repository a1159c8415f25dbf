package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/diag"
)

// reference is Kafka Connect's ${provider:path:key} and ${provider:key} (ConfigTransformer.DEFAULT_PATTERN).
var reference = regexp.MustCompile(`\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}`)

// references refuses values that a config provider would have to fill in: there are none, and a plugin would take the
// reference for the value itself (invariant 9).
func (f *finder) references() {
	for _, key := range f.keys {
		if m := reference.FindStringSubmatch(f.Map[key]); m != nil {
			f.fail(diag.NotAvailable, key, "%s refers to the config provider %q. This version has no config providers, so nothing would put the value in the place of ${%s:…}.",
				f.Spelling(key), m[1], m[1])
		}
	}
}

// secrets warns of sensitive settings whose text stands in an HCL file, where there are better ways.
func (f *finder) secrets() {
	if !f.arguments() {
		return
	}
	for _, key := range f.keys {
		o := f.Origins[key]
		if o.Sensitive || o.Place.IsZero() || !f.set(key) || !f.isSecret(key) || reference.MatchString(f.Map[key]) {
			continue
		}
		f.warn(diag.SensitiveInFile, key, "%s is a secret and stands in the file as plain text. Take it from env(\"…\") or from a sensitive variable.", f.Spelling(key))
	}
}

// within reports whether a key lies under one of some prefixes.
func within(key string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}
