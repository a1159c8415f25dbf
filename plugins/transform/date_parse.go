package transform

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
)

// unreadable are the letters that the format prints but does not read: those that count weeks.
const unreadable = "YwWF"

// parse reads an instant as a lenient SimpleDateFormat does: numbers may be out of range and roll over, text behind what
// the pattern asks for does not count, and what the pattern does not have is that of 1970-01-01T00:00Z.
func (f *dateFormat) parse(text string) (millis int64, ok bool) {
	r := dateReader{text: text, format: f, year: 1970, month: 1, dom: 1, weekday: -1}
	for i, p := range f.parts {
		if p.letter == 0 {
			if !strings.HasPrefix(text[r.at:], p.literal) {
				return 0, false
			}
			r.at += len(p.literal)
			continue
		}
		exact := i+1 < len(f.parts) && f.parts[i+1].isNumber()
		if !r.part(p, exact) {
			return 0, false
		}
	}
	if r.at == 0 {
		return 0, false
	}
	millis = r.millis()
	if r.twoDigits && int64(f.century.Year()) == r.year && millis < f.century.UnixMilli() {
		r.year += 100
		millis = r.millis()
	}
	return millis, true
}

// isNumber reports whether the part is read as a number, so that a number directly before it ends at its width.
func (p datePart) isNumber() bool {
	switch p.letter {
	case 0, 'G', 'E', 'a', 'z', 'Z', 'X':
		return false
	case 'M', 'L':
		return p.count <= 2
	}
	return true
}

// dateReader is what was read of a text so far. Of two ways to say the day or the hour the one that came last counts.
type dateReader struct {
	text   string
	at     int
	format *dateFormat

	year      int64
	twoDigits bool // of the year
	beforeAD  bool
	month     int64
	dom       int64
	doy       int64
	weekday   int // Sunday is 0; -1: not read

	hour                  int64 // of 24
	hour12                int64
	afternoon             int64
	minute, second, milli int64
	offset                int64 // of the zone, in milliseconds

	daySays  daySource
	hourSays hourSource
	half     bool // whether AM or PM was read
}

// daySource says what gives the day within the year.
type daySource uint8

const (
	dayOfNothing daySource = iota
	dayOfMonth
	dayOfYear
)

// hourSource says what gives the hour.
type hourSource uint8

const (
	hourOfNothing hourSource = iota
	hourOfDay
	hourOfHalf
)

func (r *dateReader) millis() int64 {
	year := r.year
	if r.beforeAD {
		year = 1 - year
	}
	var day int64
	switch {
	case r.daySays == dayOfYear:
		day = record.CivilDay(year, 1, r.doy)
	case r.daySays == dayOfNothing && r.weekday >= 0: // the first such day of the month
		day = record.CivilDay(year, r.month, 1)
		day += int64((r.weekday - weekdayOf(day) + 7) % 7)
	default:
		day = record.CivilDay(year, r.month, r.dom)
	}
	hour := r.hour
	if r.hourSays == hourOfHalf || r.hourSays == hourOfNothing && r.half {
		hour = r.hour12 + 12*r.afternoon
	}
	return day*dayMillis + hour*hourMillis + r.minute*60_000 + r.second*1000 + r.milli - r.offset
}

// part reads one part. exact says that a number ends at the width of its pattern.
func (r *dateReader) part(p datePart, exact bool) bool {
	start := r.at
	for r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\t') {
		r.at++
	}
	if r.at == len(r.text) || strings.IndexByte(unreadable, p.letter) >= 0 {
		return false
	}
	switch p.letter {
	case 'z', 'Z':
		return r.zone()
	case 'X':
		return r.isoZone(p.count)
	}
	if !p.isNumber() {
		r.at = start // names are not looked for behind blanks
		return r.name(p)
	}
	limit := len(r.text)
	if exact {
		limit = start
		for range p.count {
			if limit == len(r.text) {
				return false
			}
			_, n := utf8.DecodeRuneInString(r.text[limit:])
			limit += n
		}
	}
	digits := r.at
	n, ok := r.number(limit)
	if !ok {
		return false
	}
	if p.letter == 'y' {
		r.setYear(n, p.count <= 2 && twoDigits(r.text[digits:r.at]))
		return true
	}
	r.set(p.letter, n)
	return true
}

