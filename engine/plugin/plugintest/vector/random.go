package vector

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
)

// Random draws schemas and values, and texts in which there is something to go wrong.
type Random struct {
	*rand.Rand
	size int // how large things may become, from 1 on
}

// NewRandom draws what a seed gives.
func NewRandom(seed uint64) *Random {
	return &Random{Rand: rand.New(rand.NewPCG(seed, 0)), size: int(1 + seed%7)}
}

// Chance is true once in n times.
func (r *Random) Chance(n int) bool { return r.IntN(n) == 0 }

// Count draws how many of something there are.
func (r *Random) Count() int { return r.IntN(r.size + 2) }

// Pick draws one of several.
func Pick[T any](r *Random, of ...T) T { return of[r.IntN(len(of))] }

// Smaller draws what lies within; where that must be a leaf, ok is false.
func (r *Random) Smaller() (inner *Random, ok bool) {
	return &Random{r.Rand, r.size / 2}, r.size > 1
}

// Text draws a text of valid characters, or with lone surrogates where halves are allowed.
func (r *Random) Text(halves bool) string {
	var b []byte
	if r.Chance(8) {
		return Pick(r, "", "true", "FALSE", "null", "NaN", "-Infinity", "1", "-0", "1e3", "3.25", "007", " 12 ", "2019-08-23", "AQID", "=", `"`, `\`, "{}", "[]", "schema")
	}
	n := r.Count()
	if r.Chance(50) {
		n *= 20
	}
	for range n {
		switch r.IntN(12) {
		case 0:
			b = append(b, byte(r.IntN(0x80)))
		case 1:
			b = append(b, Pick(r, `"`, `\`, "/", "\n", "\t", "\r", "\b", "\f", "\x00", "\x1f", "\x7f", " ", "'", ",", ":", "=", "[", "{")...)
		case 2:
			b = utf8.AppendRune(b, Pick(r, 'é', 'ß', '\u0080', '\u07ff', '\u0800', '漢', '\u2028', '\ufeff', '\ufffd', '\uffff', '１', '٣', '\ud7ff', '\ue000'))
		case 3:
			b = utf8.AppendRune(b, Pick(r, '😀', '\U00010000', '\U0010ffff', '𝟙'))
		case 4:
			if halves && r.Chance(8) {
				b = r.half(b)
			}
		default:
			b = append(b, "abcdefghijklmnopqrstuvwxyz0123456789 ABCDEFG-_."[r.IntN(47)])
		}
	}
	return string(b)
}

// half appends a lone surrogate, not behind another one: together they would be a character.
func (r *Random) half(b []byte) []byte {
	if len(b) >= 3 && b[len(b)-3] == 0xED && b[len(b)-2] >= 0xA0 {
		return b
	}
	return append(b, 0xED, byte(0xA0+r.IntN(0x20)), byte(0x80+r.IntN(0x40)))
}

// Int draws an integer, mostly near an end of a type or small.
func (r *Random) Int() int64 {
	switch r.IntN(4) {
	case 0:
		return Pick[int64](r, 0, 1, -1, math.MaxInt8, math.MinInt8, math.MaxInt16, math.MinInt16, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64) + int64(r.IntN(3)-1)
	case 1:
		return int64(r.Uint64()) >> r.IntN(64)
	}
	return int64(r.IntN(2001) - 1000)
}

// Float draws a float of any bits, a whole number, or one as people write them.
func (r *Random) Float() float64 {
	switch r.IntN(5) {
	case 0:
		return Pick(r, 0, math.Copysign(0, -1), 1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1e7, 1e-3, 9999999, 123456.789, math.MaxFloat32, 2e23, 1e22, 4.35)
	case 1:
		return math.Float64frombits(r.Uint64())
	case 2:
		return float64(math.Float32frombits(r.Uint32()))
	case 3:
		return float64(r.Int())
	}
	return float64(r.IntN(2000001)-1000000) / Pick(r, 1.0, 10, 100, 1000, 1e6, 1e9)
}

// BigInt draws an integer of up to a few hundred bits.
func (r *Random) BigInt() *big.Int {
	n := big.NewInt(r.Int())
	if r.Chance(3) {
		n.Lsh(n, uint(r.IntN(200)))
		n.Add(n, big.NewInt(r.Int()))
	}
	return n
}

