package config

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/diag"
)

// Providers are a worker's config providers: they put values in the place of references (Kafka Connect: ConfigTransformer,
// KIP-297). A reference to what a provider does not have is an error here, where Kafka Connect leaves its text as it is.
// It is safe for concurrent use.
type Providers struct {
	byName map[string]*provider
	salt   [32]byte // of digests

	mu    sync.Mutex
	files map[string]*secretFile
	seen  map[string]bool // values that were given out, for Mask
}

// provider is one entry of config.providers.
type provider struct {
	name    string
	look    func(p *Providers, of *provider, path, key string) (string, error)
	allowed []string       // clean absolute paths; nil: all
	names   *regexp.Regexp // of variables of the environment; nil: all
}

// providerKinds are the classes of Kafka's providers.
var providerKinds = map[string]func(p *Providers, of *provider, path, key string) (string, error){ //nolint:gochecknoglobals // a literal
	"EnvVarConfigProvider":    (*Providers).variable,
	"FileConfigProvider":      (*Providers).property,
	"DirectoryConfigProvider": (*Providers).file,
}

// IsProvider reports whether a class, or the short form of one, is that of a built-in config provider.
func IsProvider(class string) bool {
	_, is := providerKinds[strings.TrimPrefix(class, providerPackage)]
	return is
}

const (
	configProviders = "config.providers"
	providerPackage = "org.apache.kafka.common.config.provider."
	// largestSecret bounds what is read of a file of secrets.
	largestSecret = 1 << 20
)

// providers reads what a worker's map says of its providers.
func (c *checker) providers() *Providers {
	p := &Providers{byName: map[string]*provider{}, files: map[string]*secretFile{}, seen: map[string]bool{}}
	_, _ = rand.Read(p.salt[:]) // never fails
	c.read("", configProviders)
	for _, name := range List(c.Map[configProviders]) {
		prefix := configProviders + "." + name + "."
		c.read(prefix, "class")
		one := &provider{name: name, look: c.providerKind(name, prefix+"class")}
		c.parameters(one, prefix)
		p.byName[name] = one
	}
	for _, key := range c.keys {
		rest, ok := strings.CutPrefix(key, configProviders+".")
		name, _, _ := strings.Cut(rest, ".")
		if _, listed := p.byName[name]; ok && !listed {
			c.warn(diag.NoEffect, key, "%s does not list %q, so %s has no effect.", c.Spelling(configProviders), name, c.Spelling(key))
		}
	}
	return p
}

func (c *checker) providerKind(name, key string) func(*Providers, *provider, string, string) (string, error) {
	class := strings.TrimSpace(c.Map[key])
	kind, ok := providerKinds[strings.TrimPrefix(class, providerPackage)]
	switch {
	case class == "":
		c.failAt(key, diag.MissingProperty, c.at(configProviders), "The config provider %q has no class. Write %s.", name, c.write("", key, "…"))
	case !ok:
		names := slices.Sorted(maps.Keys(providerKinds))
		near := diag.DidYouMean(simpleName(class), names)
		c.fail(diag.UnknownProvider, key, "There is no built-in config provider of class %q.%s Built in are %s.", class, near, strings.Join(names, ", "))
	}
	return kind
}

// parameters reads what is allowed to a provider.
func (c *checker) parameters(one *provider, prefix string) {
	const paths, pattern = "param.allowed.paths", "param.allowlist.pattern"
	c.read(prefix, paths)
	c.read(prefix, pattern)
	for _, key := range c.keys {
		if name, ok := strings.CutPrefix(key, prefix); ok && !slices.Contains(c.reads[prefix], name) {
			near := diag.DidYouMean(name, c.reads[prefix])
			code := diag.NoEffect
			if near != "" {
				code = diag.ProbablyMisspelt
			}
			c.warn(code, key, "The config provider %q has no setting %s, so it has no effect.%s", one.name, c.Spelling(key), near)
		}
	}
	for _, path := range List(c.Map[prefix+paths]) {
		if !filepath.IsAbs(path) {
			c.fail(diag.InvalidValue, prefix+paths, "%s must have absolute paths, and %s is none.", c.Spelling(prefix+paths), path)
		}
		one.allowed = append(one.allowed, filepath.Clean(path))
	}
	if text := c.Map[prefix+pattern]; text != "" {
		names, err := regexp.Compile(`^(?:` + text + `)$`)
		if err != nil {
			c.fail(diag.InvalidValue, prefix+pattern, "%s is not a pattern: %v.", c.Spelling(prefix+pattern), err)
		}
		one.names = names
	}
}

