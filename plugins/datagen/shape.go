package datagen

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// shape is the declared form of a row.
type shape struct {
	schema *record.Schema
	fields []field
	seed   uint64
}

// field makes the values of one field.
type field struct {
	name     string
	schema   *record.Schema
	make     maker
	optional bool
}

// maker makes the value of a row, of random numbers that depend on nothing but seed, row and field.
type maker func(a *record.Arena, row int64, r dice) record.Value

// parseShape reads declarations such as "id:sequence", "user:choice(a|b)" and "note:text(40)?".
func parseShape(declared []string, seed uint64) (*shape, error) {
	b := record.Build(record.Struct).Named("penstock.datagen.Row")
	s := &shape{seed: seed}
	for _, d := range declared {
		f, err := parseField(d)
		if err != nil {
			return nil, plugin.Invalid("fields", d, err.Error())
		}
		b.Field(f.name, f.schema)
		s.fields = append(s.fields, f)
	}
	var err error
	if s.schema, err = b.Build(); err != nil {
		return nil, plugin.Invalid("fields", strings.Join(declared, ","), err.Error())
	}
	return s, nil
}

func parseField(declared string) (field, error) {
	name, kind, ok := strings.Cut(declared, ":")
	name, kind = strings.TrimSpace(name), strings.TrimSpace(kind)
	if !ok || name == "" {
		return field{}, fmt.Errorf("a field is written name:type")
	}
	f := field{name: name}
	kind, f.optional = strings.CutSuffix(kind, "?")
	kind, args, ok := strings.Cut(kind, "(")
	if ok {
		if args, ok = strings.CutSuffix(args, ")"); !ok {
			return field{}, fmt.Errorf("a ) is missing")
		}
	}
	parse, ok := kinds[kind]
	if !ok {
		return field{}, fmt.Errorf("there is no type %q; there are %s", kind, kindNames)
	}
	b, made, err := parse(args)
	if err != nil {
		return field{}, err
	}
	if f.optional {
		b.Optional()
	}
	f.make = made
	f.schema, err = b.Build()
	return f, err
}

const kindNames = "bool, bytes, choice, date, decimal, double, int, long, sequence, text, timestamp, uuid"

// kinds parses the arguments of each type.
var kinds = map[string]func(args string) (*record.Builder, maker, error){ //nolint:gochecknoglobals // a literal
	"bool": func(args string) (*record.Builder, maker, error) {
		return record.Build(record.Boolean), func(_ *record.Arena, _ int64, r dice) record.Value {
			return record.OfBool(r.below(2) == 1)
		}, noArguments(args)
	},
	"bytes":   parseBytes,
	"choice":  parseChoice,
	"date":    parseDate,
	"decimal": parseDecimal,
	"double":  parseDouble,
	"int": func(args string) (*record.Builder, maker, error) {
		low, span, err := integers(args, 0, 1000, math.MinInt32, math.MaxInt32)
		return record.Build(record.Int32), func(_ *record.Arena, _ int64, r dice) record.Value {
			return record.OfInt32(int32(low + int64(r.below(span))))
		}, err
	},
	"long": func(args string) (*record.Builder, maker, error) {
		low, span, err := integers(args, 0, 1_000_000, math.MinInt64/2, math.MaxInt64/2)
		return record.Build(record.Int64), func(_ *record.Arena, _ int64, r dice) record.Value {
			return record.OfInt64(low + int64(r.below(span)))
		}, err
	},
	"sequence":  parseSequence,
	"text":      parseText,
	"timestamp": parseTimestamp,
	"uuid": func(args string) (*record.Builder, maker, error) {
		return record.Build(record.String), makeUUID, noArguments(args)
	},
}

func noArguments(args string) error {
	if args != "" {
		return fmt.Errorf("the type takes no arguments, but has (%s)", args)
	}
	return nil
}

// bounds splits "low..high"; a text without dots is both.
func bounds(args, low, high string) (string, string) {
	if args == "" {
		return low, high
	}
	if l, h, ok := strings.Cut(args, ".."); ok {
		return strings.TrimSpace(l), strings.TrimSpace(h)
	}
	return strings.TrimSpace(args), strings.TrimSpace(args)
}

