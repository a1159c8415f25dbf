package transform

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
)

// dateFormat is a pattern of Java's SimpleDateFormat, in UTC, with English names and American weeks. It prints and, in
// date_parse.go, reads. It is used by one goroutine at a time.
type dateFormat struct {
	text  string
	parts []datePart
	// century is the first year that two digits can mean: they mean one of the hundred years from 80 years ago on.
	century time.Time
}

// datePart is a run of one letter, or text that stands for itself.
type datePart struct {
	literal string
	letter  byte // 0 for a literal
	count   int
}

// dateLetters are the pattern letters of SimpleDateFormat.
const dateLetters = "GyMLdkHmsSEDFwWahKzZYuX"

// parseDateFormat reads a pattern. The error is the text of Java's IllegalArgumentException. now is the time from which
// years of two digits are told.
func parseDateFormat(pattern string, now time.Time) (*dateFormat, error) {
	f := &dateFormat{text: pattern, century: now.UTC().AddDate(-80, 0, 0)}
	for rest := pattern; rest != ""; {
		c := rest[0]
		switch {
		case c == '\'':
			literal, after, ok := quotedDateText(rest)
			if !ok {
				return nil, errors.New("Unterminated quote") //nolint:staticcheck // Java's text
			}
			f.literal(literal)
			rest = after
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			if !strings.ContainsRune(dateLetters, rune(c)) {
				return nil, fmt.Errorf("Illegal pattern character '%c'", c) //nolint:staticcheck // Java's text
			}
			after := strings.TrimLeft(rest, string(c))
			count := len(rest) - len(after)
			if c == 'X' && count > 3 {
				return nil, fmt.Errorf("invalid ISO 8601 format: length=%d", count)
			}
			f.parts = append(f.parts, datePart{letter: c, count: count})
			rest = after
		default:
			_, n := utf8.DecodeRuneInString(rest)
			f.literal(rest[:n])
			rest = rest[n:]
		}
	}
	return f, nil
}

// literal adds text that stands for itself.
func (f *dateFormat) literal(text string) {
	if n := len(f.parts); n > 0 && f.parts[n-1].letter == 0 {
		f.parts[n-1].literal += text
		return
	}
	f.parts = append(f.parts, datePart{literal: text})
}

// quotedDateText reads text in single quotes; two quotes are one that stands for itself, inside and outside.
func quotedDateText(s string) (text, rest string, ok bool) {
	if strings.HasPrefix(s, "''") {
		return "'", s[2:], true
	}
	var b strings.Builder
	for s = s[1:]; s != ""; s = s[1:] {
		switch {
		case strings.HasPrefix(s, "''"):
			b.WriteByte('\'')
			s = s[1:]
		case s[0] == '\'':
			return b.String(), s[1:], true
		default:
			b.WriteByte(s[0])
		}
	}
	return "", "", false
}

// civil is an instant taken apart.
type civil struct {
	day        int64 // since 1970-01-01
	year       int64
	month, dom int
	weekday    int // Sunday is 0
	millis     int // of the day
}

func civilOf(millis int64) civil {
	c := civil{day: floorDiv(millis, dayMillis)}
	c.millis = int(millis - c.day*dayMillis)
	c.year, c.month, c.dom = record.CivilDate(c.day)
	c.weekday = weekdayOf(c.day)
	return c
}

// weekdayOf is the weekday of a day since 1970-01-01, which was a Thursday.
func weekdayOf(day int64) int { return int(day + 4 - 7*floorDiv(day+4, 7)) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// append prints an instant.
func (f *dateFormat) append(dst []byte, millis int64) []byte {
	c := civilOf(millis)
	for _, p := range f.parts {
		switch p.letter {
		case 0:
			dst = append(dst, p.literal...)
		case 'G', 'E', 'a', 'z', 'Z', 'X':
			dst = append(dst, c.name(p)...)
		case 'M', 'L':
			if p.count >= 3 {
				dst = append(dst, c.name(p)...)
			} else {
				dst = appendPadded(dst, int64(c.month), p.count)
			}
		case 'y', 'Y':
			year := c.year
			if p.letter == 'Y' {
				year, _ = c.week()
			}
			if year < 1 {
				year = 1 - year
			}
			if p.count == 2 {
				year %= 100
			}
			dst = appendPadded(dst, year, p.count)
		default:
			dst = appendPadded(dst, c.number(p.letter), p.count)
		}
	}
	return dst
}

// appendPadded appends n, which is not negative, with zeros before it up to a width.
func appendPadded(dst []byte, n int64, width int) []byte {
	var buf [20]byte
	digits := strconv.AppendInt(buf[:0], n, 10)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// name is the text of a part that is not a number.
func (c *civil) name(p datePart) string {
	switch p.letter {
	case 'G':
		if c.year < 1 {
			return "BC"
		}
		return "AD"
	case 'E':
		return shortened(time.Weekday(c.weekday).String(), p.count)
	case 'M', 'L':
		return shortened(time.Month(c.month).String(), p.count)
	case 'a':
		if c.millis < dayMillis/2 {
			return "AM"
		}
		return "PM"
	case 'z':
		if p.count >= 4 {
			return "Coordinated Universal Time"
		}
		return "UTC"
	case 'Z':
		return "+0000"
	default:
		return "Z"
	}
}

// shortened is a name in full for four letters and more, else its first three.
func shortened(name string, count int) string {
	if count >= 4 {
		return name
	}
	return name[:3]
}

const hourMillis = 3_600_000

// number is the number of a part that is one.
func (c *civil) number(letter byte) int64 {
	hour := c.millis / hourMillis
	switch letter {
	case 'd':
		return int64(c.dom)
	case 'H':
		return int64(hour)
	case 'k':
		return int64((hour+23)%24 + 1)
	case 'K':
		return int64(hour % 12)
	case 'h':
		return int64((hour+11)%12 + 1)
	case 'm':
		return int64(c.millis / 60_000 % 60)
	case 's':
		return int64(c.millis / 1000 % 60)
	case 'S':
		return int64(c.millis % 1000)
	case 'D':
		return c.day - record.CivilDay(c.year, 1, 1) + 1
	case 'u':
		return int64((c.weekday+6)%7 + 1)
	case 'F':
		return int64((c.dom-1)/7 + 1)
	case 'W':
		first := c.day - int64(c.dom) + 1
		return int64((c.dom-1+weekdayOf(first))/7 + 1)
	default: // w
		_, week := c.week()
		return week
	}
}

// week is the number of the week and the year that it belongs to: weeks begin on Sunday and the first has January 1.
func (c *civil) week() (year, week int64) {
	sunday := c.day - int64(c.weekday)
	if sunday+6 >= record.CivilDay(c.year+1, 1, 1) {
		return c.year + 1, 1
	}
	first := record.CivilDay(c.year, 1, 1)
	return c.year, (c.day-first+int64(weekdayOf(first)))/7 + 1
}
