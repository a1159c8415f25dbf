package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/penstock/penstock/engine/registry/schema"
)

// books are the registry's state and what may be done to it. Readers share, and one writer at a time decides on what is
// stored, appends, and changes the image.
type books struct {
	writing sync.Mutex // held while a change is decided on and written
	log     journal

	mu    sync.RWMutex // guards state; versions in it never change once they are there
	state *state

	parsing sync.Mutex
	parsed  map[digest]schema.Schema // by digest; emptied when it is full
}

// journal is where changes are written down.
type journal interface {
	// append writes records in their order, each durable before the next, and applies each to the state.
	append(ctx context.Context, records ...record) error
	// settle brings the state up to what is written, when that is not sure.
	settle(ctx context.Context) error
	close()
}

// openBooks reads what the topic holds.
func openBooks(ctx context.Context, s Settings) (*books, error) {
	b := &books{state: newState(), parsed: map[digest]schema.Schema{}}
	log, err := openLog(ctx, s, b.apply)
	b.log = log
	return b, err
}

// apply applies a record of the journal.
func (b *books) apply(k, v []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.apply(k, v)
}

// read runs f on the state.
func (b *books) read(f func(s *state) error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return f(b.state)
}

// change decides on a change and writes it. Nobody else changes the state meanwhile, so decide reads it without a lock. It
// goes on when the caller goes away: what was begun is written and known.
func (b *books) change(ctx context.Context, doing string, decide func(s *state) ([]record, error)) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	ctx = context.WithoutCancel(ctx)
	if err := b.log.settle(ctx); err != nil {
		return stored(doing, err)
	}
	records, err := decide(b.state)
	if err != nil {
		return err
	}
	return stored(doing, b.log.append(ctx, records...))
}

// draft is a schema that a client sends.
type draft struct {
	Schema     string          `json:"schema"`
	Type       string          `json:"schemaType"`
	References []reference     `json:"references"`
	Metadata   json.RawMessage `json:"metadata"`
	RuleSet    json.RawMessage `json:"ruleSet"`
	ID         *int            `json:"id"`
	Version    *int            `json:"version"`
}

// value is a draft in the form in which it would be stored, and the schema that it is.
func (b *books) value(s *state, subject string, d draft, normalize bool) (schemaValue, schema.Schema, error) {
	v := schemaValue{Subject: subject, Schema: d.Schema, Type: d.Type, Metadata: compact(d.Metadata), RuleSet: compact(d.RuleSet)}
	if v.Type == schema.Avro {
		v.Type = ""
	}
	if strings.TrimSpace(d.Schema) == "" {
		return v, nil, fail(42201, "Empty schema")
	}
	for _, r := range d.References {
		if r.Version == -1 {
			if live := s.versions(inContext(contextOf(subject), r.Subject), false); len(live) > 0 {
				r.Version = live[len(live)-1].Version
			}
		}
		v.References = append(v.References, r)
	}
	deps, err := s.resolve(contextOf(subject), v.References, false)
	if err != nil {
		return v, nil, invalidSchema(err)
	}
	parsed, err := schema.Parse(formatOf(v.Type), v.Schema, deps)
	if err != nil {
		return v, nil, invalidSchema(err)
	}
	v.Schema = parsed.Canonical()
	if normalize || s.normalizes(subject) {
		v.Schema = parsed.Normalized()
		slices.SortFunc(v.References, func(a, b reference) int { return strings.Compare(a.Name, b.Name) })
	}
	return v, parsed, nil
}

// compact is JSON without white space; none for null.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if len(raw) == 0 || json.Compact(&b, raw) != nil || b.String() == "null" {
		return nil
	}
	return b.Bytes()
}

// Bounds on what one schema may refer to: in all, and how many steps away.
const (
	maxDependencies = 1000
	maxSteps        = 200
)