// integers parses inclusive bounds within limits and returns the lower one and how many numbers they hold.
func integers(args string, low, high, least, most int64) (from int64, span uint64, err error) {
	l, h := bounds(args, strconv.FormatInt(low, 10), strconv.FormatInt(high, 10))
	from, err = strconv.ParseInt(l, 10, 64)
	to, err2 := strconv.ParseInt(h, 10, 64)
	if err != nil || err2 != nil || from > to || from < least || to > most {
		return 0, 1, fmt.Errorf("the arguments are low..high, whole numbers from %d to %d", least, most)
	}
	return from, uint64(to-from) + 1, nil
}

func parseSequence(args string) (*record.Builder, maker, error) {
	var start int64
	var err error
	if args != "" {
		if start, err = strconv.ParseInt(strings.TrimSpace(args), 10, 64); err != nil {
			err = fmt.Errorf("the argument is the number of the first row")
		}
	}
	return record.Build(record.Int64), func(_ *record.Arena, row int64, _ dice) record.Value {
		return record.OfInt64(start + row)
	}, err
}

func parseDouble(args string) (*record.Builder, maker, error) {
	l, h := bounds(args, "0", "1")
	low, err := strconv.ParseFloat(l, 64)
	high, err2 := strconv.ParseFloat(h, 64)
	if err != nil || err2 != nil || !(low <= high) || math.IsInf(high-low, 0) {
		return nil, nil, fmt.Errorf("the arguments are low..high, two numbers")
	}
	return record.Build(record.Float64), func(_ *record.Arena, _ int64, r dice) record.Value {
		return record.OfFloat64(low + (high-low)*r.fraction())
	}, nil
}

// parseDecimal makes numbers with as many decimals as the bounds show, two if they show none.
func parseDecimal(args string) (*record.Builder, maker, error) {
	l, h := bounds(args, "0", "100")
	scale := max(decimals(l), decimals(h))
	if scale == 0 {
		scale = 2
	}
	low, ok := unscaled(l, scale)
	high, ok2 := unscaled(h, scale)
	if !ok || !ok2 || low > high {
		return nil, nil, fmt.Errorf("the arguments are low..high, two numbers of at most 15 digits")
	}
	span := uint64(high-low) + 1
	b := record.Build(record.Bytes).Named(record.DecimalName).Versioned(1).Param(record.ScaleParam, strconv.Itoa(scale))
	return b, func(_ *record.Arena, _ int64, r dice) record.Value {
		return record.OfDecimal(big.NewInt(low+int64(r.below(span))), int32(scale))
	}, nil
}

func decimals(number string) int {
	_, after, _ := strings.Cut(number, ".")
	return len(after)
}

func unscaled(number string, scale int) (int64, bool) {
	digits := strings.Replace(number, ".", "", 1) + strings.Repeat("0", scale-decimals(number))
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && len(digits) <= 16
}

func parseChoice(args string) (*record.Builder, maker, error) {
	if args == "" {
		return nil, nil, fmt.Errorf("the arguments are the texts to choose from, as in choice(a|b|c)")
	}
	texts := strings.Split(args, "|")
	values := make([]record.Value, len(texts))
	for i, t := range texts {
		values[i] = record.OfString(strings.TrimSpace(t))
	}
	return record.Build(record.String), func(_ *record.Arena, _ int64, r dice) record.Value {
		return values[r.below(uint64(len(values)))]
	}, nil
}

// mostText is the longest text or byte string that a field may have.
const mostText = 1 << 20

func parseText(args string) (*record.Builder, maker, error) {
	low, span, err := integers(args, 8, 16, 0, mostText)
	return record.Build(record.String), func(a *record.Arena, _ int64, r dice) record.Value {
		b := a.Bytes(int(low) + int(r.below(span)))
		r.letters(b)
		return record.OfText(b)
	}, err
}