// Names lists the providers.
func (p *Providers) Names() []string {
	if p == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(p.byName))
}

// Refers reports whether a text has a reference in it.
func Refers(text string) bool {
	return strings.Contains(text, "${") && reference.MatchString(text)
}

// anyRefers reports whether a map has a reference in it.
func anyRefers(m map[string]string) bool {
	for _, v := range m {
		if Refers(v) {
			return true
		}
	}
	return false
}

// SecretError is a reference of one key that cannot be resolved. It never holds a value.
type SecretError struct {
	Key    string
	Code   diag.Code
	Reason string // a sentence
}

func (e *SecretError) Error() string { return e.Key + ": " + e.Reason }

// Resolve gives a map with values in the place of references; the map itself when it has none. Errors are *[SecretError],
// joined, in order of their keys. A value that holds a reference itself is not looked at again.
func (p *Providers) Resolve(m Map) (Map, error) {
	if !anyRefers(m) {
		return m, nil
	}
	resolved := maps.Clone(m)
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !Refers(m[key]) {
			continue
		}
		text, err := p.text(key, m[key])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		resolved[key] = text
	}
	return resolved, errors.Join(errs...)
}

// text resolves the references in one value.
func (p *Providers) text(key, text string) (string, error) {
	var b strings.Builder
	at := 0
	for _, m := range reference.FindAllStringSubmatchIndex(text, -1) {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		value, err := p.look(part(1), part(2), part(3))
		if err != nil {
			code := diag.SecretMissing
			if errors.Is(err, errNoProvider) {
				code = diag.UnknownProvider
			}
			return "", &SecretError{key, code, err.Error()}
		}
		b.WriteString(text[at:m[0]])
		b.WriteString(value)
		at = m[1]
	}
	b.WriteString(text[at:])
	return b.String(), nil
}

// errNoProvider is a reference to a provider that nobody declared.
var errNoProvider = errors.New("no such provider")

type unknownProvider struct{ text string }

func (u *unknownProvider) Error() string        { return u.text }
func (u *unknownProvider) Is(target error) bool { return target == errNoProvider }

func (p *Providers) look(name, path, key string) (string, error) {
	var one *provider
	if p != nil {
		one = p.byName[name]
	}
	if one == nil || one.look == nil {
		return "", &unknownProvider{noProvider(name, p.Names())}
	}
	value, err := one.look(p, one, path, key)
	if err == nil && len(value) >= shortestMasked {
		p.mu.Lock()
		p.seen[value] = true
		p.mu.Unlock()
	}
	return value, err
}

// noProvider says that a provider is not declared.
func noProvider(name string, names []string) string {
	if len(names) == 0 {
		return fmt.Sprintf("The worker declares no config provider, so nothing can stand for ${%s:…}. Declare one called %q: config_provider \"env\", \"file\" or \"directory\" in the worker block, or config.providers in a properties file.", name, name)
	}
	return fmt.Sprintf("The worker has no config provider called %q.%s It has %s.", name, diag.DidYouMean(name, names), strings.Join(names, ", "))
}

// variable looks into the environment (Kafka: EnvVarConfigProvider).
func (p *Providers) variable(of *provider, path, key string) (string, error) {
	if path != "" {
		return "", fmt.Errorf("A reference to the environment has no path: ${%s:NAME}, not ${%s:%s:%s}.", of.name, of.name, path, key) //nolint:staticcheck // a sentence for people
	}
	if of.names != nil && !of.names.MatchString(key) {
		return "", fmt.Errorf("The config provider %q may not read the variable %s: its allowlist.pattern does not fit.", of.name, key) //nolint:staticcheck // as above
	}
	value, ok := os.LookupEnv(key)
	if ok {
		return value, nil
	}
	var names []string
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); of.names == nil || of.names.MatchString(name) {
			names = append(names, name)
		}
	}
	return "", fmt.Errorf("The environment has no variable %s.%s", key, diag.DidYouMean(key, names)) //nolint:staticcheck // as above
}

