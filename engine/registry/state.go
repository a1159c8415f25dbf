package registry

import (
	"cmp"
	"crypto/md5" //nolint:gosec // an identity that clients of the real registry know, not a protection
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/penstock/penstock/engine/registry/schema"
)

// state is the image of the topic: the records applied in their order. It is not safe for concurrent use.
type state struct {
	subjects map[string]map[int]*version
	configs  map[string]configValue // by subject, scope of a context, or ""
	modes    map[string]mode
	contexts map[string]bool           // those that were made by a schema; the default one is not among them
	ids      map[string]map[int]digest // by context
	byDigest map[string]map[digest]int // the other way round
	highest  map[string]int            // highest id of a context ever used
}

// digest is the identity of a schema: its text, references, metadata and rules. Equal ones have one id within a context.
type digest [16]byte

// guid is a digest in the form of a UUID.
func (d digest) guid() string {
	h := hex.EncodeToString(d[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// version is a version of a subject.
type version struct {
	schemaValue
	digest digest
}

// identity is the digest of a schema (Confluent: MD5.ofSchema).
func identity(v *schemaValue) digest {
	h := md5.New() //nolint:gosec // as above
	h.Write([]byte(v.Schema))
	for _, r := range v.References {
		h.Write([]byte(r.Name))
		h.Write([]byte(r.Subject))
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(r.Version))) //nolint:gosec // as Java writes an int
	}
	if v.Type != "" {
		h.Write([]byte(v.Type)) // "true" is a schema in two formats
	}
	h.Write(v.Metadata)
	h.Write(v.RuleSet)
	return digest(h.Sum(nil))
}

func newState() *state {
	return &state{
		subjects: map[string]map[int]*version{}, configs: map[string]configValue{}, modes: map[string]mode{}, contexts: map[string]bool{},
		ids: map[string]map[int]digest{}, byDigest: map[string]map[digest]int{}, highest: map[string]int{},
	}
}

// apply applies one record of the topic. An error is about a record that cannot be read, and changes nothing.
func (s *state) apply(rawKey, value []byte) error {
	k, err := readKey(rawKey)
	if err != nil {
		return err
	}
	switch k.Type {
	case schemaRecord:
		return s.applySchema(k, value)
	case configRecord:
		return put(s.configs, k.Subject, value, func(v configValue) configValue { v.Subject = ""; return v })
	case modeRecord:
		return put(s.modes, k.Subject, value, func(v modeValue) mode { return v.Mode })
	case deleteRecord:
		return s.applyDelete(k, value)
	case clearRecord:
		for n, v := range s.subjects[k.Subject] {
			if v.Deleted {
				s.remove(k.Subject, n)
			}
		}
	case contextRecord:
		if value == nil {
			delete(s.contexts, k.Context)
		} else if k.Context != defaultContext {
			s.contexts[k.Context] = true
		}
	case noopRecord:
	default:
		return fmt.Errorf("it is of the type %q, which this registry does not have", k.Type)
	}
	return nil
}

// put keeps a part of the JSON of a value, or takes it away.
func put[J, V any](into map[string]V, at string, value []byte, part func(J) V) error {
	if value == nil {
		delete(into, at)
		return nil
	}
	var v J
	if err := json.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("its value: %w", err)
	}
	into[at] = part(v)
	return nil
}

func (s *state) applySchema(k key, value []byte) error {
	if value == nil {
		s.remove(k.Subject, k.Version)
		return nil
	}
	v := &version{}
	if err := json.Unmarshal(value, &v.schemaValue); err != nil {
		return fmt.Errorf("its value: %w", err)
	}
	if v.Version != k.Version || v.Version < 1 || canonicalSubject(v.Subject) != k.Subject {
		return fmt.Errorf("its value is of version %d of %q", v.Version, v.Subject)
	}
	if v.Type == schema.Avro {
		v.Type = ""
	}
	v.Subject = k.Subject
	v.digest = identity(&v.schemaValue)
	s.remove(k.Subject, k.Version)
	if s.subjects[k.Subject] == nil {
		s.subjects[k.Subject] = map[int]*version{}
	}
	s.subjects[k.Subject][v.Version] = v
	context := contextOf(k.Subject)
	if s.ids[context] == nil {
		s.ids[context], s.byDigest[context] = map[int]digest{}, map[digest]int{}
	}
	s.ids[context][v.ID] = v.digest
	s.byDigest[context][v.digest] = v.ID
	s.highest[context] = max(s.highest[context], v.ID)
	return nil
}

// applyDelete marks all versions of a subject up to one.
func (s *state) applyDelete(k key, value []byte) error {
	if value == nil {
		return nil
	}
	var d deleteValue
	if err := json.Unmarshal(value, &d); err != nil {
		return fmt.Errorf("its value: %w", err)
	}
	for n, v := range s.subjects[k.Subject] {
		if n <= d.Version {
			gone := *v
			gone.Deleted = true
			s.subjects[k.Subject][n] = &gone
		}
	}
	return nil
}

// remove forgets a version, and its id when no other has it.
func (s *state) remove(subject string, n int) {
	v := s.subjects[subject][n]
	if v == nil {
		return
	}
	delete(s.subjects[subject], n)
	if len(s.subjects[subject]) == 0 {
		delete(s.subjects, subject)
	}
	context := contextOf(subject)
	if len(s.holders(context, v.ID)) == 0 {
		delete(s.ids[context], v.ID)
		delete(s.byDigest[context], v.digest)
	}
}

// versions are the versions of a subject in their order.
func (s *state) versions(subject string, deleted bool) []*version {
	var all []*version
	for _, n := range slices.Sorted(maps.Keys(s.subjects[subject])) {
		if v := s.subjects[subject][n]; deleted || !v.Deleted {
			all = append(all, v)
		}
	}
	return all
}

// each calls f with every version, by subject and number.
func (s *state) each(f func(v *version)) {
	for _, subject := range slices.Sorted(maps.Keys(s.subjects)) {
		for _, v := range s.versions(subject, true) {
			f(v)
		}
	}
}

// holders are the versions of a context that have an id.
func (s *state) holders(context string, id int) []*version {
	var all []*version
	for subject, versions := range s.subjects {
		if contextOf(subject) != context {
			continue
		}
		for _, v := range versions {
			if v.ID == id {
				all = append(all, v)
			}
		}
	}
	slices.SortFunc(all, func(a, b *version) int { return cmp.Or(cmp.Compare(a.Subject, b.Subject), a.Version-b.Version) })
	return all
}

// referring are the versions that refer to a version of a subject, or with 0 to any of it.
func (s *state) referring(subject string, n int, deleted bool) []*version {
	var all []*version
	s.each(func(v *version) {
		if v.Deleted && !deleted {
			return
		}
		for _, r := range v.References {
			if inContext(contextOf(v.Subject), r.Subject) == subject && (n == 0 || r.Version == n) {
				all = append(all, v)
				return
			}
		}
	})
	return all
}

// inContext is the subject that a schema of a context refers to: one that names no context is in the schema's own.
func inContext(context, subject string) string {
	if of, name := split(subject); of == defaultContext {
		return qualify(context, name)
	}
	return canonicalSubject(subject)
}