// Bytes draws a few bytes.
func (r *Random) Bytes() []byte {
	b := make([]byte, r.Count()*r.IntN(4))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Schema draws a schema of any type. Logical types, versions, docs, parameters and defaults are among them.
func (r *Random) Schema() *record.Schema {
	b := r.builder()
	if r.Chance(3) {
		b.Optional()
	}
	if r.Chance(6) && !b.MustBuild().HasVersion {
		b.Versioned(int(int32(r.Int())))
	}
	if r.Chance(8) {
		b.Documented("d" + r.Text(false))
	}
	for range r.IntN(8) / 6 * r.Count() {
		b.Param(r.Text(false), r.Text(false))
	}
	s := b.MustBuild()
	if r.Chance(6) && !holdsStruct(s) {
		s = b.Default(r.Value(s)).MustBuild()
	}
	return s
}

// holdsStruct says that values are or have structs. Such are no defaults: Kafka Connect compares the struct's schema with one
// that is being built.
func holdsStruct(s *record.Schema) bool {
	return s != nil && (s.Kind == record.Struct || holdsStruct(s.Key) || holdsStruct(s.Elem))
}

func (r *Random) builder() *record.Builder {
	inner, ok := r.Smaller()
	if ok && r.Chance(3) {
		switch r.IntN(3) {
		case 0:
			return r.named(record.BuildArray(inner.Schema()))
		case 1:
			return r.named(record.BuildMap(inner.keySchema(), inner.Schema()))
		}
		b := r.named(record.Build(record.Struct))
		seen := map[string]bool{"": true}
		for range r.Count() {
			name := Pick(r, "a", "b", "id", r.Text(false))
			if !seen[name] {
				b.Field(name, inner.Schema())
			}
			seen[name] = true
		}
		return b
	}
	switch r.IntN(12) {
	case 0:
		b := record.Build(record.Bytes).Named(record.DecimalName).Versioned(1)
		if r.Chance(20) {
			return b.Param(record.ScaleParam, r.Text(false))
		}
		return b.Param(record.ScaleParam, strconv.Itoa(r.IntN(30)-5))
	case 1:
		return record.Build(record.Int32).Named(record.DateName).Versioned(1)
	case 2:
		return record.Build(record.Int32).Named(record.TimeName).Versioned(1)
	case 3:
		return record.Build(record.Int64).Named(record.TimestampName).Versioned(1)
	}
	b := record.Build(record.Int8 + record.Kind(r.IntN(int(record.Bytes))))
	if r.Chance(60) { // the name of a logical type counts, whatever the type is
		return b.Named(Pick(r, record.DecimalName, record.DateName, record.TimeName, record.TimestampName))
	}
	return r.named(b)
}

func (r *Random) named(b *record.Builder) *record.Builder {
	if r.Chance(4) {
		return b.Named("n" + r.Text(false))
	}
	return b
}

func (r *Random) keySchema() *record.Schema {
	if r.Chance(3) {
		return r.Schema()
	}
	return record.Required(record.String)
}

// Value draws a value that a schema allows; nil allows everything but structs.
func (r *Random) Value(s *record.Schema) record.Value {
	switch {
	case s == nil:
		return r.Free()
	case s.Optional && r.Chance(6):
		return record.Value{}
	}
	switch s.Name {
	case record.DecimalName:
		return record.OfDecimal(r.BigInt(), r.scale(s))
	case record.DateName:
		if r.Chance(20) {
			return record.OfInstant(r.Int())
		}
		return record.OfInstant(int64(int32(r.Int())) * 86_400_000)
	case record.TimeName:
		if r.Chance(20) {
			return record.OfInstant(r.Int())
		}
		return record.OfInstant(r.Int64N(86_400_001))
	case record.TimestampName:
		return record.OfInstant(r.Int())
	}
	inner, _ := r.Smaller()
	switch s.Kind {
	case record.Array:
		vs := make([]record.Value, r.Count())
		for i := range vs {
			vs[i] = inner.Value(s.Elem)
		}
		return record.OfArray(vs)
	case record.Map:
		return inner.pairs(s, r.Count())
	case record.Struct:
		vs := make([]record.Value, len(s.Fields))
		for i, f := range s.Fields {
			if !f.Schema.HasDefault || !r.Chance(6) {
				vs[i] = inner.Value(f.Schema)
			}
		}
		return record.OfStruct(vs)
	}
	return r.Scalar(s.Kind)
}

func (r *Random) scale(s *record.Schema) int32 {
	text, _ := s.Param(record.ScaleParam)
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || r.Chance(20) {
		return int32(r.IntN(60) - 20)
	}
	return int32(n)
}

// pairs draws a map. Several keys are in the order that Java's hash table has them in.
func (r *Random) pairs(s *record.Schema, n int) record.Value {
	var vs []record.Value
	if n == 1 {
		return record.OfMap(append(vs, r.Value(s.Key), r.Value(s.Elem)))
	}
	if s.Key != nil && s.Key.Kind == record.String && s.Key.Name == "" {
		var keys []string
		for range n {
			if key := r.Text(false); !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
		for _, key := range HashOrder(keys) {
			vs = append(vs, record.OfString(key), r.Value(s.Elem))
		}
		return record.OfMap(vs)
	}
	from := 0
	for range min(n, 12) {
		from += r.IntN(2)
		k := orderedKey(s.Key, from)
		if k.IsNull() {
			break
		}
		from++
		vs = append(vs, k, r.Value(s.Elem))
	}
	return record.OfMap(vs)
}

// HashOrder is the order in which Java's HashMap has keys that were put in the order given, none of them twice: by place in
// the table, which holds up to three quarters of its size, and in one place by age.
func HashOrder(keys []string) []string {
	size := uint32(16)
	for uint32(len(keys)) > size/4*3 {
		size *= 2
	}
	place := func(key string) uint32 {
		h := uint32(0)
		for _, unit := range utf16.Encode([]rune(key)) {
			h = 31*h + uint32(unit)
		}
		return (h ^ h>>16) & (size - 1)
	}
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(place(a), place(b)) })
	return keys
}

