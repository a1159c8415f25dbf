package record

import "unicode/utf8"

// AppendUTF8 appends b as Java decodes UTF-8 (String(byte[], UTF_8), InputStreamReader): what is well formed as it is, and
// one U+FFFD for each longest prefix of a character that breaks off or is not allowed, an encoded surrogate counting as
// one. Callers look at [utf8.Valid] first, which is much faster.
func AppendUTF8(dst, b []byte) []byte {
	for len(b) > 0 {
		i := 0
		for i < len(b) && b[i] < utf8.RuneSelf {
			i++
		}
		dst, b = append(dst, b[:i]...), b[i:]
		if len(b) == 0 {
			break
		}
		if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
			dst, b = append(dst, b[:n]...), b[n:]
			continue
		}
		dst, b = append(dst, "\uFFFD"...), b[illFormed(b):]
	}
	return dst
}

// illFormed is the length of the ill-formed prefix at the start of b that one U+FFFD stands for.
func illFormed(b []byte) int {
	second := func(from, to byte) bool { return len(b) > 1 && from <= b[1] && b[1] <= to }
	third := func() bool { return len(b) > 2 && 0x80 <= b[2] && b[2] <= 0xBF }
	switch c := b[0]; {
	case c == 0xED && second(0xA0, 0xBF): // a surrogate, whole or broken off
		if third() {
			return 3
		}
		return 2
	case c == 0xE0 && second(0xA0, 0xBF), c > 0xE0 && c <= 0xEF && second(0x80, 0xBF):
		return 2 // its third byte is missing, or the character would be well formed
	case c == 0xF0 && second(0x90, 0xBF), c > 0xF0 && c < 0xF4 && second(0x80, 0xBF), c == 0xF4 && second(0x80, 0x8F):
		if third() {
			return 3
		}
		return 2
	}
	return 1
}
