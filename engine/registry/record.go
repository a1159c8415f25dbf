package registry

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/penstock/penstock/engine/registry/schema"
)

// The types of records in the topic (Confluent: SchemaRegistryKeyType). Others are of parts that this registry does not have.
const (
	schemaRecord  = "SCHEMA"
	configRecord  = "CONFIG"
	modeRecord    = "MODE"
	deleteRecord  = "DELETE_SUBJECT"
	clearRecord   = "CLEAR_SUBJECT"
	contextRecord = "CONTEXT"
	noopRecord    = "NOOP"
)

// key is the key of a record, with its members in the order in which Confluent's registry prints them: compaction compares
// bytes.
type key struct {
	Type    string
	Subject string // "" is the global one of configRecord and modeRecord
	Version int    // of schemaRecord
	Context string // of contextRecord
}

// tenant is the only one there is.
const tenant = "default"

func (k key) marshal() []byte {
	b := append([]byte(`{"keytype":"`), k.Type...)
	b = append(b, '"')
	switch k.Type {
	case contextRecord:
		b = schema.AppendString(append(b, `,"tenant":`...), tenant)
		b = schema.AppendString(append(b, `,"context":`...), k.Context)
	case noopRecord:
	default:
		b = append(b, `,"subject":`...)
		if k.Subject == "" {
			b = append(b, "null"...)
		} else {
			b = schema.AppendString(b, k.Subject)
		}
	}
	if k.Type == schemaRecord {
		return fmt.Appendf(b, `,"version":%d,"magic":1}`, k.Version)
	}
	return append(b, `,"magic":0}`...)
}

func readKey(b []byte) (key, error) {
	var k struct {
		Keytype string
		Subject *string
		Version int
		Context string
		Magic   int
	}
	if err := json.Unmarshal(b, &k); err != nil {
		return key{}, fmt.Errorf("its key: %w", err)
	}
	if want := map[bool]int{true: 1}[k.Keytype == schemaRecord]; k.Magic != want && k.Magic != 0 {
		return key{}, fmt.Errorf("its key: magic %d", k.Magic)
	}
	read := key{Type: k.Keytype, Version: k.Version, Context: k.Context}
	if k.Subject != nil {
		read.Subject = canonicalSubject(*k.Subject)
	}
	return read, nil
}

// reference is what a schema refers to: under a name, a version of a subject.
type reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// schemaValue is the value of a schemaRecord (Confluent: SchemaValue). AVRO is left out.
type schemaValue struct {
	Subject    string          `json:"subject"`
	Version    int             `json:"version"`
	ID         int             `json:"id"`
	Type       string          `json:"schemaType,omitempty"`
	References []reference     `json:"references,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	RuleSet    json.RawMessage `json:"ruleSet,omitempty"`
	Schema     string          `json:"schema"`
	Deleted    bool            `json:"deleted"`
}

// configValue is the value of a configRecord and, with another name for the level, what the REST API takes and gives.
type configValue struct {
	Subject       string `json:"subject,omitempty"`
	Normalize     *bool  `json:"normalize,omitempty"`
	ValidateField *bool  `json:"validateFields,omitempty"`
	Level         level  `json:"compatibilityLevel,omitempty"`
	Group         string `json:"compatibilityGroup,omitempty"`
	Alias         string `json:"alias,omitempty"`
}

type modeValue struct {
	Subject string `json:"subject,omitempty"`
	Mode    mode   `json:"mode"`
}

type deleteValue struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

type contextValue struct {
	Tenant  string `json:"tenant"`
	Context string `json:"context"`
}

// marshal prints JSON as Jackson does: without the escapes that Go adds for HTML. What is given is always printable.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("registry: print %T: %v", v, err)) // only strings, numbers and JSON that was parsed get here
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// record is a change of the state: what is appended to the topic. A nil value takes the key away.
type record struct {
	key   key
	value any
}
