package protobuf

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// printFile writes a file as Confluent's ProtobufSchemaUtils does: a registry compares texts.
func printFile(pkg string, imports []string, m *message) (string, error) {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\n")
	if pkg != "" {
		for part := range strings.SplitSeq(pkg, ".") {
			if err := checkName(part); err != nil {
				return "", err
			}
		}
		b.WriteString("package " + pkg + ";\n")
	}
	if len(imports) > 0 {
		b.WriteByte('\n')
	}
	for _, path := range imports {
		b.WriteString("import \"" + path + "\";\n")
	}
	b.WriteByte('\n')
	p := printer{b: &b}
	p.message(m)
	return b.String(), p.err
}

// checkName takes what Protobuf takes for a name, in Java's words.
func checkName(name string) error {
	ok := name != "" && (name[0] < '0' || name[0] > '9')
	for i := range len(name) {
		ok = ok && wordByte(name[i])
	}
	switch {
	case name == "":
		return plugin.Data("Invalid protobuf schema definition: Missing name.")
	case !ok:
		return plugin.Data("Invalid protobuf schema definition: %q is not a valid identifier.", name)
	}
	return nil
}

type printer struct {
	b      *strings.Builder
	indent int
	err    error
}

// line writes a line. One without text has the blanks too.
func (p *printer) line(format string, args ...any) {
	for range p.indent {
		p.b.WriteString("  ")
	}
	fmt.Fprintf(p.b, format, args...)
	p.b.WriteByte('\n')
}

func (p *printer) name(name string) string {
	if err := checkName(name); err != nil && p.err == nil {
		p.err = err
	}
	return name
}

func (p *printer) message(m *message) {
	plain := 0
	for _, f := range m.fields {
		if f.oneof < 0 {
			plain++
		}
	}
	oneofs := m.filled()
	if plain+len(oneofs)+len(m.nested)+len(m.enums) == 0 {
		p.line("message %s {}", p.name(m.name))
		return
	}
	p.line("message %s {", p.name(m.name))
	p.indent++
	for _, f := range m.fields {
		if f.oneof < 0 {
			p.field(f)
		}
	}
	if len(oneofs) > 0 {
		p.gap(plain)
	}
	for _, at := range oneofs {
		p.line("oneof %s {", p.name(m.oneofs[at]))
		p.indent++
		for _, f := range m.fields {
			if f.oneof == at {
				p.field(f)
			}
		}
		p.indent--
		p.line("}")
	}
	if len(m.nested)+len(m.enums) > 0 {
		p.gap(plain + len(oneofs))
	}
	for _, n := range m.nested {
		p.message(n)
	}
	for _, e := range m.enums {
		p.enum(e)
	}
	p.indent--
	p.line("}")
}

// gap is an empty line before a part of a message, unless it is the first one.
func (p *printer) gap(before int) {
	if before > 0 {
		p.indent--
		p.line("")
		p.indent++
	}
}

// filled are the places of the oneofs that have fields.
func (m *message) filled() (all []int) {
	for at := range m.oneofs {
		for _, f := range m.fields {
			if f.oneof == at {
				all = append(all, at)
				break
			}
		}
	}
	return all
}

func (p *printer) enum(e enum) {
	p.line("enum %s {", p.name(e.name))
	p.indent++
	for _, s := range e.symbols {
		if _, err := strconv.ParseInt(s.Value, 10, 32); err != nil && p.err == nil {
			p.err = plugin.Data("the number of the symbol %s of the enum %s is none", s.Key, e.name)
		}
		p.line("%s = %s;", p.name(s.Key), s.Value)
	}
	p.indent--
	p.line("}")
}

func (p *printer) field(f field) {
	head := fmt.Sprintf("%s %s = %d", p.typeName(f.typ), p.name(f.name), f.number)
	if f.label != "" && f.oneof < 0 {
		head = f.label + " " + head
	}
	if len(f.params) == 0 {
		p.line("%s;", head)
		return
	}
	p.line("%s [(confluent.field_meta) = {", head)
	p.indent++
	p.line("params: [")
	p.indent++
	for i, param := range f.params {
		p.param(param, i < len(f.params)-1)
	}
	p.indent--
	p.line("]")
	p.indent--
	p.line("}];")
}

// param writes a parameter. Those of a Decimal stand with the value first, as they always did.
func (p *printer) param(param record.Param, more bool) {
	key, value := `key: "`+escape(param.Key)+`"`, `value: "`+escape(param.Value)+`"`
	if param.Key == "precision" || param.Key == "scale" {
		key, value = value, key
	}
	end := "}"
	if more {
		end = "},"
	}
	p.line("{")
	p.line("  %s,", key)
	p.line("  %s", value)
	p.line("%s", end)
}

// typeName checks every part of a type's name.
func (p *printer) typeName(name string) string {
	for part := range strings.SplitSeq(name, ".") {
		p.name(part)
	}
	return name
}

func escape(s string) string {
	return strings.NewReplacer("\a", `\a`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`,
		`\`, `\\`, `'`, `\'`, `"`, `\"`).Replace(s)
}
