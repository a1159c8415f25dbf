package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock/penstock/engine/diag"
)

// ReadProperties reads a Java properties file (java.util.Properties.load) as a flat map with places: of a key that stands
// twice the last one counts, with a warning. Bytes beyond ASCII are ISO 8859-1 as in Java, so other characters stand as
// \uXXXX.
func ReadProperties(file string, text []byte) (*Declared, diag.List) {
	r := reading{declared: &Declared{Map: Map{}, Origins: map[string]Origin{}, Place: diag.Place{File: file}, Label: file}}
	p := propertyReader{file: file, text: text, line: 1}
	for {
		key, value, at, ok := p.next()
		if p.bad != nil {
			r.found = append(r.found, *p.bad)
			p.bad = nil
			continue
		}
		if !ok {
			break
		}
		r.set(key, value, at)
	}
	return r.declared, r.found
}

// reading is a map under construction.
type reading struct {
	declared *Declared
	found    diag.List
}

func (r *reading) set(key, value string, at diag.Place) {
	if old, twice := r.declared.Origins[key]; twice {
		at.Hidden = r.declared.IsSecret(key)
		r.found = append(r.found, diag.Warn(diag.DuplicateProperty, at, "%q stands in line %d already. The last one counts, which is this.", key, old.Place.Line))
		at.Hidden = false
	}
	r.declared.Map[key] = value
	r.declared.Origins[key] = Origin{Place: at}
}

// propertyReader walks over a properties file.
type propertyReader struct {
	file  string
	text  []byte
	at    int // of the next byte
	line  int // where it is
	start int // of the line
	bad   *diag.Diagnostic
}

func (p *propertyReader) place(from, to, line, start int) diag.Place {
	column := func(at int) int { return 1 + utf8.RuneCount(p.text[start:at]) }
	return diag.Place{File: p.file, Line: line, Column: column(from), EndLine: line, EndColumn: column(max(from, to))}
}

// next reads one property; false at the end. A mistake is left in bad, with the rest of its line passed over.
func (p *propertyReader) next() (key, value string, at diag.Place, ok bool) {
	for p.at < len(p.text) {
		p.blanks()
		switch {
		case p.at == len(p.text):
			return "", "", diag.Place{}, false
		case p.newline():
		case p.text[p.at] == '#' || p.text[p.at] == '!':
			for p.at < len(p.text) && !isEnd(p.text[p.at]) {
				p.at++
			}
		default:
			key, value, at := p.property()
			return key, value, at, true
		}
	}
	return "", "", diag.Place{}, false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }
func isEnd(c byte) bool   { return c == '\n' || c == '\r' }

func (p *propertyReader) blanks() {
	for p.at < len(p.text) && isBlank(p.text[p.at]) {
		p.at++
	}
}

// newline passes over the end of a line, if it is there.
func (p *propertyReader) newline() bool {
	if p.at == len(p.text) || !isEnd(p.text[p.at]) {
		return false
	}
	if bytes.HasPrefix(p.text[p.at:], []byte("\r\n")) {
		p.at++
	}
	p.at++
	p.line++
	p.start = p.at
	return true
}

func (p *propertyReader) property() (key, value string, at diag.Place) {
	begin, line, start := p.at, p.line, p.start
	key = p.element(func(c byte) bool { return c == '=' || c == ':' || isBlank(c) })
	p.blanks()
	p.continued()
	if p.at < len(p.text) && (p.text[p.at] == '=' || p.text[p.at] == ':') {
		p.at++
		p.blanks()
		p.continued()
	}
	if p.line == line {
		begin = p.at
	}
	value = p.element(func(byte) bool { return false })
	end := p.at
	if p.line != line { // of a value that goes on, the first line is shown
		end = begin
		for end < len(p.text) && !isEnd(p.text[end]) {
			end++
		}
	}
	at = p.place(begin, end, line, start)
	if key == "" && p.bad == nil {
		d := diag.New(diag.Syntax, at, "A property needs a name before = or :.")
		p.bad = &d
	}
	return key, value, at
}

// continued passes over a backslash at the end of a line and the blanks that the next one begins with.
func (p *propertyReader) continued() bool {
	if p.at+1 >= len(p.text) || p.text[p.at] != '\\' || !isEnd(p.text[p.at+1]) {
		return false
	}
	p.at++
	p.newline()
	p.blanks()
	return true
}

// element reads a key or a value up to a byte that ends it, or the end of the logical line.
func (p *propertyReader) element(ends func(byte) bool) string {
	var b strings.Builder
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case isEnd(c) || ends(c):
			return b.String()
		case c != '\\':
			b.WriteRune(rune(c))
			p.at++
		case p.continued():
		case p.at+1 == len(p.text):
			p.at++ // a backslash that nothing follows is nothing
		default:
			p.escape(&b)
		}
	}
	return b.String()
}

func (p *propertyReader) escape(b *strings.Builder) {
	c := p.text[p.at+1]
	if c != 'u' {
		if i := strings.IndexByte("tnrf", c); i >= 0 {
			c = "\t\n\r\f"[i]
		}
		b.WriteRune(rune(c))
		p.at += 2
		return
	}
	first, ok := p.unit(p.at)
	if !ok {
		d := diag.New(diag.InvalidEscape, p.place(p.at, min(p.at+6, p.lineEnd()), p.line, p.start), `After \u stand four hexadecimal digits. Write \\u for a backslash and a u.`)
		p.bad = &d
		p.at += 2
		return
	}
	p.at += 6
	if first >= 0xd800 && first < 0xdc00 { // half of a character beyond the first plane
		if second, ok := p.unit(p.at); ok && second >= 0xdc00 && second < 0xe000 {
			first = 0x10000 + (first-0xd800)<<10 + (second - 0xdc00)
			p.at += 6
		}
	}
	b.WriteRune(first)
}

