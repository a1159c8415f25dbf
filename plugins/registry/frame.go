package registry

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/penstock/penstock/engine/plugin"
)

// The first byte of a frame says what follows.
const (
	byID   = 0 // the id, four bytes, the highest first
	byGUID = 1 // the GUID, sixteen bytes
)

// Names of the headers that carry a schema's id.
const (
	keyHeader   = "__key_schema_id"
	valueHeader = "__value_schema_id"
)

// frame is what stands before a payload, or in a header.
type frame struct {
	magic byte
	id    uint32
	guid  [16]byte
	index string // as it stands in the message, "" where the format has none
}

var (
	errMagic = errors.New("Unknown magic byte!") //nolint:staticcheck // Confluent's words
	errShort = errors.New("the message ends before its schema's id does")
)

// cut takes a frame from the start of src.
func cut(src []byte, indexed bool) (f frame, payload []byte, err error) {
	if len(src) == 0 {
		return f, nil, errShort
	}
	f.magic = src[0]
	switch f.magic {
	case byID:
		if len(src) < 5 {
			return f, nil, errShort
		}
		f.id, payload = binary.BigEndian.Uint32(src[1:]), src[5:]
	case byGUID:
		if len(src) < 17 {
			return f, nil, errShort
		}
		copy(f.guid[:], src[1:])
		payload = src[17:]
	default:
		return f, nil, errMagic
	}
	if indexed {
		n, err := indexLength(payload)
		if err != nil {
			return f, nil, err
		}
		// The text refers to the message: it is copied when it is remembered.
		f.index, payload = text(payload[:n]), payload[n:]
	}
	return f, payload, nil
}

// mostIndexes bounds the depth of a message in its file.
const mostIndexes = 1000

var errIndex = errors.New("the message's index is damaged")

// indexLength is how many bytes an index takes.
func indexLength(b []byte) (int, error) {
	count, n := binary.Varint(b)
	if n <= 0 || count < 0 || count > mostIndexes {
		return 0, errIndex
	}
	at := n
	for range count {
		step, n := binary.Varint(b[at:])
		if n <= 0 || step < 0 || step > 1<<31-1 {
			return 0, errIndex
		}
		at += n
	}
	return at, nil
}

// parseIndex reads an index that indexLength took. A single zero byte is the path [0].
func parseIndex(b string) []int {
	if b == "" {
		return nil
	}
	count, n := binary.Varint([]byte(b))
	if count == 0 {
		return []int{0}
	}
	path := make([]int, count)
	for i := range path {
		b = b[n:]
		step, m := binary.Varint([]byte(b))
		path[i], n = int(step), m
	}
	return path
}

// appendIndex writes an index: nothing for nil, and a single zero byte for [0].
func appendIndex(dst []byte, path []int) []byte {
	switch {
	case path == nil:
		return dst
	case len(path) == 1 && path[0] == 0:
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(path)))
	for _, step := range path {
		dst = binary.AppendVarint(dst, int64(step))
	}
	return dst
}

// prefix is the frame of an id before a payload.
func prefix(id int, index []int) []byte {
	return appendIndex(binary.BigEndian.AppendUint32([]byte{byID}, uint32(id)), index)
}

// header is the frame of a GUID in a header.
func header(use plugin.Use, guid string, index []int) (plugin.MessageHeader, error) {
	raw, err := parseGUID(guid)
	if err != nil {
		return plugin.MessageHeader{}, err
	}
	return plugin.MessageHeader{Key: headerOf(use), Value: appendIndex(append([]byte{byGUID}, raw[:]...), index)}, nil
}

func headerOf(use plugin.Use) string {
	if use == plugin.KeyUse {
		return keyHeader
	}
	return valueHeader
}

func parseGUID(text string) (raw [16]byte, err error) {
	if text == "" {
		return raw, errors.New("Schema GUID is null")
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != len(raw) {
		return raw, fmt.Errorf("the registry's GUID %q is none", text)
	}
	copy(raw[:], b)
	return raw, nil
}

func formatGUID(raw [16]byte) string {
	h := hex.EncodeToString(raw[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// String names the schema in messages.
func (f frame) String() string {
	if f.magic == byGUID {
		return formatGUID(f.guid)
	}
	return strconv.FormatUint(uint64(f.id), 10)
}

// text refers to b.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
