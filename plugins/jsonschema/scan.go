package jsonschema

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
)

// Limits of Jackson's StreamReadConstraints.
const (
	maxDepth  = 1000
	maxDigits = 1000
	maxString = 20_000_000
	maxName   = 50_000
)

// syntaxError is a text that is not JSON. It tells where, never what stands there.
type syntaxError struct {
	at   int // offset in the message
	want string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("expected %s at byte %d", e.want, e.at) }

// scanner reads JSON text as Jackson does with the settings of Confluent's Jackson: NaN and Infinity are numbers, whatever
// follows the first value is ignored, everything else is as RFC 8259 has it. A copy of a scanner reads on from where the
// first one is and leaves that there.
type scanner struct {
	src   []byte
	pos   int
	depth int
}

func (s *scanner) fail(want string) error { return &syntaxError{s.pos, want} }

// blanks passes over white space and returns what stands there, 0 at the end.
func (s *scanner) blanks() byte {
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.pos++
	}
	return 0
}

// open enters an array or an object, whose bracket is at pos.
func (s *scanner) open() error {
	s.depth++
	if s.depth > maxDepth {
		return s.fail("at most 1000 levels")
	}
	s.pos++
	return nil
}

// more says, after a value in an array or object, whether there is another one; it passes the comma or leaves.
func (s *scanner) more(end byte) (bool, error) {
	switch s.blanks() {
	case ',':
		s.pos++
		return true, nil
	case end:
		s.pos++
		s.depth--
		return false, nil
	}
	return false, s.fail("a comma or a closing bracket")
}

// empty says whether an array or object that was just entered ends at once, and leaves it then.
func (s *scanner) empty(end byte) bool {
	if s.blanks() != end {
		return false
	}
	s.pos++
	s.depth--
	return true
}

// colon passes the colon after a member's name.
func (s *scanner) colon() error {
	if s.blanks() != ':' {
		return s.fail("a colon")
	}
	s.pos++
	return nil
}

// name reads a member's name with the colon after it.
func (s *scanner) name(a *record.Arena) ([]byte, error) {
	if s.blanks() != '"' {
		return nil, s.fail("a name in double quotes")
	}
	b, err := s.text(a)
	if err != nil {
		return nil, err
	}
	if len(b) > maxName && utf8.RuneCount(b) > maxName {
		return nil, s.fail("a name of at most 50000 characters")
	}
	return b, s.colon()
}

