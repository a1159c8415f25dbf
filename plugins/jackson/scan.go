package jackson

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf16"
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

// SyntaxError is a text that is not JSON. It tells where, never what stands there.
type SyntaxError struct {
	At   int // offset in the message
	Want string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("expected %s at byte %d", e.Want, e.At) }

// Scanner reads JSON text as Jackson does: whatever follows the first value is ignored, everything else is as RFC 8259 has it,
// but for what is switched on. A copy of a Scanner reads on from where the first one is and leaves that there.
type Scanner struct {
	Src   []byte
	Pos   int // of the next byte to read
	Depth int // of the array or object that Pos is in

	LeadingZeros bool // numbers may have them (JsonReadFeature.ALLOW_LEADING_ZEROS_FOR_NUMBERS)
	Words        bool // NaN and Infinity are numbers (JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
}

// Fail says what was expected where the scanner is.
func (s *Scanner) Fail(want string) error { return &SyntaxError{s.Pos, want} }

// Blanks passes over white space and returns what stands there, 0 at the end.
func (s *Scanner) Blanks() byte {
	for s.Pos < len(s.Src) {
		c := s.Src[s.Pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.Pos++
	}
	return 0
}

// Open enters an array or an object, whose bracket is at pos.
func (s *Scanner) Open() error {
	s.Depth++
	if s.Depth > maxDepth {
		return s.Fail("at most 1000 levels")
	}
	s.Pos++
	return nil
}

// More says, after a value in an array or object, whether there is another one; it passes the comma or leaves.
func (s *Scanner) More(end byte) (bool, error) {
	switch s.Blanks() {
	case ',':
		s.Pos++
		return true, nil
	case end:
		s.Pos++
		s.Depth--
		return false, nil
	}
	return false, s.Fail("a comma or a closing bracket")
}

// Empty says whether an array or object that was just entered ends at once, and leaves it then.
func (s *Scanner) Empty(end byte) bool {
	if s.Blanks() != end {
		return false
	}
	s.Pos++
	s.Depth--
	return true
}

// Colon passes the colon after a member's name.
func (s *Scanner) Colon() error {
	if s.Blanks() != ':' {
		return s.Fail("a colon")
	}
	s.Pos++
	return nil
}

// Name reads a member's name with the colon after it.
func (s *Scanner) Name(a *record.Arena) ([]byte, error) {
	raw, plain, err := s.ScanName()
	if err != nil {
		return nil, err
	}
	if !plain {
		raw = unescape(a.Bytes(len(raw))[:0], raw, 0xD800)
	}
	if len(raw) > maxName && utf8.RuneCount(raw) > maxName {
		return nil, s.Fail("a name of at most 50000 characters")
	}
	return raw, s.Colon()
}

// ScanName passes a member's name.
func (s *Scanner) ScanName() (raw []byte, plain bool, err error) {
	if s.Blanks() != '"' {
		return nil, false, s.Fail("a name in double quotes")
	}
	start := s.Pos + 1
	end, plain, err := s.ScanString()
	if err != nil {
		return nil, false, err
	}
	raw = s.Src[start:end:end]
	if !plain && halved(raw) {
		return nil, false, s.Fail("a name without halves of characters")
	}
	return raw, plain, nil
}

// halved reports whether an escape stands for half a character, which Jackson takes in values only.
func halved(raw []byte) bool {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			i++
			continue
		}
		n := escapeLen(raw[i:])
		if n == 6 {
			r, size := escapedRune(raw[i:])
			if utf16.IsSurrogate(r) {
				return true
			}
			n = size
		}
		i += n
	}
	return false
}

