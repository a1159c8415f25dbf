package convert

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jackson"
)

// encoding is one of the encodings that every Java has, UTF-32 or windows-1252.
type encoding uint8

const (
	utf8Encoding encoding = iota + 1
	latin1Encoding
	windowsEncoding // 1252, the one of Western Europe
	asciiEncoding
	utf16Encoding // big end first, with a byte order mark
	utf16BEEncoding
	utf16LEEncoding
	utf32Encoding // big end first, without a mark
	utf32BEEncoding
	utf32LEEncoding
)

// encodingOf finds an encoding by its name or one of the aliases that Java knows, in any case.
func encodingOf(name string) (encoding, bool) {
	enc, ok := map[string]encoding{
		"UTF-8": utf8Encoding, "UTF8": utf8Encoding, "UNICODE-1-1-UTF-8": utf8Encoding,
		"ISO-8859-1": latin1Encoding, "ISO8859-1": latin1Encoding, "ISO8859_1": latin1Encoding, "ISO_8859-1": latin1Encoding,
		"ISO_8859_1": latin1Encoding, "8859_1": latin1Encoding, "LATIN1": latin1Encoding, "L1": latin1Encoding,
		"CP819": latin1Encoding, "IBM819": latin1Encoding, "IBM-819": latin1Encoding, "819": latin1Encoding,
		"ISO-IR-100": latin1Encoding, "CSISOLATIN1": latin1Encoding, "ISO_8859-1:1987": latin1Encoding,
		"WINDOWS-1252": windowsEncoding, "CP1252": windowsEncoding, "CP5348": windowsEncoding, "IBM-1252": windowsEncoding, "IBM1252": windowsEncoding,
		"US-ASCII": asciiEncoding, "ASCII": asciiEncoding, "ASCII7": asciiEncoding, "ISO646-US": asciiEncoding, "646": asciiEncoding,
		"ANSI_X3.4-1968": asciiEncoding, "ANSI_X3.4-1986": asciiEncoding, "ISO_646.IRV:1991": asciiEncoding, "ISO_646.IRV:1983": asciiEncoding,
		"CP367": asciiEncoding, "IBM367": asciiEncoding, "US": asciiEncoding, "ISO-IR-6": asciiEncoding, "CSASCII": asciiEncoding, "DEFAULT": asciiEncoding,
		"UTF-16": utf16Encoding, "UTF_16": utf16Encoding, "UTF16": utf16Encoding, "UNICODE": utf16Encoding, "UNICODEBIG": utf16Encoding,
		"UTF-16BE": utf16BEEncoding, "UTF_16BE": utf16BEEncoding, "UNICODEBIGUNMARKED": utf16BEEncoding, "X-UTF-16BE": utf16BEEncoding, "ISO-10646-UCS-2": utf16BEEncoding,
		"UTF-16LE": utf16LEEncoding, "UTF_16LE": utf16LEEncoding, "UNICODELITTLEUNMARKED": utf16LEEncoding, "X-UTF-16LE": utf16LEEncoding,
		"UTF-32": utf32Encoding, "UTF_32": utf32Encoding, "UTF32": utf32Encoding, "ISO-10646-UCS-4": utf32Encoding,
		"UTF-32BE": utf32BEEncoding, "UTF_32BE": utf32BEEncoding, "X-UTF-32BE": utf32BEEncoding,
		"UTF-32LE": utf32LEEncoding, "UTF_32LE": utf32LEEncoding, "X-UTF-32LE": utf32LEEncoding,
	}[strings.ToUpper(name)]
	return enc, ok
}

// encode appends a text, whose lone surrogates have the form of [appendUnit].
func (e encoding) encode(dst, text []byte) []byte {
	if e == utf16Encoding && len(text) > 0 {
		dst = append(dst, 0xFE, 0xFF)
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			if _, ok := jackson.Surrogate(string(text[:min(3, len(text))])); ok {
				r, n = e.replacement(), 3
			}
		}
		dst = e.appendRune(dst, r)
		text = text[n:]
	}
	return dst
}

// replacement stands for what the encoding cannot say.
func (e encoding) replacement() rune {
	if e <= asciiEncoding {
		return '?'
	}
	return utf8.RuneError
}

func (e encoding) appendRune(dst []byte, r rune) []byte {
	switch e {
	case utf8Encoding:
		return utf8.AppendRune(dst, r)
	case windowsEncoding:
		return append(dst, windowsByte(r))
	case latin1Encoding, asciiEncoding:
		if r > 0xFF || e == asciiEncoding && r > 0x7F {
			r = '?'
		}
		return append(dst, byte(r))
	case utf32Encoding, utf32BEEncoding:
		return append(dst, byte(r>>24), byte(r>>16), byte(r>>8), byte(r))
	case utf32LEEncoding:
		return append(dst, byte(r), byte(r>>8), byte(r>>16), byte(r>>24))
	}
	if r > 0xFFFF {
		high, low := utf16.EncodeRune(r)
		return e.appendUnit(e.appendUnit(dst, high), low)
	}
	return e.appendUnit(dst, r)
}

func (e encoding) appendUnit(dst []byte, unit rune) []byte {
	if e == utf16LEEncoding {
		return append(dst, byte(unit), byte(unit>>8))
	}
	return append(dst, byte(unit>>8), byte(unit))
}