// text reads a string whose opening quote is at pos. The result refers to src or, where it had escapes, to a.
func (s *scanner) text(a *record.Arena) ([]byte, error) {
	start := s.pos + 1
	end, plain, err := s.scanString()
	if err != nil {
		return nil, err
	}
	raw := s.src[start:end:end]
	if len(raw) > maxString && utf8.RuneCount(raw) > maxString {
		return nil, s.fail("a string of at most 20000000 characters")
	}
	if plain {
		return raw, nil
	}
	return unescape(a.Bytes(len(raw))[:0], raw), nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// marked has the highest bit set in the first byte of w, and maybe in later ones, that ends the plain part of a string: a
// control character, a quote, a backslash or the start of something that is not ASCII.
func marked(w uint64) uint64 {
	quote, slash := w^ones*'"', w^ones*'\\'
	return (w - ones*0x20 | (quote-ones)&^quote | (slash-ones)&^slash | w) & highs
}

// scanString passes a string whose opening quote is at pos and returns where its closing quote is.
func (s *scanner) scanString() (end int, plain bool, err error) {
	plain = true
	i, ascii := s.pos+1, true
	start := i
	for {
		for i+8 <= len(s.src) {
			m := marked(binary.LittleEndian.Uint64(s.src[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(s.src) {
			s.pos = i
			return 0, false, s.fail("the end of a string")
		}
		switch c := s.src[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(s.src[start:i]) {
				return 0, false, s.fail("UTF-8")
			}
			s.pos = i + 1
			return i, plain, nil
		case c == '\\':
			plain = false
			n := escapeLen(s.src[i:])
			if n == 0 {
				s.pos = i
				return 0, false, s.fail("an escape of JSON")
			}
			i += n
		case c < ' ':
			s.pos = i
			return 0, false, s.fail("an escape in place of a control character")
		case c >= utf8.RuneSelf:
			ascii = false
			for i < len(s.src) && s.src[i] >= utf8.RuneSelf {
				i++
			}
		default:
			i++
		}
	}
}

// escapeLen is the length of the escape that b begins with, 0 if it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 {
			if _, ok := hex4(b[2:6]); ok {
				return 6
			}
		}
	}
	return 0
}

func hex4(b []byte) (r rune, ok bool) {
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape appends the meaning of a string's text, whose escapes are valid. A surrogate without its other half becomes
// three bytes, in the manner of UTF-8, so that it can be written again.
func unescape(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw[i+2 : i+6])
			i += 4
			if r&^0x3FF == 0xD800 && i+8 <= len(raw) && raw[i+2] == '\\' && raw[i+3] == 'u' {
				if low, _ := hex4(raw[i+4 : i+8]); low&^0x3FF == 0xDC00 {
					r = 0x10000 + (r&0x3FF)<<10 + low&0x3FF
					i += 6
				}
			}
			dst = appendUnit(dst, r)
		default:
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}

// appendUnit appends a character, or a surrogate in three bytes.
func appendUnit(dst []byte, r rune) []byte {
	if r&^0x7FF == 0xD800 {
		return append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(dst, r)
}

// word passes true, false or null.
func (s *scanner) word(w string) error {
	end := s.pos + len(w)
	if end > len(s.src) || string(s.src[s.pos:end]) != w {
		return s.fail("a value")
	}
	if end < len(s.src) && continues(s.src[end:]) {
		return s.fail("a value")
	}
	s.pos = end
	return nil
}

// number is a number as it was written; the digits of low and mantissa are those of the text read from left to right.
type number struct {
	text     []byte
	negative bool
	special  bool   // NaN or an infinity
	integral bool   // neither point nor exponent
	low      uint64 // all digits as an integer, modulo 2^64
	digits   int    // all digits but leading zeros
	point    int    // digits behind the point
	exp      int64
}

// number reads a number that begins at pos.
func (s *scanner) number() (n number, err error) {
	i, src := s.pos, s.src
	if src[i] == '-' {
		n.negative = true
		i++
	}
	first := i
	i = n.take(src, i)
	switch {
	case i == first:
		return n, s.specialWord(&n)
	case src[first] == '0' && i > first+1:
		s.pos = first
		return n, s.fail("a number without leading zeros")
	}
	n.integral = true
	if i < len(src) && src[i] == '.' {
		n.integral = false
		first = i + 1
		i = n.take(src, first)
		n.point = i - first
		if n.point == 0 {
			s.pos = i
			return n, s.fail("a digit")
		}
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		n.integral = false
		if i, err = s.exponent(&n, i+1); err != nil {
			return n, err
		}
	}
	n.text = src[s.pos:i]
	s.pos = i
	switch {
	case n.digits > maxDigits:
		return n, s.fail("a number of at most 1000 digits")
	case s.depth == 0 && i < len(src) && src[i] > ' ':
		return n, s.fail("white space after a number")
	}
	return n, nil
}

// specialWord passes a number that is a word, from its sign on.
func (s *scanner) specialWord(n *number) error {
	rest := s.src[s.pos:]
	for _, w := range specials {
		if bytes.HasPrefix(rest, []byte(w)) && (len(rest) == len(w) || !continues(rest[len(w):])) {
			n.special, n.text = true, rest[:len(w)]
			s.pos += len(w)
			return nil
		}
	}
	return s.fail("a value")
}

var specials = [...]string{"NaN", "Infinity", "-Infinity", "+Infinity", "-INF", "+INF"} //nolint:gochecknoglobals // a literal

// startsNumber says whether a number may begin with c.
func startsNumber(c byte) bool { return c-'0' <= 9 || c == '-' || c == 'N' || c == 'I' || c == '+' }

// special64 is a number that is a word.
func (n *number) special64() float64 {
	switch {
	case n.text[0] == 'N':
		return math.Float64frombits(javaNaN)
	case n.negative:
		return math.Inf(-1)
	}
	return math.Inf(1)
}

const javaNaN = 0x7ff8000000000000 // Double.NaN

// saturated is what Java casts such a number to.
func (n *number) saturated(least, most int64) int64 {
	switch f := n.special64(); {
	case f > 0:
		return most
	case f < 0:
		return least
	}
	return 0
}

// take reads digits from i on and returns where they end.
func (n *number) take(src []byte, i int) int {
	for i < len(src) && src[i]-'0' <= 9 {
		if n.digits > 0 || src[i] != '0' {
			n.digits++
		}
		n.low = n.low*10 + uint64(src[i]-'0')
		i++
	}
	return i
}

func (s *scanner) exponent(n *number, i int) (int, error) {
	negative := false
	if i < len(s.src) && (s.src[i] == '+' || s.src[i] == '-') {
		negative = s.src[i] == '-'
		i++
	}
	first := i
	for i < len(s.src) && s.src[i]-'0' <= 9 {
		n.exp = min(n.exp*10+int64(s.src[i]-'0'), math.MaxUint32)
		i++
	}
	if i == first {
		s.pos = i
		return i, s.fail("a digit")
	}
	if negative {
		n.exp = -n.exp
	}
	if scale := int64(n.point) - n.exp; scale != int64(int32(scale)) {
		s.pos = i
		return i, s.fail("an exponent that a number can have")
	}
	return i, nil
}

// int32 is the integer part's lowest 32 bits, as Java's intValue gives them.
func (n *number) int32() int32 {
	if n.special {
		return int32(n.saturated(math.MinInt32, math.MaxInt32))
	}
	return int32(n.int64())
}

// int64 is the integer part's lowest 64 bits, as Java's longValue of any number gives them.
func (n *number) int64() int64 {
	if n.special {
		return n.saturated(math.MinInt64, math.MaxInt64)
	}
	v := n.low
	if !n.integral {
		v = n.lowInteger()
	}
	if n.negative {
		v = -v
	}
	return int64(v)
}

func (n *number) lowInteger() uint64 {
	shift := n.exp - int64(n.point)
	v, left := uint64(0), int64(math.MaxInt64)
	if shift < 0 {
		left = -shift
		for _, c := range n.text {
			if c|0x20 == 'e' {
				break
			}
			if c-'0' <= 9 {
				left--
			}
		}
		left = -left // digits of the integer part, with leading zeros
	}
	for _, c := range n.text {
		if c|0x20 == 'e' || left <= 0 {
			break
		}
		if c-'0' <= 9 {
			v = v*10 + uint64(c-'0')
			left--
		}
	}
	for range min(max(shift, 0), 64) {
		v *= 10
	}
	return v
}

var powers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22} //nolint:gochecknoglobals // a literal

// float64 is the closest float64. Java gets it by way of BigDecimal, which knows no negative zero.
func (n *number) float64() float64 {
	if n.special {
		return n.special64()
	}
	if n.digits == 0 {
		return 0
	}
	shift := n.exp - int64(n.point)
	if n.digits > 15 || shift < -22 || shift > 22 {
		return n.parse(64)
	}
	// Both operands are exact, so that one rounding gives the closest number.
	f := float64(n.low)
	if shift < 0 {
		f /= powers[-shift]
	} else {
		f *= powers[shift]
	}
	if n.negative {
		return -f
	}
	return f
}

// float32 is the closest float32.
func (n *number) float32() float32 {
	if n.special {
		return float32(n.special64())
	}
	if n.digits == 0 {
		return 0
	}
	return float32(n.parse(32))
}

func (n *number) parse(size int) float64 {
	f, _ := strconv.ParseFloat(string(n.text), size) // the syntax is checked, and out of range means infinity
	return f
}

// fitsInt32 is Jackson's isInt: an integer, written without point and exponent, of 32 bits.
func (n *number) fitsInt32() bool {
	i := n.int64()
	return n.integral && n.digits <= 10 && i == int64(int32(i))
}

// skip passes a value of any kind, which it checks.
func (s *scanner) skip() error {
	switch c := s.blanks(); {
	case c == '"':
		_, _, err := s.scanString()
		return err
	case c == '{':
		return s.skipMembers()
	case c == '[':
		return s.skipElements()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	case startsNumber(c):
		_, err := s.number()
		return err
	}
	return s.fail("a value")
}

func (s *scanner) skipElements() error {
	if err := s.open(); err != nil || s.empty(']') {
		return err
	}
	for {
		if err := s.skip(); err != nil {
			return err
		}
		if more, err := s.more(']'); !more {
			return err
		}
	}
}

func (s *scanner) skipMembers() error {
	if err := s.open(); err != nil || s.empty('}') {
		return err
	}
	for {
		if s.blanks() != '"' {
			return s.fail("a name in double quotes")
		}
		if _, _, err := s.scanString(); err != nil {
			return err
		}
		if err := s.colon(); err != nil {
			return err
		}
		if err := s.skip(); err != nil {
			return err
		}
		if more, err := s.more('}'); !more {
			return err
		}
	}
}

// continues reports whether what follows a word makes it another word (Java: Character.isJavaIdentifierPart).
func continues(b []byte) bool {
	c := b[0]
	switch {
	case c < '0', c == ']', c == '}':
		return false
	case c < utf8.RuneSelf:
		return c|0x20 >= 'a' && c|0x20 <= 'z' || c-'0' <= 9 || c == '_' || c == 0x7F
	}
	return true
}