// resolve finds what references stand for, what they refer to before them.
func (s *state) resolve(context string, refs []reference, deleted bool) ([]schema.Dependency, error) {
	var found []schema.Dependency
	seen := map[string]bool{}
	var visit func(refs []reference, depth int) error
	visit = func(refs []reference, depth int) error {
		for _, r := range refs {
			if r.Name == "" || r.Subject == "" {
				return fmt.Errorf("a reference needs a name and a subject")
			}
			v := s.subjects[inContext(context, r.Subject)][r.Version]
			if v == nil || v.Deleted && !deleted {
				return fmt.Errorf("reference %s: no version %d of the subject %s", r.Name, r.Version, r.Subject)
			}
			if seen[r.Name] {
				continue
			}
			if seen[r.Name] = true; len(seen) > maxDependencies || depth > maxSteps {
				return fmt.Errorf("more than %d references", maxDependencies)
			}
			if err := visit(v.References, depth+1); err != nil {
				return err
			}
			found = append(found, schema.Dependency{Name: r.Name, Text: v.Schema})
		}
		return nil
	}
	return found, visit(refs, 0)
}

// schema is the parsed schema of a stored version.
func (b *books) schema(s *state, v *version) (schema.Schema, error) {
	key := v.digest
	if len(v.References) == 0 { // what references stand for may be another thing in another context
		b.parsing.Lock()
		known := b.parsed[key]
		b.parsing.Unlock()
		if known != nil {
			return known, nil
		}
	}
	deps, err := s.resolve(contextOf(v.Subject), v.References, true)
	if err != nil {
		return nil, err
	}
	parsed, err := schema.Parse(formatOf(v.Type), v.Schema, deps)
	if err != nil || len(v.References) > 0 {
		return parsed, err
	}
	b.parsing.Lock()
	defer b.parsing.Unlock()
	if len(b.parsed) >= maxParsed {
		clear(b.parsed)
	}
	b.parsed[key] = parsed
	return parsed, nil
}

// maxParsed is how many parsed schemas are kept.
const maxParsed = 1000

// find is the version of a subject that holds a schema, the newest, live ones first; nil without one.
func (s *state) find(v *schemaValue, deleted bool) *version {
	var found *version
	for _, old := range s.versions(v.Subject, deleted) {
		if old.Type != v.Type || old.Schema != v.Schema || !slices.Equal(old.References, v.References) ||
			v.Metadata != nil && !bytes.Equal(old.Metadata, v.Metadata) || v.RuleSet != nil && !bytes.Equal(old.RuleSet, v.RuleSet) {
			continue
		}
		if found == nil || !old.Deleted || found.Deleted {
			found = old
		}
	}
	return found
}

// lookUp finds a schema under a subject.
func (b *books) lookUp(subject string, d draft, normalize, deleted bool) (found *version, err error) {
	err = b.read(func(s *state) error {
		v, _, err := b.value(s, subject, d, normalize)
		if err != nil {
			return err
		}
		if len(s.versions(subject, deleted)) == 0 {
			return noSubject(subject)
		}
		if found = s.find(&v, deleted); found == nil {
			return noSchema()
		}
		return nil
	})
	return found, err
}

// register stores a schema as a version of a subject, unless it is one already (Confluent: KafkaSchemaRegistry.register).
func (b *books) register(ctx context.Context, subject string, d draft, normalize bool) (*version, error) {
	if err := validSubject(subject); err != nil {
		return nil, err
	}
	result := &version{}
	err := b.change(ctx, "Register schema", func(s *state) ([]record, error) {
		v, parsed, err := b.value(s, subject, d, normalize)
		if err != nil {
			return nil, err
		}
		if known := s.find(&v, false); known != nil && d.Version == nil && (d.ID == nil || *d.ID == known.ID) {
			result = known
			return nil, nil
		}
		if err := s.mayRegister(subject, d); err != nil {
			return nil, err
		}
		records, err := b.newVersion(s, &v, parsed, d)
		result.schemaValue, result.digest = v, identity(&v)
		return records, err
	})
	return result, err
}

// validSubject refuses names that no subject may have (Confluent: QualifiedSubject.isValidSubject).
func validSubject(subject string) error {
	_, name := split(subject)
	if name == "" || name == "__GLOBAL" || name == "__EMPTY" || strings.ContainsFunc(subject, unicode.IsControl) {
		return fail(42208, "The specified subject '%s' is not a valid subject.", subject)
	}
	return nil
}

func (s *state) mayRegister(subject string, d draft) error {
	m := s.modeInScope(subject)
	switch {
	case m.readOnly():
		return notPermitted("Subject %s is in read-only mode", subject)
	case d.ID != nil && *d.ID >= 0 && m != modeImport:
		return notPermitted("Subject %s is not in import mode", subject)
	case (d.ID == nil || *d.ID < 0) && m != modeReadWrite:
		return notPermitted("Subject %s is not in read-write mode", subject)
	}
	return nil
}

