package record

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Schemas of the logical types and of a Decimal of a scale, as Kafka Connect's Date.SCHEMA and Decimal.schema make them.
//
//nolint:gochecknoglobals // constants that need a pointer
var (
	dateSchema      = Build(Int32).Named(DateName).Versioned(1).MustBuild()
	timeSchema      = Build(Int32).Named(TimeName).Versioned(1).MustBuild()
	timestampSchema = Build(Int64).Named(TimestampName).Versioned(1).MustBuild()
	arrayOfNothing  = BuildLoose(Array, nil, nil).MustBuild()
	mapOfNothing    = BuildLoose(Map, nil, nil).MustBuild()
)

// DateSchema is the plain required schema of Date, always the same pointer.
func DateSchema() *Schema { return dateSchema }

// TimeSchema is the plain required schema of Time, always the same pointer.
func TimeSchema() *Schema { return timeSchema }

// TimestampSchema is the plain required schema of Timestamp, always the same pointer.
func TimestampSchema() *Schema { return timestampSchema }

// DecimalSchema makes the required schema of a Decimal.
func DecimalSchema(scale int32) *Schema {
	return Build(Bytes).Named(DecimalName).Versioned(1).Param(ScaleParam, strconv.Itoa(int(scale))).MustBuild()
}

// ErrTooDeep says that a text nests arrays and maps deeper than 2000 levels. (Kafka Connect ends its stack there.)
var ErrTooDeep = errors.New("arrays and maps are nested too deeply")

const deepest = 2000

// ParseText finds out what a text means, as Kafka Connect's Values.parseString does: null, a boolean, the smallest number
// that holds it, a date, time or timestamp, an array in brackets, a map in braces, or else the text itself. What follows a
// number, a temporal, an array or a map is ignored, as there. Strings of the result refer to text. The only error is
// ErrTooDeep.
func ParseText(text string) (Datum, error) {
	if plainText(text) {
		return Datum{Required(String), OfString(text)}, nil
	}
	p := textParser{tokens: tokens{text: text}}
	d, err := p.parse(0)
	if errors.Is(err, errNotData) {
		return Datum{Required(String), OfString(text)}, nil
	}
	return d, err
}

// plainText reports whether the first character that counts already says that the text is only a text.
func plainText(text string) bool {
	text = strings.TrimLeftFunc(text, func(r rune) bool { return r <= ' ' })
	if text == "" {
		return true
	}
	switch c := text[0]; {
	case c >= '0' && c <= '9', c == '+', c == '-', c == '[', c == '{', c == 'n', c == 't', c == 'f', c == '\\':
		return false
	case c >= utf8.RuneSelf:
		r, _ := utf8.DecodeRuneInString(text)
		_, digit := digitValue(r)
		return !digit
	}
	return true
}

// errNotData says that what was tried is no array, map or element; who tried it goes on with a text.
var errNotData = errors.New("not in the form of a value")

type textParser struct{ tokens }

// parse reads a value at a depth; 0 is the whole text, where quotes mean nothing and a text is a value.
func (p *textParser) parse(depth int) (Datum, error) {
	switch {
	case depth > deepest:
		return Datum{}, ErrTooDeep
	case !p.hasNext():
		return Datum{}, nil
	case depth > 0 && p.consume(`"`):
		return p.quoted(), nil
	case p.literal("null", depth):
		return Datum{}, nil
	case p.literal("true", depth):
		return Datum{Required(Boolean), OfBool(true)}, nil
	case p.literal("false", depth):
		return Datum{Required(Boolean), OfBool(false)}, nil
	}
	start := p.mark()
	d, err := Datum{}, errNotData
	if p.consume("[") {
		d, err = p.array(depth)
	} else if p.consume("{") {
		d, err = p.mapping(depth)
	}
	if !errors.Is(err, errNotData) {
		return d, err
	}
	p.rewind(start)
	token := p.next()
	if trim(token) == "" {
		return Datum{Required(String), OfString(token)}, nil
	}
	return p.scalar(trim(token))
}

// literal takes a word that stands alone, or anywhere within an array or a map.
func (p *textParser) literal(word string, depth int) bool {
	start := p.mark()
	if p.consume(word) && (depth > 0 || !p.hasNext()) {
		return true
	}
	p.rewind(start)
	return false
}

