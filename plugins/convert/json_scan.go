package convert

import (
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

// syntaxError is a text that is not JSON. It tells where, never what stands there.
type syntaxError struct {
	at   int // offset in the message
	want string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("expected %s at byte %d", e.want, e.at) }

// scanner reads JSON text as Jackson does with the settings of Kafka Connect's JsonDeserializer: numbers may have leading
// zeros, whatever follows the first value is ignored, everything else is as RFC 8259 has it.
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
	raw, plain, err := s.scanName()
	if err != nil {
		return nil, err
	}
	if !plain {
		raw = unescape(a.Bytes(len(raw))[:0], raw, 0xD800)
	}
	if len(raw) > maxName && utf8.RuneCount(raw) > maxName {
		return nil, s.fail("a name of at most 50000 characters")
	}
	return raw, s.colon()
}

// scanName passes a member's name.
func (s *scanner) scanName() (raw []byte, plain bool, err error) {
	if s.blanks() != '"' {
		return nil, false, s.fail("a name in double quotes")
	}
	start := s.pos + 1
	end, plain, err := s.scanString()
	if err != nil {
		return nil, false, err
	}
	raw = s.src[start:end:end]
	if !plain && halved(raw) {
		return nil, false, s.fail("a name without halves of characters")
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
				if !lookLikeUTF8(s.src[start:i]) {
					return 0, false, s.fail("UTF-8")
				}
				plain = false
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
	return appendUnit(appendUnit(dst, high&0xFFFF), 0xDC00|c&0x3FF), n
}

// unescape appends the meaning of a string's text, which scanString has passed; base is that of appendLoose. A surrogate
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
			dst = appendUnit(dst, r)
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
	integral bool   // neither point nor exponent
	low      uint64 // all digits as an integer, modulo 2^64
	digits   int    // all digits but leading zeros
	point    int    // digits behind the point
	exp      int64
	length   int // digits as Jackson counts them for its limit: those of the exponent too, if there is a fraction or one
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
	if i == first {
		s.pos = i
		return n, s.fail("a digit")
	}
	n.integral, n.length = true, max(n.digits, 1)
	if i < len(src) && src[i] == '.' {
		n.integral = false
		first = i + 1
		i = n.take(src, first)
		n.point = i - first
		n.length += n.point
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
	case n.length > maxDigits:
		return n, s.fail("a number of at most 1000 digits")
	case s.depth == 0 && i < len(src) && src[i] != ' ' && src[i] != '\n' && src[i] != '\t' && src[i] != '\r':
		return n, s.fail("white space after a number")
	}
	return n, nil
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
	n.length += i - first
	if negative {
		n.exp = -n.exp
	}
	if scale := int64(n.point) - n.exp; scale != int64(int32(scale)) {
		s.pos = i
		return i, s.fail("an exponent that a number can have")
	}
	return i, nil
}

// int64 is the integer part's lowest 64 bits, as Java's longValue of any number gives them.
func (n *number) int64() int64 {
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
	case c == '-' || c-'0' <= 9:
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
		if _, _, err := s.scanName(); err != nil {
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

// transcoded is a message in UTF-8. Jackson knows UTF-16 and UTF-32 by a byte order mark, or by the zeros of a first character
// that is ASCII (ByteSourceJsonBootstrapper).
func transcoded(a *record.Arena, src []byte) ([]byte, error) {
	var head [4]byte
	marks := copy(head[:], src) == 4 // shorter ones are not looked at for marks
	zeros := [4]bool{head[0] == 0, head[1] == 0, head[2] == 0, head[3] == 0}
	switch {
	case marks && string(head[:3]) == "\xEF\xBB\xBF":
		return src[3:], nil
	case marks && (string(head[:]) == "\x00\x00\xFE\xFF" || zeros == [4]bool{true, true, true, zeros[3]}):
		return transcoded32(a, src, utf32BEEncoding)
	case marks && (string(head[:]) == "\xFF\xFE\x00\x00" || zeros == [4]bool{zeros[0], true, true, true}):
		return transcoded32(a, src, utf32LEEncoding)
	case marks && (string(head[:]) == "\x00\x00\xFF\xFE" || string(head[:]) == "\xFE\xFF\x00\x00" || zeros == [4]bool{true, false, true, true} || zeros == [4]bool{true, true, false, true}):
		return nil, &syntaxError{0, "an order of bytes that UTF-32 has"}
	case marks && string(head[:2]) == "\xFE\xFF":
		return utf16BEEncoding.decode(a, src[2:]), nil
	case marks && string(head[:2]) == "\xFF\xFE":
		return utf16LEEncoding.decode(a, src[2:]), nil
	case zeros[0]:
		return utf16BEEncoding.decode(a, src), nil
	case zeros[1]:
		return utf16LEEncoding.decode(a, src), nil
	}
	return src, nil
}

// transcoded32 refuses what the decoder of Java would replace.
func transcoded32(a *record.Arena, src []byte, e encoding) ([]byte, error) {
	for i := 0; i < len(src); i += 4 {
		if len(src)-i < 4 || codePoint(src[i:], e == utf32LEEncoding) > utf8.MaxRune {
			return nil, &syntaxError{i, "a character of UTF-32"}
		}
	}
	return e.decode(a, src), nil
}