func parseBytes(args string) (*record.Builder, maker, error) {
	low, span, err := integers(args, 16, 16, 0, mostText)
	return record.Build(record.Bytes), func(a *record.Arena, _ int64, r dice) record.Value {
		b := a.Bytes(int(low) + int(r.below(span)))
		for i := range b {
			b[i] = byte(r.next() >> 32)
		}
		return record.OfBytes(b)
	}, err
}

// epoch is where timestamps and dates begin when the declaration says nothing: a row does not depend on the clock.
var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

// parseTimestamp makes a time a row, one second apart.
func parseTimestamp(args string) (*record.Builder, maker, error) {
	start := epoch
	if args != "" {
		var err error
		if start, err = time.Parse(time.RFC3339, strings.TrimSpace(args)); err != nil {
			return nil, nil, fmt.Errorf("the argument is the time of the first row, as in timestamp(2026-01-01T00:00:00Z)")
		}
	}
	b := record.Build(record.Int64).Named(record.TimestampName).Versioned(1)
	return b, func(_ *record.Arena, row int64, _ dice) record.Value {
		return record.OfInstant(start.UnixMilli() + row*1000)
	}, nil
}

// parseDate makes a random day of the bounds.
func parseDate(args string) (*record.Builder, maker, error) {
	l, h := bounds(args, epoch.Format(time.DateOnly), epoch.AddDate(1, 0, -1).Format(time.DateOnly))
	low, err := time.Parse(time.DateOnly, l)
	high, err2 := time.Parse(time.DateOnly, h)
	if err != nil || err2 != nil || low.After(high) {
		return nil, nil, fmt.Errorf("the arguments are two days, as in date(2026-01-01..2026-12-31)")
	}
	const day = 24 * 60 * 60 * 1000
	span := uint64(high.UnixMilli()-low.UnixMilli())/day + 1
	b := record.Build(record.Int32).Named(record.DateName).Versioned(1)
	return b, func(_ *record.Arena, _ int64, r dice) record.Value {
		return record.OfInstant(low.UnixMilli() + int64(r.below(span))*day)
	}, nil
}

const hexDigits = "0123456789abcdef"

// makeUUID makes a random UUID (RFC 9562, version 4).
func makeUUID(a *record.Arena, _ int64, r dice) record.Value {
	const size = 36
	b := a.Bytes(size)
	for i := range b {
		switch i {
		case 8, 13, 18, 23:
			b[i] = '-'
		case 14:
			b[i] = '4'
		case 19:
			b[i] = hexDigits[8+r.below(4)]
		default:
			b[i] = hexDigits[r.below(16)]
		}
	}
	return record.OfText(b)
}

// dice are random numbers (splitmix64, Steele, Lea and Flood 2014) that depend on their start only.
type dice struct{ state uint64 }

const golden = 0x9E3779B97F4A7C15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// throw makes the dice of one field of one row.
func throw(seed, row, field uint64) dice {
	return dice{mix(mix(mix(seed+golden)+row*golden) + (field+1)*golden)}
}

func (d *dice) next() uint64 {
	d.state += golden
	return mix(d.state)
}

// below is a number from 0 up to, not including, n. The tiny preference of a division for small numbers does not matter.
func (d *dice) below(n uint64) uint64 { return d.next() % n }

// fraction is a number from 0 up to, not including, 1.
func (d *dice) fraction() float64 { return float64(d.next()>>11) / (1 << 53) }

// Five bits of a random number make a character: a letter, or for six of 32 a blank, or a letter again where a blank may
// not stand.
const (
	characters = "abcdefghijklmnopqrstuvwxyz      "
	noBlanks   = "abcdefghijklmnopqrstuvwxyzabcdef"
)

// letters fills b with words of small letters; it neither begins nor ends with a blank.
func (d *dice) letters(b []byte) {
	const some = 12 // characters of one number
	for start := 0; start < len(b); start += some {
		bits := d.next()
		part := b[start:min(start+some, len(b))]
		for i := range part {
			part[i] = characters[bits>>(5*i)&31]
		}
		if start == 0 {
			part[0] = noBlanks[bits&31]
		}
		if last := len(part) - 1; start+last == len(b)-1 {
			part[last] = noBlanks[bits>>(5*last)&31]
		}
	}
}