// number reads an integer with an optional minus, in digits of any script.
func (r *dateReader) number(limit int) (n int64, ok bool) {
	at, negative := r.at, false
	if at < limit && r.text[at] == '-' {
		negative = true
		at++
	}
	for at < limit {
		c, size := utf8.DecodeRuneInString(r.text[at:limit])
		d, isDigit := decimalDigit(c)
		if !isDigit {
			break
		}
		n = min(n*10+d, 1<<40) // far out of every range, and far from overflow
		at += size
		ok = true
	}
	if ok {
		r.at = at
	}
	if negative {
		n = -n
	}
	return int64(int32(n)), ok
}

// decimalDigit is the value of a decimal digit of any script.
func decimalDigit(c rune) (int64, bool) {
	if c < utf8.RuneSelf {
		return int64(c - '0'), c >= '0' && c <= '9'
	}
	if !unicode.Is(unicode.Nd, c) {
		return 0, false
	}
	n := int64(0)
	for unicode.Is(unicode.Nd, c-1) && n < 9 { // digits stand in rows of ten from zero on
		c--
		n++
	}
	return n, true
}

func twoDigits(s string) bool {
	return utf8.RuneCountInString(s) == 2 && !strings.HasPrefix(s, "-")
}

// setYear sets a year; one of two digits lies in the hundred years of the format.
func (r *dateReader) setYear(n int64, short bool) {
	if short {
		first := int64(r.format.century.Year())
		n += first / 100 * 100
		if n < first {
			n += 100
		}
	}
	r.year, r.twoDigits = n, short
}

func (r *dateReader) set(letter byte, n int64) {
	switch letter {
	case 'M', 'L':
		r.month = n
	case 'd':
		r.dom, r.daySays = n, dayOfMonth
	case 'D':
		r.doy, r.daySays = n, dayOfYear
	case 'u':
		r.weekday = int((n%7 + 7) % 7)
	case 'H':
		r.hour, r.hourSays = n, hourOfDay
	case 'k':
		r.hour, r.hourSays = n, hourOfDay
		if n == 24 {
			r.hour = 0
		}
	case 'K', 'h':
		r.hour12, r.hourSays = n, hourOfHalf
		if letter == 'h' && n == 12 {
			r.hour12 = 0
		}
	case 'm':
		r.minute = n
	case 's':
		r.second = n
	case 'S':
		r.milli = n
	}
}

// name reads the name of an era, a month, a weekday or a half of the day, in any case, long or short.
func (r *dateReader) name(p datePart) bool {
	switch p.letter {
	case 'G':
		i, ok := r.oneOf("BC", "AD")
		r.beforeAD = i == 0
		return ok
	case 'a':
		i, ok := r.oneOf("AM", "PM")
		r.afternoon, r.half = int64(i), true
		return ok
	case 'M', 'L':
		for m := time.January; m <= time.December; m++ {
			if _, ok := r.oneOf(m.String(), m.String()[:3]); ok {
				r.month = int64(m)
				return true
			}
		}
	case 'E':
		for d := time.Sunday; d <= time.Saturday; d++ {
			if _, ok := r.oneOf(d.String(), d.String()[:3]); ok {
				r.weekday = int(d)
				return true
			}
		}
	}
	return false
}

// oneOf moves past the first of some names that comes next.
func (r *dateReader) oneOf(names ...string) (index int, ok bool) {
	for i, name := range names {
		if rest := r.text[r.at:]; len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) {
			r.at += len(name)
			return i, true
		}
	}
	return 0, false
}
