package record

import (
	"slices"
	"unsafe"
)

// Arena lends memory that lives as long as a batch: values for the fields of composites, bytes for what they refer to,
// and headers. Nothing is freed one by one; Reset takes everything back at once. The zero Arena is ready. It is not safe for
// concurrent use.
type Arena struct {
	values  slab[Value]
	bytes   slab[byte]
	headers slab[Header]
}

const (
	firstValues  = 1 << 9  // values in the first chunk: 12 KiB
	firstBytes   = 1 << 12 // bytes in the first chunk
	firstHeaders = 1 << 7  // headers in the first chunk: 6 KiB
	mostValues   = 1 << 17 // values that a reset keeps: 3 MiB, for a batch of 2,000 rows that pass a few transforms
	mostBytes    = 1 << 20 // bytes that a reset keeps
	mostHeaders  = 1 << 13 // headers that a reset keeps: 384 KiB
)

// Values lends n null values. The slice has no spare capacity.
func (a *Arena) Values(n int) []Value {
	vs := a.values.take(n, firstValues)
	clear(vs)
	return vs
}

// Extend lends a copy of vs with n null values behind it: a struct or a map to change, for a price below that of Values
// and a copy. The slice has no spare capacity.
func (a *Arena) Extend(vs []Value, n int) []Value {
	out := a.values.take(len(vs)+n, firstValues)
	copy(out, vs)
	clear(out[len(vs):])
	return out
}

// Bytes lends n bytes of any content. The slice has no spare capacity.
func (a *Arena) Bytes(n int) []byte { return a.bytes.take(n, firstBytes) }

// Headers lends n headers without content, for a record that gets another list of them. The slice has no spare capacity.
func (a *Arena) Headers(n int) []Header {
	hs := a.headers.take(n, firstHeaders)
	clear(hs)
	return hs
}

// Text copies b into the arena and makes a String of it.
func (a *Arena) Text(b []byte) Value {
	c := a.Bytes(len(b))
	copy(c, b)
	return OfText(c)
}

// Rest lends at least n bytes, as many as the current chunk has left. Keep gives the tail of them back: it is for those
// who learn only by writing how much they need.
func (a *Arena) Rest(n int) []byte { return a.bytes.rest(n, firstBytes) }

// Keep says that only the first used bytes of the last Rest are in use. Nothing may be lent between the two.
func (a *Arena) Keep(rest []byte, used int) {
	a.bytes.used -= len(rest) - used
}

// Reset takes back all that was lent. Whoever still refers to it sees it overwritten.
func (a *Arena) Reset() {
	if invariants {
		a.values.each(func(vs []Value) {
			for i := range vs {
				vs[i] = OfString("used after its batch was handed on")
			}
		})
		a.bytes.each(func(bs []byte) {
			for i := range bs {
				bs[i] = 0xDD
			}
		})
		a.headers.each(func(hs []Header) {
			for i := range hs {
				hs[i] = Header{Key: "used after its batch was handed on"}
			}
		})
	}
	a.values.reset(mostValues)
	a.bytes.reset(mostBytes)
	a.headers.reset(mostHeaders)
}

// Size is the memory that the arena holds, in bytes.
func (a *Arena) Size() int {
	return a.values.size()*int(unsafe.Sizeof(Value{})) + a.bytes.size() + a.headers.size()*int(unsafe.Sizeof(Header{}))
}

// slab lends from chunks that double in size; chunks before current are full, those after it are empty.
type slab[T any] struct {
	chunks  [][]T
	current int
	used    int // of chunks[current]
}

func (s *slab[T]) take(n, first int) []T {
	if s.current < len(s.chunks) && s.used+n <= len(s.chunks[s.current]) {
		t := s.chunks[s.current][s.used : s.used+n : s.used+n]
		s.used += n
		return t
	}
	r := s.rest(n, first)
	s.used -= len(r) - n
	return r[:n:n]
}

func (s *slab[T]) rest(n, first int) []T {
	for s.current < len(s.chunks) && s.used+n > len(s.chunks[s.current]) {
		s.current++
		s.used = 0
	}
	if s.current == len(s.chunks) {
		size := first
		if s.current > 0 {
			size = 2 * len(s.chunks[s.current-1])
		}
		s.chunks = append(s.chunks, make([]T, max(size, n)))
		s.used = 0
	}
	r := s.chunks[s.current][s.used:]
	s.used = len(s.chunks[s.current])
	return slices.Clip(r)
}

// reset keeps one chunk: the largest that has at most limit elements. With it alone the next batch of this size needs no
// growing, or little.
func (s *slab[T]) reset(limit int) {
	var keep []T
	for _, c := range s.chunks {
		if len(c) <= limit && len(c) >= len(keep) {
			keep = c
		}
	}
	clear(s.chunks)
	s.chunks = s.chunks[:0]
	if keep != nil {
		s.chunks = append(s.chunks, keep)
	}
	s.current, s.used = 0, 0
}

func (s *slab[T]) each(f func([]T)) {
	for _, c := range s.chunks {
		f(c)
	}
}

func (s *slab[T]) size() (n int) {
	for _, c := range s.chunks {
		n += len(c)
	}
	return n
}