func (p *textParser) scalar(token string) (Datum, error) {
	first, _ := utf8.DecodeRuneInString(token)
	_, digit := digitValue(first)
	if digit {
		if d, ok := p.temporal(token); ok {
			return d, nil
		}
	}
	if digit || first == '+' || first == '-' {
		if d, err := ParseDecimal(token); err == nil {
			return smallestNumber(d), nil
		}
	}
	return Datum{}, errNotData
}

// temporal tries a token, which an unescaped colon ends, first with the four after it.
func (p *textParser) temporal(token string) (Datum, bool) {
	start := p.mark()
	if rest, ok := p.nextFour(); ok {
		if d, ok := parseTemporal(unescapeColons(token + rest)); ok {
			return d, true
		}
	}
	p.rewind(start)
	return parseTemporal(unescapeColons(token))
}

func unescapeColons(s string) string { return strings.ReplaceAll(s, `\:`, ":") }

// quoted reads up to the closing quote; backslashes stay.
func (p *textParser) quoted() Datum {
	var content string
	pieces := 0
	for p.hasNext() && !p.consume(`"`) {
		// One piece is the rule, and refers to the text.
		if piece := p.next(); pieces == 0 {
			content = piece
		} else {
			content += piece
		}
		pieces++
	}
	if d, ok := parseTemporal(unescapeColons(content)); ok {
		return d
	}
	return Datum{Required(String), OfString(content)}
}

func (p *textParser) array(depth int) (Datum, error) {
	var elements []Value
	var elem merger
	for p.hasNext() {
		if p.consume("]") {
			if elem.common == nil {
				return Datum{arrayOfNothing, OfArray(elements)}, nil
			}
			if err := align(elements, 0, 1, elem.common); err != nil {
				return Datum{}, err
			}
			return Datum{BuildArray(elem.common).MustBuild(), OfArray(elements)}, nil
		}
		if p.consume(",") {
			return Datum{}, errNotData
		}
		d, err := p.parse(depth + 1)
		if err != nil {
			return Datum{}, err
		}
		elem.merge(d)
		elements = append(elements, d.Value)
		before := p.mark()
		if p.consume("]") {
			p.rewind(before)
		} else if !p.consume(",") {
			return Datum{}, errNotData
		}
	}
	return Datum{}, errNotData
}

func (p *textParser) mapping(depth int) (Datum, error) {
	var m pairs
	var key, elem merger
	for p.hasNext() {
		if p.consume("}") {
			return typedMap(m.list, key.common, elem.common)
		}
		if p.consume(",") {
			return Datum{}, errNotData
		}
		k, err := p.parse(depth + 1)
		if err != nil {
			return Datum{}, err
		}
		if k.Value.IsNull() || !p.consume(":") {
			return Datum{}, errNotData
		}
		v, err := p.parse(depth + 1)
		if err != nil {
			return Datum{}, err
		}
		m.put(k.Value, v.Value)
		p.consume(",")
		key.merge(k)
		elem.merge(v)
	}
	return Datum{}, errNotData
}

func typedMap(pairs []Value, key, elem *Schema) (Datum, error) {
	if key == nil {
		return Datum{mapOfNothing, OfMap(pairs)}, nil
	}
	if err := align(pairs, 0, 2, key); err != nil {
		return Datum{}, err
	}
	if elem != nil {
		if err := align(pairs, 1, 2, elem); err != nil {
			return Datum{}, err
		}
	}
	return Datum{BuildLoose(Map, key, elem).MustBuild(), OfMap(pairs)}, nil
}

// pairs are the entries of a map, where a key that comes again replaces its value.
type pairs struct {
	list []Value
	at   map[string]int // canonical keys; the canonical form tells apart all that the parser makes
}

func (m *pairs) put(key, value Value) {
	if m.at == nil {
		m.at = map[string]int{}
	}
	var buf [64]byte
	id := string(key.AppendCanonical(append(buf[:0], byte(key.Kind()))))
	if i, ok := m.at[id]; ok {
		m.list[i] = value
		return
	}
	m.list = append(m.list, key, value)
	m.at[id] = len(m.list) - 1
}

// align converts every step-th value from one on to a common schema. Null has no place among values that have one.
func align(values []Value, from, step int, to *Schema) error {
	for i := from; i < len(values); i += step {
		v, err := alignOne(values[i], to)
		if err != nil {
			return errNotData
		}
		values[i] = v
	}
	return nil
}

