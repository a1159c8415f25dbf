package main

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kmsg"
)

type (
	commitRequest  = kmsg.OffsetCommitRequest
	commitResponse = kmsg.OffsetCommitResponse
)

type kind uint8

const (
	isNull kind = iota
	isBool
	isInt
	isFloat
	isText
)

// value is a typed value of a flat object. Texts refer to the memory of their batch.
type value struct {
	text string
	num  uint64
	kind kind
}

// field is a member of a flat object, in its order.
type field struct {
	name string
	value
}

func ofFloat(f float64) value { return value{kind: isFloat, num: math.Float64bits(f)} }

func ofBool(b bool) value {
	if b {
		return value{kind: isBool, num: 1}
	}
	return value{kind: isBool}
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

var errSyntax = errors.New("not a flat JSON object")

// special marks bytes at which the fast way through a string ends.
var special = func() (t [256]bool) { //nolint:gochecknoglobals // a constant
	for c := range t {
		t[c] = c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\'
	}
	return t
}()

// parse reads a flat object; values are typed and checked.
func parse(b []byte, dst []field) ([]field, error) {
	p := parser{b: b}
	if !p.take('{') {
		return dst, errSyntax
	}
	if p.take('}') {
		return dst, nil
	}
	for {
		if !p.take('"') {
			return dst, errSyntax
		}
		name, ok := p.string()
		if !ok || !p.take(':') {
			return dst, errSyntax
		}
		v, ok := p.value()
		if !ok {
			return dst, errSyntax
		}
		dst = append(dst, field{name, v})
		if p.take(',') {
			continue
		}
		if !p.take('}') {
			return dst, errSyntax
		}
		if p.blanks(); p.i != len(b) {
			return dst, errSyntax
		}
		return dst, nil
	}
}

type parser struct {
	b []byte
	i int
}

func (p *parser) blanks() {
	for p.i < len(p.b) && (p.b[p.i] == ' ' || p.b[p.i] == '\t' || p.b[p.i] == '\n' || p.b[p.i] == '\r') {
		p.i++
	}
}

func (p *parser) take(c byte) bool {
	p.blanks()
	if p.i >= len(p.b) || p.b[p.i] != c {
		return false
	}
	p.i++
	return true
}

func (p *parser) word(w string) bool {
	if p.i+len(w) > len(p.b) || string(p.b[p.i:p.i+len(w)]) != w {
		return false
	}
	p.i += len(w)
	return true
}

func (p *parser) value() (value, bool) {
	p.blanks()
	if p.i >= len(p.b) {
		return value{}, false
	}
	switch c := p.b[p.i]; {
	case c == '"':
		p.i++
		s, ok := p.string()
		return value{kind: isText, text: s}, ok
	case c == '-' || c-'0' <= 9:
		return p.number()
	case c == 't':
		return ofBool(true), p.word("true")
	case c == 'f':
		return ofBool(false), p.word("false")
	default:
		return value{}, p.word("null")
	}
}

// string reads from behind the opening quote to behind the closing one.
func (p *parser) string() (string, bool) {
	start, escaped, wide := p.i, false, false
	for p.i < len(p.b) {
		c := p.b[p.i]
		if !special[c] {
			p.i++
			continue
		}
		switch {
		case c == '"':
			raw := p.b[start:p.i]
			p.i++
			if wide && !utf8.Valid(raw) {
				return "", false
			}
			if !escaped {
				return text(raw), true
			}
			s, err := strconv.Unquote(string(p.b[start-1 : p.i])) // seldom
			return s, err == nil
		case c == '\\':
			escaped = true
			p.i += 2
		case c >= utf8.RuneSelf:
			wide = true
			p.i++
		default:
			return "", false
		}
	}
	return "", false
}

func (p *parser) number() (value, bool) {
	start, float := p.i, false
	for p.i++; p.i < len(p.b); p.i++ {
		c := p.b[p.i]
		if c-'0' <= 9 {
			continue
		}
		if c != '.' && c|0x20 != 'e' && c != '+' && c != '-' {
			break
		}
		float = true
	}
	t := p.b[start:p.i]
	if float {
		f, err := strconv.ParseFloat(text(t), 64)
		return ofFloat(f), err == nil
	}
	n, err := strconv.ParseInt(text(t), 10, 64)
	return value{kind: isInt, num: uint64(n)}, err == nil
}

const hex = "0123456789ABCDEF"

// appendString appends a JSON string.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	return append(append(dst, s[start:]...), '"')
}

// appendJSON appends an object.
func appendJSON(dst []byte, fields []field) []byte {
	dst = append(dst, '{')
	for i := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		f := &fields[i]
		dst = append(appendString(dst, f.name), ':')
		if f.kind == isText {
			dst = appendString(dst, f.text)
		} else {
			dst = f.appendPlain(dst)
		}
	}
	return append(dst, '}')
}

// appendJava appends an object as Java prints a map.
func appendJava(dst []byte, fields []field) []byte {
	dst = append(dst, '{')
	for i := range fields {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		f := &fields[i]
		dst = append(append(dst, f.name...), '=')
		if f.kind == isText {
			dst = append(dst, f.text...)
		} else {
			dst = f.appendPlain(dst)
		}
	}
	return append(dst, '}')
}

func (v *value) appendPlain(dst []byte) []byte {
	switch v.kind {
	case isBool:
		return strconv.AppendBool(dst, v.num == 1)
	case isInt:
		return strconv.AppendInt(dst, int64(v.num), 10)
	case isFloat:
		return strconv.AppendFloat(dst, math.Float64frombits(v.num), 'f', -1, 64)
	default:
		return append(dst, "null"...)
	}
}