// Text reads a string whose opening quote is at pos. The result refers to src or, where it had escapes, to a.
func (s *Scanner) Text(a *record.Arena) ([]byte, error) {
	start := s.Pos + 1
	end, plain, err := s.ScanString()
	if err != nil {
		return nil, err
	}
	raw := s.Src[start:end:end]
	if len(raw) > maxString && utf8.RuneCount(raw) > maxString {
		return nil, s.Fail("a string of at most 20000000 characters")
	}
	if plain {
		return raw, nil
	}
	return unescape(a.Bytes(len(raw))[:0], raw, 0), nil
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

// ScanString passes a string whose opening quote is at pos and returns where its closing quote is.
func (s *Scanner) ScanString() (end int, plain bool, err error) {
	plain = true
	i, ascii := s.Pos+1, true
	start := i
	for {
		for i+8 <= len(s.Src) {
			m := marked(binary.LittleEndian.Uint64(s.Src[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(s.Src) {
			s.Pos = i
			return 0, false, s.Fail("the end of a string")
		}
		switch c := s.Src[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(s.Src[start:i]) {
				if !lookLikeUTF8(s.Src[start:i]) {
					return 0, false, s.Fail("UTF-8")
				}
				plain = false
			}
			s.Pos = i + 1
			return i, plain, nil
		case c == '\\':
			plain = false
			n := escapeLen(s.Src[i:])
			if n == 0 {
				s.Pos = i
				return 0, false, s.Fail("an escape of JSON")
			}
			i += n
		case c < ' ':
			s.Pos = i
			return 0, false, s.Fail("an escape in place of a control character")
		case c >= utf8.RuneSelf:
			ascii = false
			for i < len(s.Src) && s.Src[i] >= utf8.RuneSelf {
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

// lookLikeUTF8 reports whether Jackson takes bytes for UTF-8: it wants the right number of continuation bytes and no encoded
// surrogates, but does not mind characters that are longer than need be, or beyond the last one.
func lookLikeUTF8(b []byte) bool {
	for i := 0; i < len(b); {
		n := utf8Len(b[i])
		if n == 0 || len(b)-i < n || b[i] == 0xED && b[i+1] >= 0xA0 {
			return false
		}
		for _, c := range b[i+1 : i+n] {
			if c&0xC0 != 0x80 {
				return false
			}
		}
		i += n
	}
	return true
}

func utf8Len(lead byte) int {
	switch {
	case lead < utf8.RuneSelf:
		return 1
	case lead >= 0xC0 && lead < 0xE0:
		return 2
	case lead >= 0xE0 && lead < 0xF0:
		return 3
	case lead >= 0xF0 && lead < 0xF8:
		return 4
	}
	return 0
}

// appendLoose appends what Jackson makes of the ill-formed character at the start of b, and says how long that is. Its
// arithmetic of surrogates adds the upper bits to base in names, and sets them in 0xD800 in values, where base is 0.
func appendLoose(dst, b []byte, base rune) ([]byte, int) {
	n := utf8Len(b[0])
	c := rune(b[0]) & (0xFF >> (n + 1))
	for _, more := range b[1:n] {
		c = c<<6 | rune(more&0x3F)
	}
	if n < 4 {
		return utf8.AppendRune(dst, c), n
	}
	c -= 0x10000
	high := base + c>>10
	if base == 0 {
		high = 0xD800 | c>>10
	}
	return AppendUnit(AppendUnit(dst, high&0xFFFF), 0xDC00|c&0x3FF), n
}

// unescape appends the meaning of a string's text, which scanString has passed; base is that of appendLoose. A Surrogate
// without its other half becomes three bytes, in the manner of UTF-8, so that it can be written again.
func unescape(dst, raw []byte, base rune) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(raw[i:])
			if r == utf8.RuneError && n == 1 {
				dst, n = appendLoose(dst, raw[i:], base)
			} else {
				dst = append(dst, raw[i:i+n]...)
			}
			i += n
			continue
		}
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
			r, n := escapedRune(raw[i:])
			dst = AppendUnit(dst, r)
			i += n - 2
		default:
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}

// escapedRune is the character, or half of one, of the escape in hex at the start of b, and how long it is: two halves that
// follow each other are a character.
func escapedRune(b []byte) (r rune, n int) {
	r, _ = hex4(b[2:6])
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		low, _ := hex4(b[8:12])
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return r, 6
}

// AppendUnit appends a character, or a Surrogate in three bytes.
func AppendUnit(dst []byte, r rune) []byte {
	if r&^0x7FF == 0xD800 {
		return append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(dst, r)
}

// Word passes true, false or null.
func (s *Scanner) Word(w string) error {
	end := s.Pos + len(w)
	if end > len(s.Src) || string(s.Src[s.Pos:end]) != w {
		return s.Fail("a value")
	}
	if end < len(s.Src) && continues(s.Src[end:]) {
		return s.Fail("a value")
	}
	s.Pos = end
	return nil
}

// Number is a number as it was written; the digits of low and mantissa are those of the text read from left to right.
type Number struct {
	Text     []byte
	Negative bool
	Special  bool   // a word: NaN or an infinity
	Integral bool   // neither point nor exponent
	Low      uint64 // all digits as an integer, modulo 2^64
	Digits   int    // all digits but leading zeros
	Point    int    // digits behind the point
	Exp      int64
	Length   int // digits as Jackson counts them for its limit: those of the exponent too, if there is a fraction or one
}

// Number reads a number that begins at pos.
func (s *Scanner) Number() (n Number, err error) {
	i, src := s.Pos, s.Src
	if src[i] == '-' {
		n.Negative = true
		i++
	}
	first := i
	i = n.take(src, i)
	switch {
	case i == first && s.Words:
		return n, s.specialWord(&n)
	case i == first:
		s.Pos = i
		return n, s.Fail("a digit")
	case !s.LeadingZeros && src[first] == '0' && i > first+1:
		s.Pos = first
		return n, s.Fail("a number without leading zeros")
	}
	n.Integral, n.Length = true, max(n.Digits, 1)
	if i, err = s.fraction(&n, i); err != nil {
		return n, err
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		n.Integral = false
		if i, err = s.exponent(&n, i+1); err != nil {
			return n, err
		}
	}
	n.Text = src[s.Pos:i]
	s.Pos = i
	switch {
	case n.Length > maxDigits:
		return n, s.Fail("a number of at most 1000 digits")
	case s.Depth == 0 && i < len(src) && src[i] != ' ' && src[i] != '\n' && src[i] != '\t' && src[i] != '\r':
		return n, s.Fail("white space after a number")
	}
	return n, nil
}

// fraction passes a point with the digits behind it, if there is one.
func (s *Scanner) fraction(n *Number, i int) (int, error) {
	if i >= len(s.Src) || s.Src[i] != '.' {
		return i, nil
	}
	n.Integral = false
	first := i + 1
	i = n.take(s.Src, first)
	n.Point = i - first
	n.Length += n.Point
	if n.Point == 0 {
		s.Pos = i
		return i, s.Fail("a digit")
	}
	return i, nil
}

// specialWord passes a number that is a word, from its sign on.
func (s *Scanner) specialWord(n *Number) error {
	rest := s.Src[s.Pos:]
	for _, w := range specials {
		if bytes.HasPrefix(rest, []byte(w)) && (len(rest) == len(w) || !continues(rest[len(w):])) {
			n.Special, n.Text = true, rest[:len(w)]
			s.Pos += len(w)
			return nil
		}
	}
	return s.Fail("a value")
}

var specials = [...]string{"NaN", "Infinity", "-Infinity", "+Infinity", "-INF", "+INF"} //nolint:gochecknoglobals // a literal

// StartsNumber says whether a number may begin with c.
func (s *Scanner) StartsNumber(c byte) bool {
	return c-'0' <= 9 || c == '-' || s.Words && (c == 'N' || c == 'I' || c == '+')
}

// special64 is a number that is a word.
func (n *Number) special64() float64 {
	switch {
	case n.Text[0] == 'N':
		return math.Float64frombits(javaNaN)
	case n.Negative:
		return math.Inf(-1)
	}
	return math.Inf(1)
}

const javaNaN = 0x7ff8000000000000 // Double.NaN

// saturated is what Java casts such a number to.
func (n *Number) saturated(least, most int64) int64 {
	switch f := n.special64(); {
	case f > 0:
		return most
	case f < 0:
		return least
	}
	return 0
}

// take reads digits from i on and returns where they end.
func (n *Number) take(src []byte, i int) int {
	for i < len(src) && src[i]-'0' <= 9 {
		if n.Digits > 0 || src[i] != '0' {
			n.Digits++
		}
		n.Low = n.Low*10 + uint64(src[i]-'0')
		i++
	}
	return i
}

func (s *Scanner) exponent(n *Number, i int) (int, error) {
	negative := false
	if i < len(s.Src) && (s.Src[i] == '+' || s.Src[i] == '-') {
		negative = s.Src[i] == '-'
		i++
	}
	first := i
	for i < len(s.Src) && s.Src[i]-'0' <= 9 {
		n.Exp = min(n.Exp*10+int64(s.Src[i]-'0'), math.MaxUint32)
		i++
	}
	if i == first {
		s.Pos = i
		return i, s.Fail("a digit")
	}
	n.Length += i - first
	if negative {
		n.Exp = -n.Exp
	}
	if scale := int64(n.Point) - n.Exp; scale != int64(int32(scale)) {
		s.Pos = i
		return i, s.Fail("an exponent that a number can have")
	}
	return i, nil
}

// Int32 is the integer part's lowest 32 bits, as Java's intValue gives them.
func (n *Number) Int32() int32 {
	if n.Special {
		return int32(n.saturated(math.MinInt32, math.MaxInt32))
	}
	return int32(n.Int64())
}

// Int64 is the integer part's lowest 64 bits, as Java's longValue of any number gives them.
func (n *Number) Int64() int64 {
	if n.Special {
		return n.saturated(math.MinInt64, math.MaxInt64)
	}
	v := n.Low
	if !n.Integral {
		v = n.lowInteger()
	}
	if n.Negative {
		v = -v
	}
	return int64(v)
}

func (n *Number) lowInteger() uint64 {
	shift := n.Exp - int64(n.Point)
	v, left := uint64(0), int64(math.MaxInt64)
	if shift < 0 {
		left = -shift
		for _, c := range n.Text {
			if c|0x20 == 'e' {
				break
			}
			if c-'0' <= 9 {
				left--
			}
		}
		left = -left // digits of the integer part, with leading zeros
	}
	for _, c := range n.Text {
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

// Float64 is the closest float64. Java gets it by way of BigDecimal, which knows no negative zero.
func (n *Number) Float64() float64 {
	if n.Special {
		return n.special64()
	}
	if n.Digits == 0 {
		return 0
	}
	shift := n.Exp - int64(n.Point)
	if n.Digits > 15 || shift < -22 || shift > 22 {
		return n.parse(64)
	}
	// Both operands are exact, so that one rounding gives the closest number.
	f := float64(n.Low)
	if shift < 0 {
		f /= powers[-shift]
	} else {
		f *= powers[shift]
	}
	if n.Negative {
		return -f
	}
	return f
}

// Float32 is the closest float32.
func (n *Number) Float32() float32 {
	if n.Special {
		return float32(n.special64())
	}
	if n.Digits == 0 {
		return 0
	}
	return float32(n.parse(32))
}

func (n *Number) parse(size int) float64 {
	f, _ := strconv.ParseFloat(string(n.Text), size) // the syntax is checked, and out of range means infinity
	return f
}

// FitsInt32 is Jackson's isInt: an integer, written without point and exponent, of 32 bits.
func (n *Number) FitsInt32() bool {
	i := n.Int64()
	return n.Integral && n.Digits <= 10 && i == int64(int32(i))
}

// Skip passes a value of any kind, which it checks.
func (s *Scanner) Skip() error {
	switch c := s.Blanks(); {
	case c == '"':
		_, _, err := s.ScanString()
		return err
	case c == '{':
		return s.skipMembers()
	case c == '[':
		return s.skipElements()
	case c == 't':
		return s.Word("true")
	case c == 'f':
		return s.Word("false")
	case c == 'n':
		return s.Word("null")
	case s.StartsNumber(c):
		_, err := s.Number()
		return err
	}
	return s.Fail("a value")
}

func (s *Scanner) skipElements() error {
	if err := s.Open(); err != nil || s.Empty(']') {
		return err
	}
	for {
		if err := s.Skip(); err != nil {
			return err
		}
		if more, err := s.More(']'); !more {
			return err
		}
	}
}

func (s *Scanner) skipMembers() error {
	if err := s.Open(); err != nil || s.Empty('}') {
		return err
	}
	for {
		if _, _, err := s.ScanName(); err != nil {
			return err
		}
		if err := s.Colon(); err != nil {
			return err
		}
		if err := s.Skip(); err != nil {
			return err
		}
		if more, err := s.More('}'); !more {
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