// property looks into a properties file (Kafka: FileConfigProvider).
func (p *Providers) property(of *provider, path, key string) (string, error) {
	f, err := p.open(of, path, true)
	if err != nil {
		return "", err
	}
	value, ok := f.keys[key]
	if !ok {
		return "", fmt.Errorf("The file %s has no key %q.%s", path, key, diag.DidYouMean(key, slices.Sorted(maps.Keys(f.keys)))) //nolint:staticcheck // a sentence for people
	}
	return value, nil
}

// file looks into a folder with a file for each value (Kafka: DirectoryConfigProvider), as Kubernetes mounts secrets.
func (p *Providers) file(of *provider, path, key string) (string, error) {
	if key == "" || key != filepath.Base(key) || key == ".." || key == "." {
		return "", fmt.Errorf("%q is not the name of a file in %s.", key, path) //nolint:staticcheck // a sentence for people
	}
	f, err := p.open(of, filepath.Join(path, key), false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("The folder %s has no file %s.%s", path, key, diag.DidYouMean(key, filesIn(path))) //nolint:staticcheck // as above
	case err != nil:
		return "", err
	}
	return f.text, nil
}

func filesIn(path string) []string {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil // nothing to propose
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// secretFile is a file as it was when it was read.
type secretFile struct {
	stat fs.FileInfo
	at   time.Time // when it was read
	text string
	keys Map // of a properties file
}

// settled is how old a file has to be for its time to tell a change: a file system's clock is coarse.
const settled = 2 * time.Second

// open reads a file, or remembers it while nothing shows that it has changed.
func (p *Providers) open(of *provider, path string, properties bool) (*secretFile, error) {
	if path == "" {
		return nil, fmt.Errorf("A reference to %q needs a path: ${%s:/path:key}.", of.name, of.name) //nolint:staticcheck // a sentence for people
	}
	clean, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if !of.mayRead(clean) {
		return nil, fmt.Errorf("The config provider %q may not read %s: it is not under its allowed.paths.", of.name, path) //nolint:staticcheck // as above
	}
	stat, err := os.Stat(clean)
	if err != nil {
		return nil, &secretFileError{path, err}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.files[clean]; f != nil && f.at.Sub(f.stat.ModTime()) > settled && os.SameFile(f.stat, stat) && f.stat.ModTime().Equal(stat.ModTime()) && f.stat.Size() == stat.Size() && (f.keys != nil) == properties {
		return f, nil
	}
	if !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file.", path) //nolint:staticcheck // as above
	}
	if stat.Size() > largestSecret {
		return nil, fmt.Errorf("%s is larger than %d MB, so it is no file of secrets.", path, largestSecret>>20) //nolint:staticcheck // as above
	}
	f := &secretFile{stat: stat, at: time.Now()}
	text, err := os.ReadFile(clean)
	if err != nil {
		return nil, &secretFileError{path, err}
	}
	if f.text = string(text); properties {
		d, found := ReadProperties(path, text)
		if found.HasErrors() {
			return nil, fmt.Errorf("The file %s is not a properties file: %s", found[0].Place, found[0].Detail) //nolint:staticcheck // as above
		}
		f.keys = d.Map
	} else if !utf8.ValidString(f.text) {
		return nil, fmt.Errorf("%s is not text in UTF-8.", path) //nolint:staticcheck // as above
	}
	p.files[clean] = f
	return f, nil
}

func (of *provider) mayRead(clean string) bool {
	return of.allowed == nil || slices.ContainsFunc(of.allowed, func(a string) bool {
		return clean == a || strings.HasPrefix(clean, strings.TrimSuffix(a, "/")+"/")
	})
}

// secretFileError is a file of secrets that cannot be opened.
type secretFileError struct {
	path string
	err  error
}

func (e *secretFileError) Error() string {
	switch {
	case errors.Is(e.err, fs.ErrNotExist):
		return fmt.Sprintf("There is no file %s on this machine.", e.path)
	case errors.Is(e.err, fs.ErrPermission):
		return fmt.Sprintf("This user may not read %s.", e.path)
	}
	return fmt.Sprintf("%s cannot be read: %v.", e.path, errors.Unwrap(e.err))
}

func (e *secretFileError) Unwrap() error { return e.err }

// Missing makes diagnostics of the errors of [Providers.Resolve] for a part of the declaration, whose keys have lost a
// prefix; those of a nil declaration have no place.
func (d *Declared) Missing(prefix string, err error) diag.List {
	if err == nil {
		return nil
	}
	if d == nil {
		d = &Declared{}
	}
	var found diag.List
	for _, e := range leaves(err) {
		if s, ok := errors.AsType[*SecretError](e); ok {
			key := prefix + s.Key
			found = append(found, diag.New(s.Code, d.At(key), "%s: %s", d.Spelling(key), s.Reason))
		}
	}
	return found
}

// Seal is a digest of a text that says nothing about it to who does not have this process's salt.
func (p *Providers) Seal(text string) string {
	h := hmac.New(sha256.New, p.salt[:])
	_, _ = h.Write([]byte(text)) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))
}

