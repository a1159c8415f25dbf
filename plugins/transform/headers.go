package transform

import (
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type dropHeadersConfig struct {
	Headers []string `cfg:"headers,required,nonempty,unique" importance:"high" example:"trace,span" doc:"Names of the headers to remove, in exactly this spelling."`
}

// dropHeaders follows Kafka Connect's DropHeaders.
type dropHeaders struct {
	single
	names []string
}

func newDropHeaders(plugin.Target) plugin.Transform {
	t := &dropHeaders{}
	t.each = t.drop
	return t
}

// Configure implements [plugin.Transform].
func (t *dropHeaders) Configure(c plugin.Config) error {
	var cfg dropHeadersConfig
	err := plugin.Decode(c, &cfg)
	t.names = cfg.Headers
	return err
}

func (t *dropHeaders) drop(_ int, r *record.Record) error {
	kept := 0
	for i := range r.Headers {
		if !slices.Contains(t.names, r.Headers[i].Key) {
			kept++
		}
	}
	if kept == len(r.Headers) {
		return nil
	}
	out := t.batch.Headers(kept)
	n := 0
	for i := range r.Headers {
		if !slices.Contains(t.names, r.Headers[i].Key) {
			out[n] = r.Headers[i]
			n++
		}
	}
	r.Headers = out
	return nil
}

type insertHeaderConfig struct {
	Header  string `cfg:"header,required" importance:"high" example:"origin" doc:"Name of the header."`
	Literal string `cfg:"value.literal,required" importance:"high" example:"shop" doc:"What the header holds. The type is that of the text: a number, true or false, a timestamp, a list or a map in the manner of JSON, null, and otherwise a string."`
}

// insertHeader follows Kafka Connect's InsertHeader. Headers of the same name stay.
type insertHeader struct {
	single
	header record.Header
}

func newInsertHeader(plugin.Target) plugin.Transform {
	t := &insertHeader{}
	t.each = t.insert
	return t
}

// Configure implements [plugin.Transform].
func (t *insertHeader) Configure(c plugin.Config) error {
	var cfg insertHeaderConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	d, err := record.ParseText(cfg.Literal)
	if err != nil {
		return plugin.Invalid("value.literal", cfg.Literal, err.Error())
	}
	t.header = record.Header{Key: cfg.Header, Datum: d}
	return nil
}

func (t *insertHeader) insert(_ int, r *record.Record) error {
	headers := t.batch.Headers(len(r.Headers) + 1)
	copy(headers, r.Headers)
	headers[len(r.Headers)] = t.header
	r.Headers = headers
	return nil
}

type headerFromConfig struct {
	Fields    []string `cfg:"fields,required" importance:"high" example:"source" doc:"Names of the fields whose content becomes headers."`
	Headers   []string `cfg:"headers,required" importance:"high" example:"origin" doc:"Names of the headers, one for each field and in the same order."`
	Operation string   `cfg:"operation,required" oneof:"move|copy" importance:"high" example:"copy" doc:"Whether the fields go (move) or stay (copy)."`
	Replace   bool     `cfg:"replace.null.with.default" doc:"Whether the default of a field is taken where the field is null."`
	Syntax    string   `cfg:"field.syntax.version,anycase" oneof:"V1|V2" importance:"high" doc:"How names of fields are read. V1: as they stand. V2: as paths of names with dots between them; a name that has a dot stands in backticks."`
}

var headerFromDefaults = headerFromConfig{Syntax: "V1", Replace: true} //nolint:gochecknoglobals // a literal

// headerFrom follows Kafka Connect's HeaderFrom.
type headerFrom struct {
	single
	target  plugin.Target
	fields  []string
	headers []string // parallel to fields
	move    bool
	purpose string
	replace bool
	plans   memo[*headerPlan]

	paths   []path // of the fields, in syntax V2; nil in V1
	places  memo[*headerPlaces]
	removal *nested // of the fields, in syntax V2
}

// headerPlaces is where the fields are in structs of one schema, in syntax V2, and the schemas of the headers.
type headerPlaces struct {
	places  []place
	schemas []*record.Schema
}

// headerPlan is what becomes of structs of one schema.
type headerPlan struct {
	from []int      // parallel to headers: index of the field
	rest *selection // what is left of the struct, nil where all is
}

func newHeaderFrom(target plugin.Target) plugin.Transform {
	t := &headerFrom{target: target}
	t.each = t.take
	return t
}

// Configure implements [plugin.Transform].
func (t *headerFrom) Configure(c plugin.Config) error {
	cfg := headerFromDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	switch {
	case len(cfg.Fields) == 0:
		return plugin.Invalid("fields", "[]", "Empty list")
	case len(cfg.Headers) == 0:
		return plugin.Invalid("headers", "[]", "Empty list")
	case len(cfg.Fields) != len(cfg.Headers):
		return &plugin.ConfigError{Key: "headers", Reason: "'fields' config must have the same number of elements as 'headers' config."}
	}
	t.plans = memo[*headerPlan]{}
	t.fields, t.headers = cfg.Fields, cfg.Headers
	t.move, t.purpose, t.replace = cfg.Operation == "move", "header "+cfg.Operation, cfg.Replace
	t.paths, t.removal, t.places = nil, nil, memo[*headerPlaces]{}
	if isV2(c) {
		return t.configurePaths(cfg)
	}
	return nil
}

func (t *headerFrom) configurePaths(cfg headerFromConfig) error {
	for _, name := range cfg.Fields {
		if _, _, err := leafOf("fields", name); err != nil {
			return err
		}
		p, err := newPath(name, cfg.Syntax)
		if err != nil {
			return err
		}
		t.paths = append(t.paths, p)
	}
	if !t.move {
		return nil
	}
	t.removal = paths(newReplaceField, replacePaths)(t.target).(*nested)
	return t.removal.Configure(plugin.Config{
		"exclude": strings.Join(cfg.Fields, ","), "field.syntax.version": "V2", "replace.null.with.default": strconv.FormatBool(cfg.Replace),
	})
}

// takePaths is take in syntax V2. Behind a null on the way a header is null.
func (t *headerFrom) takePaths(i int, d *record.Datum, r *record.Record) error {
	headers := t.longer(r)
	added := headers[len(r.Headers):]
	if d.Schema == nil {
		if _, err := mapEntries(d.Value, t.purpose); err != nil {
			return err
		}
		for n, p := range t.paths {
			v, err := p.valueInMap(d.Value)
			if err != nil {
				return err
			}
			added[n] = record.Header{Key: t.headers[n], Datum: record.Datum{Value: v}}
		}
	} else {
		if _, err := structFields(d, t.purpose); err != nil {
			return err
		}
		plan, err := shaped(&t.places, d.Schema, t.placesIn)
		if err != nil {
			return err
		}
		for n := range plan.places {
			v, err := plan.places[n].value(d.Schema, d.Value, t.replace)
			if err != nil {
				return err
			}
			added[n] = record.Header{Key: t.headers[n], Datum: record.Datum{Schema: plan.schemas[n], Value: v}}
		}
	}
	if t.removal != nil {
		t.removal.batch = t.batch
		err := t.removal.one(i, r)
		t.removal.batch = nil
		if err != nil {
			return err
		}
	}
	r.Headers = headers
	return nil
}

func (t *headerFrom) placesIn(in *record.Schema) (*headerPlaces, error) {
	plan := &headerPlaces{}
	for _, p := range t.paths {
		pl, err := p.in(in)
		if err != nil {
			return nil, err
		}
		s, err := pl.optionalBy(in)
		if err != nil {
			return nil, err
		}
		plan.places, plan.schemas = append(plan.places, pl), append(plan.schemas, s)
	}
	return plan, nil
}

func (t *headerFrom) take(i int, r *record.Record) error {
	d := part(t.target, r)
	if t.paths != nil {
		return t.takePaths(i, d, r)
	}
	if d.Schema == nil {
		return t.takeOfMap(d, r)
	}
	fields, err := structFields(d, t.purpose)
	if err != nil {
		return err
	}
	plan, ok := t.plans.find(d.Schema)
	if !ok {
		if plan, err = t.planFor(d.Schema); err != nil {
			return err
		}
		t.plans.add(d.Schema, plan)
	}
	headers := t.longer(r)
	for i, from := range plan.from {
		h := &headers[len(r.Headers)+i]
		*h = record.Header{Key: t.headers[i], Datum: record.Datum{Schema: d.Schema.Fields[from].Schema, Value: fields[from]}}
		switch {
		case !h.Value.IsNull():
		case t.replace && h.Schema.HasDefault:
			h.Value = h.Schema.Default
		case !h.Schema.Optional:
			return plugin.Data("A null value requires an optional schema but was %s", h.Schema)
		}
	}
	if plan.rest != nil {
		v, err := plan.rest.take(&t.batch.Arena, fields, t.replace)
		if err != nil {
			return err
		}
		*d = record.Datum{Schema: plan.rest.schema, Value: v}
	}
	r.Headers = headers
	return nil
}

// longer copies the headers of a record, with room for one for each field.
func (t *headerFrom) longer(r *record.Record) []record.Header {
	headers := t.batch.Headers(len(r.Headers) + len(t.fields))
	copy(headers, r.Headers)
	return headers
}

func (t *headerFrom) planFor(in *record.Schema) (*headerPlan, error) {
	plan := &headerPlan{}
	for _, name := range t.fields {
		i := in.Field(name)
		if i < 0 {
			return nil, plugin.Data("Unknown field: %s", name)
		}
		plan.from = append(plan.from, i)
	}
	if !t.move {
		return plan, nil
	}
	b := record.Build(record.Struct).Like(in)
	plan.rest = &selection{}
	for i, f := range in.Fields {
		if !slices.Contains(t.fields, f.Name) {
			b.Field(f.Name, f.Schema)
			plan.rest.from = append(plan.rest.from, i)
		}
	}
	return plan, plan.rest.build(b)
}

func (t *headerFrom) takeOfMap(d *record.Datum, r *record.Record) error {
	entries, err := mapEntries(d.Value, t.purpose)
	if err != nil {
		return err
	}
	headers := t.longer(r)
	for i, name := range t.fields {
		v, _ := d.Value.Get(name)
		headers[len(r.Headers)+i] = record.Header{Key: t.headers[i], Datum: record.Datum{Value: v}}
	}
	if t.move {
		out := t.batch.Values(len(entries))
		n := 0
		for i := 0; i < len(entries); i += 2 {
			if entries[i].Kind() != record.String || !slices.Contains(t.fields, entries[i].Text()) {
				out[n], out[n+1] = entries[i], entries[i+1]
				n += 2
			}
		}
		d.Value = record.OfMap(out[:n])
	}
	r.Headers = headers
	return nil
}