// newVersion fills in number and id of a value and returns the records that store it.
func (b *books) newVersion(s *state, v *schemaValue, parsed schema.Schema, d draft) ([]record, error) {
	all := s.versions(v.Subject, true)
	live := slices.DeleteFunc(slices.Clone(all), func(o *version) bool { return o.Deleted })
	next := 1
	if len(all) > 0 {
		next = all[len(all)-1].Version + 1
	}
	importing := s.modeInScope(v.Subject) == modeImport
	if !importing {
		if len(live) > 0 {
			inherit(v, live[len(live)-1])
		}
		why, err := b.misfits(s, v, parsed, live)
		if err != nil {
			return nil, err
		}
		if len(why) > 0 {
			return nil, incompatible(v.Subject, why)
		}
	}
	v.Version = next
	if d.Version != nil && *d.Version > 0 {
		if *d.Version != next && !importing {
			return nil, fail(42201, "Version is not one more than previous version")
		}
		v.Version = *d.Version
	}
	if err := s.assignID(v, d.ID); err != nil {
		return nil, err
	}
	var records []record
	if c := contextOf(v.Subject); c != defaultContext && !s.contexts[c] {
		records = append(records, record{key{Type: contextRecord, Context: c}, contextValue{tenant, c}})
	}
	for _, old := range all { // a deleted version with the same id gives way to the new one
		if old.Deleted && old.ID == v.ID && old.Version < v.Version {
			records = append(records, record{key: key{Type: schemaRecord, Subject: v.Subject, Version: old.Version}})
		}
	}
	return append(records, record{key{Type: schemaRecord, Subject: v.Subject, Version: v.Version}, *v}), nil
}

// inherit takes metadata and rules that a client leaves out from the version before.
func inherit(v *schemaValue, before *version) {
	if v.Metadata == nil {
		v.Metadata = before.Metadata
	}
	if v.RuleSet == nil {
		v.RuleSet = before.RuleSet
	}
}

// assignID gives a schema the id that it has in its context, the one that an import names, or the next.
func (s *state) assignID(v *schemaValue, given *int) error {
	context, is := contextOf(v.Subject), identity(v)
	if given != nil && *given >= 0 {
		if held, taken := s.ids[context][*given]; taken && held != is {
			return notPermitted("Overwrite new schema with id %d is not permitted.", *given)
		}
		v.ID = *given
		return nil
	}
	if id, known := s.byDigest[context][is]; known {
		v.ID = id
		return nil
	}
	if s.highest[context] >= maxInt {
		return fail(50001, "There are no more ids.")
	}
	v.ID = s.highest[context] + 1
	return nil
}

// maxInt is the largest int of Java: of ids and versions.
const maxInt = 1<<31 - 1

// misfits compares a schema with versions of its subject, oldest first, at the level that holds for it.
func (b *books) misfits(s *state, v *schemaValue, parsed schema.Schema, versions []*version) ([]string, error) {
	c := s.configInScope(v.Subject)
	if c.Level == levelNone {
		return nil, nil
	}
	var before []older
	for _, o := range versions {
		if c.Group != "" && group(o.Metadata, c.Group) != group(v.Metadata, c.Group) {
			continue
		}
		before = append(before, older{version: o})
	}
	if !c.Level.transitive() && len(before) > 1 {
		before = before[len(before)-1:]
	}
	for i := range before {
		var err error
		if before[i].schema, err = b.schema(s, before[i].version); err != nil {
			return nil, fail(50001, "Version %d of the subject %s cannot be read any more: %s", before[i].version.Version, v.Subject, err)
		}
	}
	return fits(parsed, formatOf(v.Type), before, c.Level), nil
}

// compare tests a draft against versions of a subject without storing it.
func (b *books) compare(subject string, d draft, normalize bool, which func(s *state) ([]*version, error)) (why []string, err error) {
	err = b.read(func(s *state) error {
		versions, err := which(s)
		if err != nil {
			return err
		}
		v, parsed, err := b.value(s, subject, d, normalize)
		if err != nil {
			return err
		}
		why, err = b.misfits(s, &v, parsed, versions)
		return err
	})
	return why, err
}

// latest stands for the newest version of a subject.
const latest = -1

