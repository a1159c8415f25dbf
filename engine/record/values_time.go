package record

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const dayMillis = 86_400_000

// The gregorian calendar begins on 1582-10-15; Java's calendars print and read the days before it in the julian one.
const (
	cutoverDay  = -141427 // days since 1970-01-01
	cutoverYear = 1582
)

// civilOf is the date of a day, in the calendar of its time. Years before 1 count 0, -1, …
func civilOf(day int64) (year int64, month, dayOfMonth int) {
	if day < cutoverDay {
		// Days since 0000-03-01 of the julian calendar, in cycles of four years.
		z := day + 719470
		cycle := floorDiv(z, 1461)
		return marchBased(4*cycle, z-1461*cycle, func(d int64) int64 { return (d - d/1460) / 365 }, func(y int64) int64 { return 365 * y })
	}
	z := day + 719468
	era := floorDiv(z, 146097)
	return marchBased(400*era, z-146097*era,
		func(d int64) int64 { return (d - d/1460 + d/36524 - d/146096) / 365 },
		func(y int64) int64 { return 365*y + y/4 - y/100 })
}

// marchBased finds a date in a cycle of years that begin in March.
func marchBased(firstYear, day int64, yearOf, start func(int64) int64) (year int64, month, dayOfMonth int) {
	y := yearOf(day)
	dayOfYear := day - start(y)
	m := (5*dayOfYear + 2) / 153
	dayOfMonth = int(dayOfYear-(153*m+2)/5) + 1
	year = firstYear + y
	if m >= 10 {
		return year + 1, int(m - 9), dayOfMonth
	}
	return year, int(m + 3), dayOfMonth
}

// dayOf is the day of a date whose month and day of month may overflow (Java: a lenient GregorianCalendar).
func dayOf(year, month, dayOfMonth int64) int64 {
	gregorian, julian := dayIn(year, month, dayOfMonth, true), dayIn(year, month, dayOfMonth, false)
	switch {
	case year > cutoverYear && gregorian >= cutoverDay, gregorian >= cutoverDay && julian >= cutoverDay:
		return gregorian
	case year == cutoverYear && gregorian >= cutoverDay:
		return gregorian
	}
	return julian
}

