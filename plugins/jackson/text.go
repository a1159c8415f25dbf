package jackson

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
)

const upperHex = "0123456789ABCDEF"

// AppendString writes a string with Jackson's escapes: none but those that JSON demands, and both surrogates of what lies
// beyond the basic plane.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for len(s) >= 8 {
		// Eight bytes are written at once, and then as many of them count as need no escape: texts in JSON are short, and so
		// are the parts of a text that has quotes in it.
		if cap(dst)-len(dst) < 8 {
			dst = slices.Grow(dst, len(s)+8)
		}
		w := word(s)
		n := len(dst)
		binary.LittleEndian.PutUint64(dst[n:n+8], w)
		m := marked(w)
		if m == 0 {
			dst, s = dst[:n+8], s[8:]
			continue
		}
		plain := bits.TrailingZeros64(m) / 8
		dst, s = appendEscape(dst[:n+plain], s[plain:])
	}
	for s != "" {
		plain := 0
		for plain < len(s) && s[plain] >= ' ' && s[plain] != '"' && s[plain] != '\\' && s[plain] < utf8.RuneSelf {
			plain++
		}
		dst = append(dst, s[:plain]...)
		if s = s[plain:]; s != "" {
			dst, s = appendEscape(dst, s)
		}
	}
	return append(dst, '"')
}

// word is the first eight bytes of s.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// appendEscape writes the first character of s, which is not plain, and returns the rest.
func appendEscape(dst []byte, s string) (out []byte, rest string) {
	switch c := s[0]; {
	case c == '"' || c == '\\':
		return append(dst, '\\', c), s[1:]
	case c >= utf8.RuneSelf:
		return appendWide(dst, s)
	case c == '\n':
		dst = append(dst, '\\', 'n')
	case c == '\t':
		dst = append(dst, '\\', 't')
	case c == '\r':
		dst = append(dst, '\\', 'r')
	case c == '\b':
		dst = append(dst, '\\', 'b')
	case c == '\f':
		dst = append(dst, '\\', 'f')
	default:
		dst = append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
	}
	return dst, s[1:]
}

// appendWide writes what is not ASCII at the start of s and returns the rest. What is no UTF-8 becomes U+FFFD.
func appendWide(dst []byte, s string) (out []byte, rest string) {
	for s != "" && s[0] >= utf8.RuneSelf {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r > 0xFFFF:
			r -= 0x10000
			dst = appendEscaped(appendEscaped(dst, 0xD800+r>>10), 0xDC00+r&0x3FF)
		case r == utf8.RuneError && n == 1:
			if unit, ok := Surrogate(s); ok {
				dst, n = appendEscaped(dst, unit), 3
				break
			}
			dst = utf8.AppendRune(dst, utf8.RuneError)
		default:
			dst = append(dst, s[:n]...)
		}
		s = s[n:]
	}
	return dst, s
}

func appendEscaped(dst []byte, unit rune) []byte {
	return append(dst, '\\', 'u', upperHex[unit>>12&15], upperHex[unit>>8&15], upperHex[unit>>4&15], upperHex[unit&15])
}

// Surrogate reads a lone Surrogate in the three bytes that [AppendUnit] makes of it.
func Surrogate(s string) (unit rune, ok bool) {
	if len(s) < 3 || s[0] != 0xED || s[1] < 0xA0 || s[1] > 0xBF || s[2]&0xC0 != 0x80 {
		return 0, false
	}
	return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), true
}

// AppendPlain writes a string with the escapes that JSON demands and no other: what the text of a schema has.
func AppendPlain(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for s != "" {
		plain := 0
		for plain < len(s) && s[plain] >= ' ' && s[plain] != '"' && s[plain] != '\\' {
			plain++
		}
		dst = append(dst, s[:plain]...)
		if s = s[plain:]; s != "" {
			dst, s = appendEscape(dst, s)
		}
	}
	return append(dst, '"')
}

// DecodeBase64 reads the standard alphabet with padding; white space may stand between groups of four characters, and
// groups may follow a padded one (Jackson: Base64Variants.MIME_NO_LINEFEEDS).
func DecodeBase64(a *record.Arena, src []byte) ([]byte, bool) {
	dst := a.Bytes(len(src)/4*3 + 3)[:0]
	for len(src) > 0 {
		if src[0] <= ' ' {
			src = src[1:]
			continue
		}
		if len(src) < 4 {
			return nil, false
		}
		group := src[:4]
		src = src[4:]
		w, x, y, z := base64Digit(group[0]), base64Digit(group[1]), base64Digit(group[2]), base64Digit(group[3])
		switch {
		case w|x > 63:
			return nil, false
		case y <= 63 && z <= 63:
			dst = append(dst, w<<2|x>>4, x<<4|y>>2, y<<6|z)
		case y <= 63 && group[3] == '=':
			dst = append(dst, w<<2|x>>4, x<<4|y>>2)
		case group[2] == '=' && group[3] == '=':
			dst = append(dst, w<<2|x>>4)
		default:
			return nil, false
		}
	}
	return slices.Clip(dst), true
}

// base64Digit is the value of a character, above 63 for one that has none.
func base64Digit(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c - 'A'
	case c >= 'a' && c <= 'z':
		return c - 'a' + 26
	case c >= '0' && c <= '9':
		return c - '0' + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return 0xFF
}
