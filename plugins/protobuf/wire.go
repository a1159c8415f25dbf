package protobuf

import (
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

var (
	errShort   = errors.New("the message ends within a field, or an embedded message misreports its own length")
	errVarint  = errors.New("a number of the message takes more than ten bytes")
	errTag     = errors.New("a field of the message has the number 0, or one that is out of range")
	errType    = errors.New("a field of the message has a wire type that there is none of")
	errEnd     = errors.New("a group of the message ends that did not begin")
	errDeep    = errors.New("the message nests deeper than 100 levels")
	errSizes   = errors.New("the message comes to more fields than its size allows")
	errUTF8    = errors.New("a string of the message is no UTF-8")
	errEndless = errors.New("data nest deeper than they can be unrolled")
)

// mostDepth bounds messages within messages, as Java's CodedInputStream does.
const mostDepth = 100

// varint reads a number and gives the place behind it.
func varint(src []byte, pos int) (n uint64, next int, err error) {
	if pos < len(src) && src[pos] < 0x80 {
		return uint64(src[pos]), pos + 1, nil
	}
	for shift := 0; shift < 70; shift += 7 {
		if pos >= len(src) {
			return 0, 0, errShort
		}
		b := src[pos]
		pos++
		n |= uint64(b&0x7F) << shift
		if b < 0x80 {
			return n, pos, nil
		}
	}
	return 0, 0, errVarint
}

// sizedBytes reads a length and what it counts.
func sizedBytes(src []byte, pos int) (b []byte, next int, err error) {
	n, pos, err := varint(src, pos)
	switch {
	case err != nil:
		return nil, 0, err
	case n > uint64(len(src)-pos):
		return nil, 0, errShort
	}
	next = pos + int(n)
	return src[pos:next:next], next, nil
}

func fixed32(src []byte, pos int) (n uint32, next int, err error) {
	if len(src)-pos < 4 {
		return 0, 0, errShort
	}
	return binary.LittleEndian.Uint32(src[pos:]), pos + 4, nil
}

func fixed64(src []byte, pos int) (n uint64, next int, err error) {
	if len(src)-pos < 8 {
		return 0, 0, errShort
	}
	return binary.LittleEndian.Uint64(src[pos:]), pos + 8, nil
}

// tag reads a field's number and wire type.
func (r *reading) tag(src []byte, pos int) (number protowire.Number, typ protowire.Type, next int, err error) {
	n, next, err := varint(src, pos)
	if err != nil {
		return 0, 0, 0, err
	}
	number, typ = protowire.Number(uint32(n)>>3), protowire.Type(n&7) // Java reads a tag as 32 bits
	switch {
	case number < protowire.MinValidNumber:
		return 0, 0, 0, errTag
	case typ > protowire.Fixed32Type:
		return 0, 0, 0, errType
	}
	return number, typ, next, nil
}

// skip passes a value that nobody wants.
func (r *reading) skip(src []byte, pos int, number protowire.Number, typ protowire.Type) (next int, err error) {
	switch typ {
	case protowire.VarintType:
		_, next, err = varint(src, pos)
	case protowire.Fixed32Type:
		_, next, err = fixed32(src, pos)
	case protowire.Fixed64Type:
		_, next, err = fixed64(src, pos)
	case protowire.BytesType:
		_, next, err = sizedBytes(src, pos)
	case protowire.StartGroupType:
		return r.skipGroup(src, pos, number)
	default:
		return 0, errEnd
	}
	return next, err
}

func (r *reading) skipGroup(src []byte, pos int, number protowire.Number) (int, error) {
	if r.depth++; r.depth > mostDepth {
		return 0, errDeep
	}
	defer func() { r.depth-- }()
	for {
		n, typ, next, err := r.tag(src, pos)
		if err != nil {
			return 0, err
		}
		if typ == protowire.EndGroupType {
			if n != number {
				return 0, errEnd
			}
			return next, nil
		}
		if pos, err = r.skip(src, next, n, typ); err != nil {
			return 0, err
		}
	}
}
