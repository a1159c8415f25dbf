package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type changeCaseConfig struct {
	From string `cfg:"from,required" oneof:"LOWER_HYPHEN|LOWER_UNDERSCORE|LOWER_CAMEL|UPPER_CAMEL|UPPER_UNDERSCORE" importance:"high" example:"LOWER_CAMEL" doc:"How names are written: lower-hyphen, lower_underscore, lowerCamel, UpperCamel or UPPER_UNDERSCORE."`
	To   string `cfg:"to,required" oneof:"LOWER_HYPHEN|LOWER_UNDERSCORE|LOWER_CAMEL|UPPER_CAMEL|UPPER_UNDERSCORE" importance:"high" example:"LOWER_UNDERSCORE" doc:"How they are written afterwards."`
}

// nameCase converts between two ways to write names (com.google.common.base.CaseFormat).
type nameCase struct{ from, to string }

// convert takes a name apart where from sees a boundary and writes its words as to writes them. Only ASCII letters have a
// case.
func (c nameCase) convert(name string) string {
	old, sep := separators[c.from], separators[c.to]
	switch {
	case c.from == c.to:
		return name
	case old != "" && sep != "": // the words stay as they are, but for their case where one of the two is in upper case
		name = strings.ReplaceAll(name, old, sep)
		if c.to != "UPPER_UNDERSCORE" && c.from != "UPPER_UNDERSCORE" {
			return name
		}
		var b strings.Builder
		c.word(&b, name, true)
		return b.String()
	}
	var b strings.Builder
	start := 0
	for at := range len(name) {
		if boundary := old == "" && name[at] >= 'A' && name[at] <= 'Z' || old != "" && name[at] == old[0]; !boundary {
			continue
		}
		if start == 0 {
			b.Reset() // an upper case letter at the very beginning is no boundary
		}
		c.word(&b, name[start:at], start == 0)
		b.WriteString(sep)
		start = at + len(old)
	}
	if start == 0 {
		b.Reset()
	}
	c.word(&b, name[start:], start == 0)
	return b.String()
}

// separators stand between the words of a name.
var separators = map[string]string{ //nolint:gochecknoglobals // a literal
	"LOWER_HYPHEN": "-", "LOWER_UNDERSCORE": "_", "UPPER_UNDERSCORE": "_", "LOWER_CAMEL": "", "UPPER_CAMEL": "",
}

func (c nameCase) word(b *strings.Builder, word string, first bool) {
	for i := range len(word) {
		ch := word[i]
		upper := c.to == "UPPER_UNDERSCORE" || i == 0 && (c.to == "UPPER_CAMEL" || c.to == "LOWER_CAMEL" && !first)
		switch {
		case upper && ch >= 'a' && ch <= 'z', !upper && ch >= 'A' && ch <= 'Z':
			ch ^= 0x20
		}
		b.WriteByte(ch)
	}
}

// changeTopicCase follows com.github.jcustenborder.kafka.connect.transform.common.ChangeTopicCase.
type changeTopicCase struct {
	single
	names nameCase
	known map[string]string
}

func newChangeTopicCase(plugin.Target) plugin.Transform {
	t := &changeTopicCase{}
	t.each = t.rename
	return t
}

// Configure implements [plugin.Transform].
func (t *changeTopicCase) Configure(c plugin.Config) error {
	var cfg changeCaseConfig
	err := plugin.Decode(c, &cfg)
	t.names, t.known = nameCase{cfg.From, cfg.To}, map[string]string{}
	return err
}

func (t *changeTopicCase) rename(_ int, r *record.Record) error {
	if r.Topic == "" {
		return plugin.Data("The record has no topic whose case could change")
	}
	to, ok := t.known[r.Topic]
	if !ok {
		if len(t.known) >= mostRoutes {
			clear(t.known)
		}
		from := strings.Clone(r.Topic)
		to = t.names.convert(from)
		t.known[from] = to
	}
	r.Topic = to
	return nil
}