func dayIn(year, month, dayOfMonth int64, gregorian bool) int64 {
	m := month - 3 // years that begin in March
	year += floorDiv(m, 12)
	m -= 12 * floorDiv(m, 12)
	day := 365*year + floorDiv(year, 4) + (153*m+2)/5 + dayOfMonth - 1
	if !gregorian {
		return day - 719470
	}
	return day - floorDiv(year, 100) + floorDiv(year, 400) - 719468
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// appendInstant prints as Kafka Connect's Values does: a time of day where the instant is before 1970-01-02, a date where
// it is a whole number of days, else both; always in UTC.
func appendInstant(dst []byte, millis int64) []byte {
	day := floorDiv(millis, dayMillis)
	inDay := int(millis - day*dayMillis)
	switch {
	case millis < dayMillis:
		return appendClock(dst, inDay)
	case inDay == 0:
		return appendDate(dst, day)
	}
	return appendClock(append(appendDate(dst, day), 'T'), inDay)
}

func appendDate(dst []byte, day int64) []byte {
	year, month, dayOfMonth := civilOf(day)
	dst = append(appendPadded(dst, ofEra(year), 4), '-')
	dst = append(appendPadded(dst, month, 2), '-')
	return appendPadded(dst, dayOfMonth, 2)
}

func appendClock(dst []byte, inDay int) []byte {
	dst = appendHMS(dst, inDay)
	return append(appendPadded(append(dst, '.'), inDay%1000, 3), 'Z')
}

func appendHMS(dst []byte, inDay int) []byte {
	dst = append(appendPadded(dst, inDay/3_600_000, 2), ':')
	dst = append(appendPadded(dst, inDay/60_000%60, 2), ':')
	return appendPadded(dst, inDay/1000%60, 2)
}

// appendPadded appends n with zeros before it up to a width.
func appendPadded(dst []byte, n, width int) []byte {
	var buf [20]byte
	digits := strconv.AppendInt(buf[:0], int64(n), 10)
	for i := len(digits); i < width; i++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// appendJavaDate prints as java.util.Date.toString does in UTC: Thu Jan 01 00:00:00 UTC 1970.
func appendJavaDate(dst []byte, millis int64) []byte {
	day := floorDiv(millis, dayMillis)
	year, month, dayOfMonth := civilOf(day)
	const days, months = "ThuFriSatSunMonTueWed", "JanFebMarAprMayJunJulAugSepOctNovDec"
	weekday := 3 * (day - 7*floorDiv(day, 7))
	dst = append(append(dst, days[weekday:weekday+3]...), ' ')
	dst = append(append(dst, months[3*month-3:3*month]...), ' ')
	dst = append(appendPadded(dst, dayOfMonth, 2), ' ')
	dst = appendHMS(dst, int(millis-day*dayMillis))
	return strconv.AppendInt(append(dst, " UTC "...), int64(ofEra(year)), 10)
}

// ofEra is the year as Java prints it: years before 1 count backwards from 1 and carry no sign.
func ofEra(year int64) int {
	if year < 1 {
		return int(1 - year)
	}
	return int(year)
}

// Lengths of the temporal texts in UTF-16 units, by which they are told apart.
const (
	dateLength      = len("2006-01-02")
	timeLength      = len("15:04:05.000Z")
	timestampLength = len("2006-01-02T15:04:05.000Z")
)

// parseTemporal reads a date, time or timestamp of exactly the right length as Java's SimpleDateFormat does: fields may
// overflow, blanks before a number do not count, and what is left over is ignored.
func parseTemporal(text string) (Datum, bool) {
	switch utf16Len(text, timestampLength) {
	case dateLength:
		p := lenient{text: text, ok: true}
		day := p.date()
		return Datum{dateSchema, OfInstant(day * dayMillis)}, p.ok
	case timeLength:
		p := lenient{text: text, ok: true}
		millis := p.clock()
		return Datum{timeSchema, OfInstant(millis)}, p.ok
	case timestampLength:
		p := lenient{text: text, ok: true}
		day := p.date()
		p.literal('T')
		return Datum{timestampSchema, OfInstant(day*dayMillis + p.clock())}, p.ok
	}
	return Datum{}, false
}

// utf16Len counts UTF-16 units, up to somewhat more than most. A lone surrogate in three bytes is one.
func utf16Len(s string, most int) int {
	n := 0
	for i := 0; i < len(s) && n <= most; i++ {
		switch c := s[i]; {
		case c >= 0xF0:
			n += 2
		case c&0xC0 != 0x80:
			n++
		}
	}
	return n
}

type lenient struct {
	text string
	ok   bool
}

func (p *lenient) date() int64 {
	year := p.number()
	p.literal('-')
	month := p.number()
	p.literal('-')
	return dayOf(year, month, p.number())
}

func (p *lenient) clock() int64 {
	hour := p.number()
	p.literal(':')
	minute := p.number()
	p.literal(':')
	second := p.number()
	p.literal('.')
	millis := p.number()
	p.literal('Z')
	return ((hour*60+minute)*60+second)*1000 + millis
}

func (p *lenient) literal(c byte) {
	if p.text == "" || p.text[0] != c {
		p.ok, p.text = false, ""
		return
	}
	p.text = p.text[1:]
}

// number reads the digits that there are; the texts are too short for an overflow.
func (p *lenient) number() int64 {
	for p.text != "" && (p.text[0] == ' ' || p.text[0] == '\t') {
		p.text = p.text[1:]
	}
	if rest, ok := strings.CutPrefix(p.text, "NaN"); ok { // Java: DecimalFormat knows it as a number, and as an integer it is 0
		p.text = rest
		return 0
	}
	negative := p.text != "" && p.text[0] == '-'
	if negative {
		p.text = p.text[1:]
	}
	n, digits := p.digits()
	if digits == 0 {
		p.ok, p.text = false, ""
	}
	n = p.exponent(n)
	if negative {
		return -n
	}
	return n
}

// exponent takes the exponent that DecimalFormat knows behind digits, and gives n with it as a Java int: cut off behind the
// point, and at its ends where it is too large for a long.
func (p *lenient) exponent(n int64) int64 {
	rest, ok := strings.CutPrefix(p.text, "E")
	if !ok {
		return n
	}
	rest, down := strings.CutPrefix(rest, "-")
	e := lenient{text: rest}
	exp, digits := e.digits()
	if digits == 0 {
		return n
	}
	p.text = e.text
	for ; exp > 0 && n != 0; exp-- {
		if down {
			n /= 10
			continue
		}
		if n > math.MaxInt64/10 {
			return math.MaxInt32
		}
		n *= 10
	}
	return int64(int32(n))
}

// digits reads the digits that there are.
func (p *lenient) digits() (n int64, count int) {
	for p.text != "" {
		r, size := utf8.DecodeRuneInString(p.text)
		d, ok := digitValue(r)
		if !ok {
			break
		}
		n = n*10 + int64(d)
		count++
		p.text = p.text[size:]
	}
	return n, count
}
