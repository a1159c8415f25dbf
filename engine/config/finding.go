package config

import (
	"fmt"
	"strings"

	"github.com/penstock/penstock/engine/diag"
)

// finder collects what is wrong with one map. A key has at most one error, since a second one is nearly always an echo of
// the first.
type finder struct {
	*Declared
	keys    []string // of the map, in order
	found   diag.List
	settled map[string]bool // keys with an error
	secret  map[string]bool // of keys that a plugin lists: whether their values are secrets
}

func newFinder(d *Declared) *finder {
	return &finder{Declared: d, keys: d.Map.Keys(), settled: map[string]bool{}, secret: map[string]bool{}}
}

// isSecret reports whether nobody may see the value of a key: a plugin says so or, where none lists the key, its name.
func (f *finder) isSecret(key string) bool {
	secret, listed := f.secret[key]
	return secret || !listed && sensitiveName(key)
}

// at is the place of a key, marked when there is a secret.
func (f *finder) at(key string) diag.Place {
	p := f.At(key)
	p.Hidden = f.Origins[key].Sensitive || f.isSecret(key)
	return p
}

// fail reports an error at a key, unless the key has one.
func (f *finder) fail(code diag.Code, key, format string, args ...any) {
	f.failAt(key, code, f.at(key), format, args...)
}

// failAt reports an error about a key, unless the key has one, at a place that is not the key's own: what is missing has
// none.
func (f *finder) failAt(key string, code diag.Code, at diag.Place, format string, args ...any) {
	if f.settled[key] || code == diag.InvalidValue && f.open(key) {
		return
	}
	f.settled[key] = true
	f.found = append(f.found, diag.New(code, at, format, args...))
}

// warn reports a warning at a key, unless the key has an error.
func (f *finder) warn(code diag.Code, key, format string, args ...any) {
	if !f.settled[key] {
		f.found = append(f.found, diag.Warn(code, f.at(key), format, args...))
	}
}

// sound reports whether no key under a prefix has an error.
func (f *finder) sound(prefix string) bool {
	for k := range f.settled {
		if strings.HasPrefix(k, prefix) {
			return false
		}
	}
	return true
}

// set reports whether a key holds something other than blanks.
func (f *finder) set(key string) bool { return strings.TrimSpace(f.Map[key]) != "" }

// shown is the quoted value of a key, or a word in place of one that nobody may see (invariant 6).
func (f *finder) shown(key string) string {
	if f.Origins[key].Sensitive || f.isSecret(key) {
		return "what is written there"
	}
	return fmt.Sprintf("%q", f.Map[key])
}

// arguments reports whether the map was written as HCL, where properties are arguments with underscores.
func (d *Declared) arguments() bool {
	if strings.HasSuffix(d.Place.File, ".hcl") {
		return true
	}
	for _, o := range d.Origins {
		if o.Written != "" {
			return true
		}
	}
	return false
}

// blocks are the prefixes that an argument gets from the block that it stands in.
var blocks = []string{ //nolint:gochecknoglobals // a literal
	"errors.deadletterqueue.", "errors.", KeyConverter + ".", ValueConverter + ".", HeaderConverter + ".", ProducerPrefix, ConsumerPrefix, AdminPrefix,
}

// word is how the user would spell a key that is not there. prefix is that of its block, "" when no name decides it.
func (d *Declared) word(prefix, name string) string {
	if !d.arguments() {
		return prefix + name
	}
	if prefix == "" {
		for _, b := range blocks {
			if rest, ok := strings.CutPrefix(name, b); ok {
				name = rest
				break
			}
		}
	}
	if strings.ContainsRune(name, '_') {
		return name
	}
	return strings.ReplaceAll(name, ".", "_")
}

// write is how to set a key that is not there.
func (d *Declared) write(prefix, name, value string) string {
	switch {
	case !d.arguments():
		return prefix + name + "=" + value
	case strings.ContainsRune(name, '_'):
		return fmt.Sprintf("config = { %q = %s }", name, value)
	default:
		return d.word(prefix, name) + " = " + value
	}
}

// IsSecret reports whether nobody may see the value of a key that no plugin lists: it came from something sensitive, or
// its name says so.
func (d *Declared) IsSecret(key string) bool {
	return d.Origins[key].Sensitive || sensitiveName(key)
}

// sensitiveName reports whether a property holds a secret by its name.
func sensitiveName(key string) bool {
	k := strings.ToLower(key)
	for _, s := range []string{"password", "secret", "token", "credential", "jaas", "keystore.key"} {
		if strings.Contains(k, s) {
			return true
		}
	}
	return false
}

// Sensitive reports whether a property holds a secret by its name, for texts where no plugin says more.
func Sensitive(key string) bool { return sensitiveName(key) }