// readVersion reads a version of a path (Confluent: VersionId).
func readVersion(text string) (int, error) {
	if strings.EqualFold(text, "latest") {
		return latest, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 && n != latest {
		return 0, fail(42202, "The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", text)
	}
	return int(n), nil
}

// version is a version of a subject.
func (s *state) version(subject string, n int, deleted bool) (*version, error) {
	all := s.versions(subject, deleted)
	if len(all) == 0 {
		return nil, noSubject(subject)
	}
	if n == latest {
		return all[len(all)-1], nil
	}
	if v := s.subjects[subject][n]; v != nil && (deleted || !v.Deleted) {
		return v, nil
	}
	return nil, noVersion(n)
}

// referenced refuses to take away what others refer to.
func (s *state) referenced(v *version) error {
	if len(s.referring(v.Subject, v.Version, false)) == 0 {
		return nil
	}
	return fail(42206, "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=%s,version=%d}.", v.Subject, v.Version)
}

func (s *state) mayChange(subject string) error {
	if s.modeInScope(subject).readOnly() {
		return notPermitted("Subject %s is in read-only mode", subject)
	}
	return nil
}

// deleteVersion marks a version as deleted or, when it is, takes it away for good.
func (b *books) deleteVersion(ctx context.Context, subject string, n int, permanent bool) (number int, err error) {
	err = b.change(ctx, "Delete version", func(s *state) ([]record, error) {
		if n == latest && len(s.versions(subject, false)) == 0 && !permanent {
			return nil, noSubject(subject)
		}
		v, err := s.version(subject, n, n != latest || permanent)
		if err != nil {
			return nil, err
		}
		number = v.Version
		switch {
		case v.Deleted && !permanent:
			return nil, fail(40406, "Subject '%s' Version %d was soft deleted. Set permanent=true to delete permanently", subject, v.Version)
		case !v.Deleted && permanent:
			return nil, fail(40407, "Subject '%s' Version %d was not deleted first before being permanently deleted", subject, v.Version)
		}
		if err := s.mayChange(subject); err != nil {
			return nil, err
		}
		if err := s.referenced(v); err != nil {
			return nil, err
		}
		k := key{Type: schemaRecord, Subject: subject, Version: v.Version}
		if permanent {
			return []record{{key: k}}, nil
		}
		gone := v.schemaValue
		gone.Deleted = true
		records := []record{{k, gone}}
		if len(s.versions(subject, false)) == 1 {
			records = append(records, s.forget(subject)...)
		}
		return records, nil
	})
	return number, err
}

// forget takes the level and the mode of a subject away.
func (s *state) forget(subject string) []record {
	var records []record
	if _, set := s.modes[subject]; set {
		records = append(records, record{key: key{Type: modeRecord, Subject: subject}})
	}
	if _, set := s.configs[subject]; set {
		records = append(records, record{key: key{Type: configRecord, Subject: subject}})
	}
	return records
}

// deleteSubject marks all versions of a subject as deleted or, when they are, takes them away for good.
func (b *books) deleteSubject(ctx context.Context, subject string, permanent bool) (numbers []int, err error) {
	err = b.change(ctx, "Delete subject", func(s *state) ([]record, error) {
		live, all := s.versions(subject, false), s.versions(subject, true)
		switch {
		case len(all) == 0:
			return nil, noSubject(subject)
		case len(live) == 0 && !permanent:
			return nil, fail(40404, "Subject '%s' was soft deleted.Set permanent=true to delete permanently", subject)
		case len(live) > 0 && permanent:
			return nil, fail(40405, "Subject '%s' was not deleted first before being permanently deleted", subject)
		}
		if err := s.mayChange(subject); err != nil {
			return nil, err
		}
		which := live
		if permanent {
			which = all
		}
		for _, v := range which {
			numbers = append(numbers, v.Version)
			if err := s.referenced(v); err != nil {
				return nil, err
			}
		}
		if !permanent {
			gone := record{key{Type: deleteRecord, Subject: subject}, deleteValue{subject, all[len(all)-1].Version}}
			return append([]record{gone}, s.forget(subject)...), nil
		}
		var records []record
		for _, v := range all {
			records = append(records, record{key: key{Type: schemaRecord, Subject: subject, Version: v.Version}})
		}
		return records, nil
	})
	return numbers, err
}
