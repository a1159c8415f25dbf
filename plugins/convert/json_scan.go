package convert

import (
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jackson"
)

// scanner reads with the settings of Kafka Connect's JsonDeserializer: numbers may have leading zeros.
type scanner struct{ jackson.Scanner }

func scan(src []byte) scanner { return scanner{jackson.Scanner{Src: src, LeadingZeros: true}} }

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
		return nil, &jackson.SyntaxError{At: 0, Want: "an order of bytes that UTF-32 has"}
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
			return nil, &jackson.SyntaxError{At: i, Want: "a character of UTF-32"}
		}
	}
	return e.decode(a, src), nil
}
