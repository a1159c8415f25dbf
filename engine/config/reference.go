package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/diag"
)

// reference is Kafka Connect's ${provider:path:key} and ${provider:key} (ConfigTransformer.DEFAULT_PATTERN).
var reference = regexp.MustCompile(`\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}`)

// references refuses references to providers that the worker does not have: a plugin would take them for the values
// themselves (invariant 9). Whether a provider has the value is known only where the pipeline runs.
func (c *checker) references() {
	providers := c.worker.providers
	for _, key := range c.keys {
		if c.Origins[key].Resolved {
			continue
		}
		for _, m := range reference.FindAllStringSubmatch(c.Map[key], -1) {
			if names := providers.Names(); !slices.Contains(names, m[1]) {
				c.fail(diag.UnknownProvider, key, "%s", noProvider(m[1], names))
			}
		}
	}
}

// open reports whether a key holds a reference, so that its value is not known yet.
func (f *finder) open(key string) bool { return !f.Origins[key].Resolved && Refers(f.Map[key]) }

// opens reports whether a key under a prefix does.
func (f *finder) opens(prefix string) bool {
	return slices.ContainsFunc(f.keys, func(k string) bool { return strings.HasPrefix(k, prefix) && f.open(k) })
}

// secrets warns of sensitive settings whose text stands in an HCL file, where there are better ways.
func (f *finder) secrets() {
	if !f.arguments() {
		return
	}
	told := map[diag.Place]bool{} // what a worker says of security is a property of each kind of client
	for _, key := range f.keys {
		o := f.Origins[key]
		if told[o.Place] || o.Sensitive || o.Place.IsZero() || !f.set(key) || !f.isSecret(key) || reference.MatchString(f.Map[key]) {
			continue
		}
		told[o.Place] = true
		f.warn(diag.SensitiveInFile, key, "%s is a secret and stands in the file as plain text. Take it from secret(\"…\"), env(\"…\") or a sensitive variable.", f.Spelling(key))
	}
}

// within reports whether a key lies under one of some prefixes.
func within(key string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}
