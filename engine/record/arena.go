package record

import (
	"math/big"
	"math/bits"
	"slices"
	"unsafe"
)

// Arena lends memory that lives as long as a batch: values for the fields of composites, bytes for what they refer to,
// decimals and headers. Nothing is freed one by one; Reset takes everything back at once. The zero Arena is ready. It is not
// safe for concurrent use.
type Arena struct {
	values   slab[Value]
	bytes    slab[byte]
	headers  slab[Header]
	decimals slab[decimal]
	words    slab[big.Word]
}

// decimal is a Dec with the integer that it refers to.
type decimal struct {
	dec      Dec
	unscaled big.Int
}

const (
	firstValues  = 1 << 9  // values in the first chunk: 12 KiB
	firstBytes   = 1 << 12 // bytes in the first chunk
	firstHeaders = 1 << 7  // headers in the first chunk: 6 KiB
	firstNumbers = 1 << 7  // decimals, and words of their digits, in the first chunk: 7 KiB
	mostValues   = 1 << 17 // values that a reset keeps: 3 MiB, for a batch of 2,000 rows that pass a few transforms
	mostBytes    = 1 << 20 // bytes that a reset keeps
	mostHeaders  = 1 << 13 // headers that a reset keeps: 384 KiB
	mostNumbers  = 1 << 13 // decimals, and words, that a reset keeps: 448 KiB
)

// Values lends n null values. The slice has no spare capacity.
func (a *Arena) Values(n int) []Value {
	vs := a.values.take(n, firstValues)
	clear(vs)
	return vs
}

// Extend lends a copy of vs with n null values behind it: a struct or a map to change, for a price below that of Values
// and a copy. The slice has no spare capacity. Whoever extends a list again and again calls Grow.
func (a *Arena) Extend(vs []Value, n int) []Value {
	out := a.values.take(len(vs)+n, firstValues)
	copy(out, vs)
	for i := len(vs); i < len(out); i++ { // they are few, and a call of clear costs as much as ten of them
		out[i] = Value{}
	}
	return out
}

// Grow lends vs with n null values behind it, and with as much spare capacity as it has elements: a list whose end is not
// known is copied a few times and not at each step. vs is the result of the Grow before, or empty.
func (a *Arena) Grow(vs []Value, n int) []Value {
	have, need := len(vs), len(vs)+n
	if need > cap(vs) {
		out := a.values.take(max(need, 2*have), firstValues)
		copy(out, vs)
		vs = out
	}
	vs = vs[:need]
	clear(vs[have:])
	return vs
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

// Decimal makes a Decimal of unscaled × 10^-scale.
func (a *Arena) Decimal(unscaled int64, scale int32) Value {
	magnitude := uint64(unscaled)
	if unscaled < 0 {
		magnitude = -magnitude
	}
	words := a.words.take(64/bits.UintSize, firstNumbers)
	for i := range words {
		words[i] = big.Word(magnitude >> (i * bits.UintSize))
	}
	return a.decimal(words, unscaled < 0, scale)
}

// DecimalOfBytes makes a Decimal of digits in two's complement, the highest byte first (Java: new BigInteger(byte[])). No
// digits at all are an error.
func (a *Arena) DecimalOfBytes(digits []byte, scale int32) (Value, error) {
	if len(digits) == 0 {
		return Value{}, errEmpty
	}
	if len(digits) <= 8 {
		n := int64(int8(digits[0]))
		for _, c := range digits[1:] {
			n = n<<8 | int64(c)
		}
		return a.Decimal(n, scale), nil
	}
	const size = bits.UintSize / 8
	words := a.words.take((len(digits)+size-1)/size, firstNumbers)
	clear(words)
	for i, c := range digits {
		at := len(digits) - 1 - i
		words[at/size] |= big.Word(c) << (at % size * 8)
	}
	negative := digits[0]&0x80 != 0
	if negative {
		negate(words, len(digits)%size*8)
	}
	return a.decimal(words, negative, scale), nil
}

// negate makes a negative number in two's complement its magnitude. used are the bits that count in the highest word, 0 for
// all.
func negate(words []big.Word, used int) {
	carry := uint(1)
	for i, w := range words {
		sum, c := bits.Add(^uint(w), carry, 0)
		words[i], carry = big.Word(sum), c
	}
	if used > 0 {
		words[len(words)-1] &= 1<<used - 1
	}
}

// ParseDecimal makes a Decimal of a text as the function of that name does.
func (a *Arena) ParseDecimal(text string) (Value, error) {
	var buf [64]byte
	digits, scale, err := splitDecimal(buf[:0], text)
	if err != nil {
		return Value{}, err
	}
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	// A word holds 9 digits, or 19; so many in one step never overflow.
	const step = 9 * (bits.UintSize / 32)
	words := a.words.take(len(digits)/step+1, firstNumbers)[:0]
	for len(digits) > 0 {
		n := (len(digits)-1)%step + 1
		factor, sum := uint(1), uint(0)
		for _, c := range digits[:n] {
			factor, sum = factor*10, sum*10+uint(c-'0')
		}
		words, digits = multiplyAdd(words, factor, sum), digits[n:]
	}
	return a.decimal(words, negative, scale), nil
}

// multiplyAdd is words × factor + sum. words has room for one more.
func multiplyAdd(words []big.Word, factor, sum uint) []big.Word {
	for i, w := range words {
		high, low := bits.Mul(uint(w), factor)
		low, carry := bits.Add(low, sum, 0)
		words[i], sum = big.Word(low), high+carry
	}
	if sum > 0 {
		words = append(words, big.Word(sum))
	}
	return words
}

func (a *Arena) decimal(words []big.Word, negative bool, scale int32) Value {
	d := &a.decimals.take(1, firstNumbers)[0]
	d.unscaled.SetBits(words)
	if negative {
		d.unscaled.Neg(&d.unscaled)
	}
	d.dec = Dec{&d.unscaled, scale}
	return Value{0, &d.dec}
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
		a.words.each(func(ws []big.Word) {
			for i := range ws {
				ws[i] = 0xDDDD
			}
		})
	}
	a.values.reset(mostValues)
	a.bytes.reset(mostBytes)
	a.headers.reset(mostHeaders)
	a.decimals.reset(mostNumbers)
	a.words.reset(mostNumbers)
}

// Size is the memory that the arena holds, in bytes.
func (a *Arena) Size() int {
	return a.values.size()*int(unsafe.Sizeof(Value{})) + a.bytes.size() + a.headers.size()*int(unsafe.Sizeof(Header{})) +
		a.decimals.size()*int(unsafe.Sizeof(decimal{})) + a.words.size()*int(unsafe.Sizeof(big.Word(0)))
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