// changeCase follows com.github.jcustenborder.kafka.connect.transform.common.ChangeCase: the names of a struct's fields, also
// in structs and lists within it, are written in another way. Of a schema only its name and being optional stay.
type changeCase struct {
	single
	target plugin.Target
	names  nameCase
	plans  memo[*record.Schema]
}

func newChangeCase(target plugin.Target) plugin.Transform {
	t := &changeCase{target: target}
	t.each = t.change
	return t
}

// Configure implements [plugin.Transform].
func (t *changeCase) Configure(c plugin.Config) error {
	var cfg changeCaseConfig
	err := plugin.Decode(c, &cfg)
	t.names, t.plans = nameCase{cfg.From, cfg.To}, memo[*record.Schema]{}
	return err
}

func (t *changeCase) change(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Schema == nil && d.Value.IsNull():
		return nil
	case d.Schema == nil || d.Schema.Kind != record.Struct || d.Value.Kind() != record.Struct && !d.Value.IsNull():
		return plugin.Data("%s is not a supported type.", d.Value.Kind())
	}
	to, err := shaped(&t.plans, d.Schema, t.renamed)
	if err != nil {
		return err
	}
	if d.Value.IsNull() { // becomes a struct whose fields are null, as it does there
		*d = record.Datum{Schema: to, Value: record.OfStruct(t.batch.Values(len(to.Fields)))}
		return nil
	}
	v, err := t.structure(d.Schema, to, d.Value)
	if err == nil {
		*d = record.Datum{Schema: to, Value: v}
	}
	return err
}

// renamed is the schema that comes out.
func (t *changeCase) renamed(in *record.Schema) (*record.Schema, error) {
	var b *record.Builder
	switch in.Kind {
	case record.Array:
		elem, err := t.renamed(in.Elem)
		if err != nil {
			return nil, err
		}
		b = record.BuildArray(elem)
	case record.Struct:
		b = record.Build(record.Struct)
		if in.Name != "" {
			b.Named(in.Name)
		}
		for _, f := range in.Fields {
			s, err := t.renamed(f.Schema)
			if err != nil {
				return nil, err
			}
			b.Field(t.names.convert(f.Name), s)
		}
	default:
		return in, nil
	}
	if in.Optional {
		b.Optional()
	}
	return built(b)
}

// structure copies a struct. One that is null becomes one whose fields are null, where they may be.
func (t *changeCase) structure(in, out *record.Schema, v record.Value) (record.Value, error) {
	fields := t.batch.Values(len(in.Fields))
	if v.IsNull() {
		for _, f := range out.Fields {
			if !f.Schema.Optional && !f.Schema.HasDefault {
				return v, nullForRequired(f)
			}
		}
		return record.OfStruct(fields), nil
	}
	for i, e := range v.Elements() {
		s := in.Fields[i].Schema
		if e.IsNull() && s.HasDefault {
			e = s.Default
		}
		var err error
		if fields[i], err = t.value(s, out.Fields[i].Schema, e); err != nil {
			return v, err
		}
		if fields[i].IsNull() && !out.Fields[i].Schema.Optional {
			return v, nullForRequired(out.Fields[i])
		}
	}
	return record.OfStruct(fields), nil
}

func (t *changeCase) value(in, out *record.Schema, v record.Value) (record.Value, error) {
	switch {
	case in.Kind == record.Struct:
		return t.structure(in, out, v)
	case in.Kind != record.Array || in.Elem.Kind != record.Struct && in.Elem.Kind != record.Array:
		return v, nil
	case v.IsNull():
		return v, plugin.Data("A list of structs or lists is null")
	}
	from := v.Elements()
	list := t.batch.Values(len(from))
	for i, e := range from {
		var err error
		if list[i], err = t.value(in.Elem, out.Elem, e); err != nil {
			return v, err
		}
	}
	return record.OfArray(list), nil
}