func (p *propertyReader) lineEnd() int {
	if i := bytes.IndexAny(p.text[p.at:], "\r\n"); i >= 0 {
		return p.at + i
	}
	return len(p.text)
}

// unit is the \uXXXX at a place.
func (p *propertyReader) unit(at int) (rune, bool) {
	if at+6 > len(p.text) || p.text[at] != '\\' || p.text[at+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.text[at+2:at+6]), 16, 16)
	return rune(n), err == nil
}

// ReadConnector reads a file that describes one connector in one of the forms that connect-standalone reads: the body of
// POST /connectors, its configuration alone, or properties.
func ReadConnector(file string, text []byte) (*Declared, diag.List) {
	if t := bytes.TrimSpace(text); filepath.Ext(file) != ".json" && !bytes.HasPrefix(t, []byte("{")) {
		return ReadProperties(file, text)
	}
	r := jsonReader{text: text, reading: reading{declared: &Declared{Map: Map{}, Origins: map[string]Origin{}, Place: diag.Place{File: file}, Label: file}}}
	r.decoder = jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	r.read()
	return r.declared, r.found
}

// jsonReader walks over the JSON of a connector.
type jsonReader struct {
	reading
	text    []byte
	decoder *jsontext.Decoder
	wrapped bool
	name    string // beside a wrapped configuration
	nameAt  diag.Place
}

func (r *jsonReader) read() {
	err := r.object(r.member)
	if err == nil {
		if _, more := r.decoder.ReadToken(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		at := r.place(r.decoder.InputOffset(), r.decoder.InputOffset())
		r.found = append(r.found, diag.New(diag.Syntax, at, "This is not the JSON of a connector, an object of names and texts: %s.", jsonReason(err)))
		return
	}
	if !r.wrapped {
		return
	}
	switch inside, ok := r.declared.Map[Name]; {
	case !ok && r.name != "":
		r.declared.Map[Name] = r.name
		r.declared.Origins[Name] = Origin{Place: r.nameAt}
	case ok && inside != r.name:
		r.found = append(r.found, diag.New(diag.InvalidName, r.declared.At(Name), "The name inside config is %q, beside it stands %q. They have to be the same.", inside, r.name))
	}
}

// jsonReason says what is wrong without the text that is wrong.
func jsonReason(err error) string {
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if s.Err == nil {
			return "the syntax is wrong"
		}
		if errors.Is(s.Err, io.ErrUnexpectedEOF) {
			return "the file ends too early"
		}
		return strings.TrimPrefix(s.Err.Error(), "jsontext: ")
	}
	return err.Error()
}

// object reads an object, handing each name to member, which reads the value.
func (r *jsonReader) object(member func(name string) error) error {
	t, err := r.decoder.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != '{' {
		return errors.New("an object is expected")
	}
	for r.decoder.PeekKind() != '}' {
		name, err := r.decoder.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err = r.decoder.ReadToken()
	return err
}

// member reads one member of the outermost object.
func (r *jsonReader) member(name string) error {
	if name == "config" && r.decoder.PeekKind() == '{' {
		r.wrapped = true
		if r.declared.Map[Name] != "" {
			r.name, r.nameAt = r.declared.Map[Name], r.declared.Origins[Name].Place
		}
		r.declared.Map, r.declared.Origins = Map{}, map[string]Origin{}
		return r.object(r.property)
	}
	value, at, err := r.value()
	if err != nil {
		return err
	}
	switch {
	case name == "initial_state":
		return r.state(value, at)
	case r.wrapped && name == Name:
		r.name, r.nameAt = value, at
	case r.wrapped:
		r.found = append(r.found, diag.Warn(diag.NoEffect, at, "%q beside config is not read.", name))
	default:
		r.set(name, value, at)
	}
	return nil
}

func (r *jsonReader) property(name string) error {
	value, at, err := r.value()
	if err != nil {
		return err
	}
	r.set(name, value, at)
	return nil
}

func (r *jsonReader) state(value string, at diag.Place) error {
	targets := map[string]Target{"RUNNING": Started, "PAUSED": Paused, "STOPPED": Stopped}
	target, ok := targets[strings.ToUpper(value)]
	if !ok {
		r.found = append(r.found, diag.New(diag.InvalidValue, at, "initial_state is RUNNING, PAUSED or STOPPED, not %q.", value))
	}
	r.declared.Target = target
	return nil
}

// value reads a text; numbers and booleans are taken as they are written, as Jackson does.
func (r *jsonReader) value() (string, diag.Place, error) {
	kind := r.decoder.PeekKind()
	raw, err := r.decoder.ReadValue()
	if err != nil {
		return "", diag.Place{}, err
	}
	end := r.decoder.InputOffset()
	at := r.place(end-int64(len(raw)), end)
	switch kind {
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		return string(text), at, err
	case '0', 't', 'f':
		return string(raw), at, nil
	}
	return "", at, fmt.Errorf("line %d has %s where a text is expected", at.Line, map[jsontext.Kind]string{'n': "null", '{': "an object", '[': "a list"}[kind])
}

func (r *jsonReader) place(from, to int64) diag.Place {
	before := r.text[:min(int(from), len(r.text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	line, column := 1+bytes.Count(before, []byte("\n")), 1+utf8.RuneCount(before[start:])
	return diag.Place{
		File: r.declared.Place.File, Line: line, Column: column, EndLine: line,
		EndColumn: column + utf8.RuneCount(r.text[len(before):min(max(int(to), len(before)), len(r.text))]),
	}
}