// decode makes UTF-8 of a text; the result refers to src or to a.
func (e encoding) decode(a *record.Arena, src []byte) []byte {
	switch e {
	case utf8Encoding:
		return decodeUTF8(a, src)
	case latin1Encoding, windowsEncoding, asciiEncoding:
		return e.decodeSingle(a, src)
	case utf32Encoding, utf32BEEncoding, utf32LEEncoding:
		return e.decode32(a, src)
	}
	return e.decode16(a, src)
}

func (e encoding) decodeSingle(a *record.Arena, src []byte) []byte {
	wide := 0
	for _, c := range src {
		if c >= utf8.RuneSelf {
			wide++
		}
	}
	if wide == 0 {
		return src
	}
	dst := a.Bytes(len(src) + 2*wide)[:0]
	for _, c := range src {
		r := rune(c)
		switch {
		case e == asciiEncoding && c >= utf8.RuneSelf:
			r = utf8.RuneError
		case e == windowsEncoding && c >= utf8.RuneSelf && int(c) < utf8.RuneSelf+len(windows):
			r = windows[c-utf8.RuneSelf]
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// windows are the characters of windows-1252 from 0x80 on, U+FFFD where there is none. The others are those of Latin 1.
var windows = [32]rune{ //nolint:gochecknoglobals // a literal
	'€', 0xFFFD, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0xFFFD, 'Ž', 0xFFFD,
	0xFFFD, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0xFFFD, 'ž', 'Ÿ',
}

func windowsByte(r rune) byte {
	switch at := slices.Index(windows[:], r); {
	case r < utf8.RuneSelf || r >= utf8.RuneSelf+rune(len(windows)) && r <= 0xFF:
		return byte(r)
	case at >= 0 && r != utf8.RuneError:
		return byte(utf8.RuneSelf + at)
	}
	return '?'
}

func (e encoding) decode16(a *record.Arena, src []byte) []byte {
	little := e == utf16LEEncoding
	if e == utf16Encoding && len(src) >= 2 {
		if mark := string(src[:2]); mark == "\xFE\xFF" || mark == "\xFF\xFE" {
			little = mark == "\xFF\xFE"
			src = src[2:]
		}
	}
	dst := a.Bytes(len(src)/2*3 + 3)[:0]
	for len(src) >= 2 {
		r, n := unit(src, little), 2
		if utf16.IsSurrogate(r) {
			// What comes behind a first half is taken with it, whatever it is.
			if high := r; high < 0xDC00 {
				n = min(4, len(src))
				if n == 4 {
					r = utf16.DecodeRune(high, unit(src[2:], little))
				}
			}
		}
		dst = utf8.AppendRune(dst, r) // replaces a half
		src = src[n:]
	}
	if len(src) > 0 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	return dst
}

func unit(b []byte, little bool) rune {
	if little {
		return rune(b[0]) | rune(b[1])<<8
	}
	return rune(b[0])<<8 | rune(b[1])
}

func (e encoding) decode32(a *record.Arena, src []byte) []byte {
	little := e == utf32LEEncoding
	if len(src) >= 4 {
		mark := string(src[:4])
		switch {
		case mark == "\x00\x00\xFE\xFF" && !little:
			src = src[4:]
		case mark == "\xFF\xFE\x00\x00" && e != utf32BEEncoding:
			little = true
			src = src[4:]
		}
	}
	dst := a.Bytes(len(src) + 3)[:0]
	high := rune(0)
	for ; len(src) >= 4; src = src[4:] {
		r := rune(utf8.RuneError)
		if u := codePoint(src, little); u <= utf8.MaxRune {
			r = rune(u)
		}
		// Halves are let through; two that fit are a character.
		if pair := utf16.DecodeRune(high, r); pair != utf8.RuneError {
			dst, r = dst[:len(dst)-3], pair
		}
		dst = jackson.AppendUnit(dst, r)
		high = r
	}
	if len(src) > 0 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	return dst
}

func codePoint(b []byte, little bool) uint32 {
	if little {
		return binary.LittleEndian.Uint32(b)
	}
	return binary.BigEndian.Uint32(b)
}

// encodeUTF8 appends a text as Java's getBytes does: a lone surrogate becomes a question mark.
func encodeUTF8(dst, text []byte) []byte {
	if utf8.Valid(text) {
		return append(dst, text...)
	}
	return utf8Encoding.encode(dst, text)
}

// decodeUTF8 makes valid UTF-8 as Java's decoder does: U+FFFD for each longest start of a character that does not go on,
// and one for the three bytes of a surrogate.
func decodeUTF8(a *record.Arena, src []byte) []byte {
	if utf8.Valid(src) {
		return src
	}
	dst := a.Bytes(3 * len(src))[:0]
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n == 1 {
			n = malformed(src)
		}
		dst = utf8.AppendRune(dst, r)
		src = src[n:]
	}
	return dst
}

// malformed is how many bytes at the start of b make up one malformed character.
func malformed(b []byte) int {
	want, low, high := 0, byte(0x80), byte(0xBF) // continuation bytes, and the range of the first
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		want = 1
	case c >= 0xE0 && c <= 0xEF:
		want = 2
		if c == 0xE0 {
			low = 0xA0
		}
	case c >= 0xF0 && c <= 0xF4:
		want = 3
		switch c {
		case 0xF0:
			low = 0x90
		case 0xF4:
			high = 0x8F
		}
	}
	n := 1
	for n <= want && n < len(b) && b[n] >= low && b[n] <= high {
		n++
		low, high = 0x80, 0xBF
	}
	return n
}
