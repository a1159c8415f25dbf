package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/registry/schema"
)

// level is how a new version must fit the ones before it. "" is not set.
type level string

const (
	levelNone               level = "NONE"
	levelBackward           level = "BACKWARD"
	levelBackwardTransitive level = "BACKWARD_TRANSITIVE"
	levelForward            level = "FORWARD"
	levelForwardTransitive  level = "FORWARD_TRANSITIVE"
	levelFull               level = "FULL"
	levelFullTransitive     level = "FULL_TRANSITIVE"
)

// readLevel reads a level in any case.
func readLevel(text string) (level, bool) {
	l := level(strings.ToUpper(text))
	return l, slices.Contains([]level{
		levelNone, levelBackward, levelBackwardTransitive, levelForward, levelForwardTransitive, levelFull, levelFullTransitive,
	}, l)
}

func (l level) transitive() bool { return strings.HasSuffix(string(l), "_TRANSITIVE") }

// backward: the new schema reads what was written with older ones.
func (l level) backward() bool {
	return strings.HasPrefix(string(l), "BACKWARD") || strings.HasPrefix(string(l), "FULL")
}

// forward: older schemas read what is written with the new one.
func (l level) forward() bool {
	return strings.HasPrefix(string(l), "FORWARD") || strings.HasPrefix(string(l), "FULL")
}

// mode is what may be done to a subject.
type mode string

const (
	modeReadWrite        mode = "READWRITE"
	modeReadOnly         mode = "READONLY"
	modeReadOnlyOverride mode = "READONLY_OVERRIDE"
	modeImport           mode = "IMPORT"
	modeForward          mode = "FORWARD"
)

func readMode(text string) (mode, bool) {
	m := mode(strings.ToUpper(text))
	return m, slices.Contains([]mode{modeReadWrite, modeReadOnly, modeReadOnlyOverride, modeImport, modeForward}, m)
}

func (m mode) readOnly() bool { return m == modeReadOnly || m == modeReadOnlyOverride }

// older is a version to compare a new schema with.
type older struct {
	version *version
	schema  schema.Schema
}

// fits compares a schema with the versions before it, oldest first, and says in Confluent's words what does not fit; nothing
// when all does.
func fits(s schema.Schema, format string, before []older, l level) []string {
	if l == levelNone || len(before) == 0 {
		return nil
	}
	if !l.transitive() {
		before = before[len(before)-1:]
	}
	b := schema.NewBudget()
	for _, old := range slices.Backward(before) { // the newest has the most to say
		found := mismatches(s, format, old, l, b)
		if b.Spent() {
			found = append(found, schema.ErrTooComplex.Error())
		}
		if len(found) > 0 {
			return append(found,
				fmt.Sprintf("{oldSchemaVersion: %d}", old.version.Version),
				fmt.Sprintf("{oldSchema: '%s'}", old.version.Schema),
				fmt.Sprintf("{validateFields: 'false', compatibility: '%s'}", l))
		}
	}
	return nil
}

func mismatches(s schema.Schema, format string, old older, l level, b *schema.Budget) []string {
	if was := formatOf(old.version.Type); was != format {
		return []string{fmt.Sprintf("Incompatible because of different schema type: %s and %s", was, format)}
	}
	var found []string
	if l.backward() {
		for _, d := range s.Reads(old.schema, b) {
			found = append(found, d.Describe("new", "old"))
		}
	}
	if l.forward() {
		for _, d := range old.schema.Reads(s, b) {
			found = append(found, d.Describe("old", "new"))
		}
	}
	return found
}

// formatOf is a format's name; none is Avro.
func formatOf(name string) string {
	if name == "" {
		return schema.Avro
	}
	return name
}

// group is what a schema's metadata says under the name of a compatibility group: only versions with the same are compared.
func group(metadata json.RawMessage, name string) string {
	var m struct {
		Properties map[string]string `json:"properties"`
	}
	if name == "" || json.Unmarshal(metadata, &m) != nil {
		return ""
	}
	return m.Properties[name]
}