func orderedKey(s *record.Schema, i int) record.Value {
	if i > 14 || s != nil && s.Name != "" {
		return record.Value{}
	}
	kind := record.String
	if s != nil {
		kind = s.Kind
	}
	switch kind {
	case record.Int8:
		return record.OfInt8(int8(i))
	case record.Int16:
		return record.OfInt16(int16(i))
	case record.Int32:
		return record.OfInt32(int32(i))
	case record.Int64:
		return record.OfInt64(int64(i))
	}
	return record.Value{}
}

// Scalar draws a value of a kind that has no parts.
func (r *Random) Scalar(k record.Kind) record.Value {
	switch k {
	case record.Int8:
		return record.OfInt8(int8(r.Int()))
	case record.Int16:
		return record.OfInt16(int16(r.Int()))
	case record.Int32:
		return record.OfInt32(int32(r.Int()))
	case record.Int64:
		return record.OfInt64(r.Int())
	case record.Float32:
		if r.Chance(4) {
			return record.OfFloat32(math.Float32frombits(r.Uint32()))
		}
		return record.OfFloat32(float32(r.Float()))
	case record.Float64:
		return record.OfFloat64(r.Float())
	case record.Boolean:
		return record.OfBool(r.Chance(2))
	case record.Bytes:
		return record.OfBytes(r.Bytes())
	case record.Decimal:
		return record.OfDecimal(r.BigInt(), int32(r.IntN(60)-20))
	case record.BigInt:
		return record.OfBigInt(r.BigInt())
	case record.Instant:
		return record.OfInstant(Pick(r, r.Int(), int64(int32(r.Int()))*86_400_000, r.Int64N(86_400_001), r.Int64N(4e12)))
	}
	return record.OfString(r.Text(true))
}

// Free draws a value of any class but a struct, and null.
func (r *Random) Free() record.Value {
	inner, ok := r.Smaller()
	switch k := record.Kind(r.IntN(int(record.BigInt) + 1)); {
	case k == record.Null:
		return record.Value{}
	case k == record.Array && ok:
		vs := make([]record.Value, r.Count())
		for i := range vs {
			vs[i] = inner.Free()
		}
		return record.OfArray(vs)
	case k == record.Map && ok:
		return inner.pairs(&record.Schema{Key: Pick(r, nil, nil, record.Required(record.Int32))}, r.Count())
	case k == record.Array, k == record.Map, k == record.Struct:
		return r.Scalar(record.String)
	default:
		return r.Scalar(k)
	}
}