func alignOne(v Value, to *Schema) (Value, error) {
	switch {
	case v.IsNull():
		return v, errNull
	case to.Name == DateName:
		return ToDate(nil, v)
	case to.Name == TimeName:
		return ToTime(nil, v)
	case to.Name == TimestampName:
		return ToTimestamp(nil, v)
	case to.Kind >= Int8 && to.Kind <= Float64:
		return ToNumber(to.Kind, nil, v)
	}
	return v, nil // the same class already, or an array or map, whose elements stay as they are
}

// merger finds the schema that all values of a collection have in common (Kafka Connect: Values.SchemaMerger).
type merger struct {
	common *Schema
	gaveUp bool
}

func (m *merger) merge(d Datum) {
	switch {
	case d.Schema == nil || m.gaveUp:
	case m.common == nil:
		m.common = d.Schema
	case m.common.Kind == d.Schema.Kind:
		m.common = d.Schema
	case isNumber(m.common.Kind) && isNumber(d.Schema.Kind):
		if d.Schema.Kind > m.common.Kind {
			m.common = d.Schema
		}
	default:
		m.common, m.gaveUp = nil, true
	}
}

func isNumber(k Kind) bool { return k >= Int8 && k <= Float64 }

// smallestNumber is the narrowest integer that holds d, else the narrowest float that does not overflow, else a Decimal.
// An integer beyond 64 bits that is written out stays a Decimal (Kafka Connect: Values.parseAsNumber).
func smallestNumber(d *Dec) Datum {
	n, integral, fits := d.integer()
	switch {
	case fits:
		return smallestInteger(n)
	case integral && d.Scale == 0:
		return Datum{DecimalSchema(0), Value{0, d}}
	}
	if f := d.Float32(); !isInf(float64(f)) {
		return Datum{Required(Float32), OfFloat32(f)}
	}
	if f := d.Float64(); !isInf(f) {
		return Datum{Required(Float64), OfFloat64(f)}
	}
	return Datum{DecimalSchema(d.Scale), Value{0, d}}
}

func smallestInteger(n int64) Datum {
	switch {
	case n == int64(int8(n)):
		return Datum{Required(Int8), OfInt8(int8(n))}
	case n == int64(int16(n)):
		return Datum{Required(Int16), OfInt16(int16(n))}
	case n == int64(int32(n)):
		return Datum{Required(Int32), OfInt32(int32(n))}
	}
	return Datum{Required(Int64), OfInt64(n)}
}

func isInf(f float64) bool { return f-f != 0 }

// tokens splits a text at : , { } [ ] and ", each a token of its own; a backslash takes the meaning from what follows it
// and stays (Kafka Connect: Values.Parser). Blanks, in the sense of Java's trim, belong to tokens.
type tokens struct {
	text   string
	pos    int
	peeked bool
	token  string // valid where peeked, ends at pos
}

func (t *tokens) mark() int {
	if t.peeked {
		return t.pos - len(t.token)
	}
	return t.pos
}

func (t *tokens) rewind(pos int) { t.pos, t.peeked = pos, false }

func (t *tokens) hasNext() bool { return t.peeked || t.pos < len(t.text) }

func (t *tokens) next() string {
	if t.peeked {
		t.peeked = false
		return t.token
	}
	return t.scan()
}

// nextFour is the text of the next four tokens; false, and nothing taken, when there are fewer.
func (t *tokens) nextFour() (string, bool) {
	start := t.mark()
	for range 4 {
		if !t.hasNext() {
			t.rewind(start)
			return "", false
		}
		t.next()
	}
	return t.text[start:t.pos], true
}

// consume takes the next token that is not blank if it is the expected one, blanks around it apart.
func (t *tokens) consume(expected string) bool {
	if !t.peeked {
		if !t.hasNext() {
			return false
		}
		t.token, t.peeked = t.scan(), true
	}
	for trim(t.token) == "" && t.pos < len(t.text) {
		t.token = t.scan()
	}
	if trim(t.token) != expected {
		return false
	}
	t.peeked = false
	return true
}

func (t *tokens) scan() string {
	start, escaped := t.pos, false
	for ; t.pos < len(t.text); t.pos++ {
		switch t.text[t.pos] {
		case '\\':
			escaped = !escaped
			continue
		case ':', ',', '{', '}', '[', ']', '"':
			if escaped {
				break
			}
			if t.pos == start {
				t.pos++
			}
			return t.text[start:t.pos]
		}
		escaped = false
	}
	return t.text[start:]
}

// trim is Java's String.trim.
func trim(s string) string {
	for s != "" && s[0] <= ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] <= ' ' {
		s = s[:len(s)-1]
	}
	return s
}