// Digest stands for the values that the references of some maps give now, "" when there are none. It says nothing about
// them, see [Providers.Seal].
func (p *Providers) Digest(of ...Map) (string, error) {
	var all strings.Builder
	some := false
	for _, m := range of {
		if !anyRefers(m) {
			continue
		}
		resolved, err := p.Resolve(m)
		if err != nil {
			return "", err
		}
		some = true
		for _, k := range resolved.Keys() {
			if Refers(m[k]) {
				fmt.Fprintf(&all, "%d %s%d %s", len(k), k, len(resolved[k]), resolved[k])
			}
		}
	}
	if !some {
		return "", nil
	}
	return p.Seal(all.String()), nil
}

// shortestMasked is the length from which a value is masked: a shorter one would take half of every text along.
const shortestMasked = 4

// Remember makes Mask take out the sensitive values of a declaration as well: those of env() and of sensitive variables,
// which nobody has to resolve. Words that say nothing stay.
func (p *Providers) Remember(d *Declared) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, o := range d.Origins {
		v := d.Map[key]
		if o.Sensitive && len(v) >= shortestMasked && v != "true" && v != "false" && !Refers(v) {
			p.seen[v] = true
		}
	}
}

// Mask takes the values that were given out or remembered so far out of a text that somebody else made, such as the error
// of a plugin (invariant 6).
func (p *Providers) Mask(text string) string {
	if p == nil {
		return text
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, value := range slices.SortedFunc(maps.Keys(p.seen), func(a, b string) int { return len(b) - len(a) }) {
		text = strings.ReplaceAll(text, value, "[hidden]")
	}
	return text
}

// Unresolve puts references back in the place of the values that they gave: resolved is what raw became, and m was made
// of it, such as the configuration of a task. What it returns becomes m again when it is resolved (Kafka Connect:
// AbstractHerder.reverseTransform, which looks at equal keys only).
func Unresolve(m, raw, resolved Map) Map {
	var keys []string
	for k, v := range raw {
		if Refers(v) && resolved[k] != "" {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return m
	}
	// The longest first, since one value may be a part of another.
	slices.SortFunc(keys, func(a, b string) int {
		if n := len(resolved[b]) - len(resolved[a]); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	var pairs []string
	for _, k := range keys {
		if len(resolved[k]) >= shortestMasked {
			pairs = append(pairs, resolved[k], raw[k])
		}
	}
	back := strings.NewReplacer(pairs...)
	out := maps.Clone(m)
	for k, v := range m {
		if Refers(raw[k]) && v == resolved[k] {
			out[k] = raw[k]
		} else {
			out[k] = back.Replace(v)
		}
	}
	return out
}

// Fill gives a declaration with values in the place of references, which nobody may see, and says which cannot
// be resolved, at their places.
func (p *Providers) Fill(d *Declared) (*Declared, diag.List) {
	if !anyRefers(d.Map) {
		return d, nil
	}
	m, err := p.Resolve(d.Map)
	if err != nil {
		return d, d.Missing("", err)
	}
	resolved := *d
	resolved.Map = m
	resolved.Origins = maps.Clone(d.Origins)
	if resolved.Origins == nil {
		resolved.Origins = map[string]Origin{}
	}
	for k, v := range d.Map {
		if Refers(v) {
			o := resolved.Origins[k]
			o.Sensitive, o.Resolved = true, true
			resolved.Origins[k] = o
		}
	}
	return &resolved, nil
}