// Wrong draws a value for a schema that it may not fit.
func (r *Random) Wrong(s *record.Schema) record.Value {
	switch {
	case s == nil || r.Chance(12):
		return r.Free()
	case r.Chance(12):
		return record.Value{}
	}
	v := r.Value(s)
	if v.Kind() == record.Struct && len(s.Fields) > 0 && r.Chance(12) {
		// A struct that nobody has validated may lack a field that is required.
		v.Elements()[r.IntN(len(s.Fields))] = record.Value{}
	}
	return v
}

// Mutated changes a text here and there: parts go, come twice, and make room for what does not belong there.
func (r *Random) Mutated(b []byte) []byte {
	b = append([]byte(nil), b...)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b) + 1)
		end := min(len(b), at+r.IntN(1+Pick(r, 1, 3, 20)))
		part := b[at:end]
		switch r.IntN(5) {
		case 0:
			part = nil
		case 1:
			part = append(slices.Clip(part), part...)
		case 2:
			part = r.Bytes()
		case 3:
			part = []byte(Pick(r, `"`, `\`, "{", "}", "[", "]", ",", ":", "null", "true", "false", "-", "0", "00", "1.5", "1e5", "E", ".", " ", "\n", "\x00", "\xff", "\xc3", "\xed\xa0\x80",
				"\xf0\x9f", `\u00e9`, `\ud83d`, `\ud83d\ude00`, `\x`, "12345678901234567890", "1e400", "1e-400", "1e2147483700", "99999999999", `""`, "{}", "[]", "/*c*/", "NaN", "'", "\xef\xbb\xbf", "é", "😀"))
		default:
			if r.Chance(3) {
				b = b[:at]
				continue
			}
			part = append([]byte(nil), part...)
			for i := range part {
				part[i] ^= 1 << r.IntN(8)
			}
		}
		b = append(append(append([]byte(nil), b[:at]...), part...), b[end:]...)
	}
	return b
}

// Notation draws a text that the value parser of Values has to think about.
func (r *Random) Notation() string {
	inner, ok := r.Smaller()
	switch n := r.IntN(10); {
	case n < 2 && ok:
		return "[" + inner.several(r.Count(), "") + "]"
	case n < 4 && ok:
		return "{" + inner.several(r.Count(), ":") + "}"
	case n == 4:
		return Pick(r, "true", "false", "null", "TRUE", "nullable", "+1", "-", ".5", "5.", "1e", "1_000", "0x10", "NaN", `\"`, `"`)
	case n == 5:
		return r.temporal()
	case n == 6:
		return strconv.FormatFloat(r.Float(), "eEgf"[r.IntN(4)], r.IntN(12)-1, 64)
	case n == 7:
		return r.BigInt().String()
	case n == 8:
		return `"` + r.Text(false) + `"`
	}
	return r.Text(false)
}

func (r *Random) several(n int, between string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 && !r.Chance(40) {
			b.WriteString(Pick(r, ",", ",", ",", ", ", " ,"))
		}
		b.WriteString(r.Notation())
		if between != "" && !r.Chance(40) {
			b.WriteString(Pick(r, between, between+" ") + r.Notation())
		}
	}
	return b.String()
}

// temporal draws a text that looks like a date, a time or both.
func (r *Random) temporal() string {
	date := fmt.Sprintf("%04d-%02d-%02d", r.IntN(2500), r.IntN(14), r.IntN(33))
	clock := fmt.Sprintf("%02d:%02d:%02d.%03dZ", r.IntN(26), r.IntN(62), r.IntN(62), r.IntN(1000))
	if r.Chance(4) {
		clock = strings.ReplaceAll(clock, ":", `\:`)
	}
	text := Pick(r, date, clock, date+"T"+clock)
	if r.Chance(4) {
		return string(r.Mutated([]byte(text)))
	}
	return text
}
