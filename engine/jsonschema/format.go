package jsonschema

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// isFormat reports whether a text is of a format; every text is of one that nobody knows.
func isFormat(format, text string) bool {
	switch format {
	case "date":
		_, err := time.Parse(time.DateOnly, text)
		return err == nil
	case "time":
		return isTime(text)
	case "date-time":
		if len(text) < len("2006-01-02T") || text[10] != 'T' && text[10] != 't' {
			return false
		}
		return isFormat("date", text[:10]) && isTime(text[11:])
	case "duration":
		return isDuration(text)
	case "email":
		return isEmail(text)
	case "hostname":
		return isHostname(text)
	case "ipv4":
		ip, err := netip.ParseAddr(text)
		return err == nil && ip.Is4()
	case "ipv6":
		ip, err := netip.ParseAddr(text)
		return err == nil && ip.Is6() && ip.Zone() == ""
	case "uuid":
		return isUUID(text)
	case "regex":
		_, err := regexp.Compile(text)
		return err == nil
	}
	return isReference(format, text)
}

// isReference is isFormat for what leads to something.
func isReference(format, text string) bool {
	switch format {
	case "uri", "iri":
		u, ok := reference(text)
		return ok && u.IsAbs()
	case "uri-reference", "iri-reference":
		_, ok := reference(text)
		return ok
	case "uri-template":
		return isTemplate(text)
	case "json-pointer":
		return isPointer(text)
	case "relative-json-pointer":
		return isRelativePointer(text)
	}
	return true
}

// isTime is full-time of RFC 3339, with the leap second where it may be.
func isTime(text string) bool {
	if len(text) < len("15:04:05Z") || text[2] != ':' || text[5] != ':' {
		return false
	}
	h, okh := within(text[:2], 23)
	m, okm := within(text[3:5], 59)
	s, oks := within(text[6:8], 60)
	if !okh || !okm || !oks {
		return false
	}
	rest := text[8:]
	if after, is := strings.CutPrefix(rest, "."); is {
		zone := strings.IndexFunc(after, func(c rune) bool { return c < '0' || c > '9' })
		if zone < 1 {
			return false
		}
		rest = after[zone:]
	}
	offset := 0
	if rest != "Z" && rest != "z" {
		if len(rest) != len("+00:00") || rest[0] != '+' && rest[0] != '-' || rest[3] != ':' {
			return false
		}
		oh, ok1 := within(rest[1:3], 23)
		om, ok2 := within(rest[4:], 59)
		if !ok1 || !ok2 {
			return false
		}
		if offset = oh*60 + om; rest[0] == '+' {
			offset = -offset
		}
	}
	return s < 60 || ((h*60+m+offset)%1440+1440)%1440 == 23*60+59
}

// within is a number of two digits up to a bound.
func within(text string, most int) (int, bool) {
	if len(text) != 2 || text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9' {
		return 0, false
	}
	n := int(text[0]-'0')*10 + int(text[1]-'0')
	return n, n <= most
}

// isDuration is that of RFC 3339, appendix A, but that units between two others may be left out.
func isDuration(text string) bool {
	date, clock, timed := strings.Cut(strings.TrimPrefix(text, "P"), "T")
	if !strings.HasPrefix(text, "P") || timed && clock == "" || date == "" && !timed {
		return false
	}
	if weeks, is := strings.CutSuffix(date, "W"); is {
		return !timed && digits(weeks)
	}
	return units(date, "YMD") && units(clock, "HMS")
}

// units are numbers with units in their order.
func units(text, order string) bool {
	last := -1
	for text != "" {
		i := strings.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' })
		if i < 1 {
			return false
		}
		at := strings.IndexByte(order, text[i])
		if at <= last {
			return false
		}
		last, text = at, text[i+1:]
	}
	return true
}

func digits(text string) bool {
	return text != "" && strings.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' }) < 0
}

// isEmail is a mailbox of RFC 5321 as far as schemas need it: a quoted or plain local part, a host or an address in brackets.
func isEmail(text string) bool {
	at := strings.LastIndexByte(text, '@')
	if len(text) > 254 || at < 1 {
		return false
	}
	local, domain := text[:at], text[at+1:]
	if len(local) > 64 {
		return false
	}
	if inside, quoted := strings.CutPrefix(local, `"`); quoted {
		inside, ends := strings.CutSuffix(inside, `"`)
		if !ends || strings.ContainsAny(inside, `\"`) {
			return false
		}
	} else if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") || strings.ContainsFunc(local, notLocal) {
		return false
	}
	if literal, is := strings.CutPrefix(domain, "["); is {
		literal, ends := strings.CutSuffix(literal, "]")
		if six, is := strings.CutPrefix(literal, "IPv6:"); is {
			return ends && isFormat("ipv6", six)
		}
		return ends && isFormat("ipv4", literal)
	}
	return isHostname(domain)
}

func notLocal(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", c)
}

// isHostname is that of RFC 1034.
func isHostname(text string) bool {
	text = strings.TrimSuffix(text, ".")
	if len(text) > 253 {
		return false
	}
	for part := range strings.SplitSeq(text, ".") {
		if part == "" || len(part) > 63 || strings.HasPrefix(part, "-") || strings.HasSuffix(part, "-") {
			return false
		}
		if strings.ContainsFunc(part, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-'
		}) {
			return false
		}
	}
	return true
}

// reference is a URI or the end of one.
func reference(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || strings.Contains(text, `\`) {
		return nil, false
	}
	if host := u.Hostname(); strings.Contains(host, ":") { // an address of IPv6 stands in brackets
		ip, err := netip.ParseAddr(host)
		return u, strings.Contains(u.Host, "[") && err == nil && ip.Is6()
	}
	return u, true
}

// isTemplate is that of RFC 6570 as far as braces go.
func isTemplate(text string) bool {
	if _, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(text)); err != nil {
		return false
	}
	open := false
	for _, c := range text {
		if c == '{' && open || c == '}' && !open {
			return false
		}
		open = c == '{' || open && c != '}'
	}
	return !open
}

func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (text[i] == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", rune(text[i])) {
			return false
		}
	}
	return true
}

func isPointer(text string) bool {
	if text != "" && text[0] != '/' {
		return false
	}
	for i := range len(text) {
		if text[i] == '~' && (i+1 == len(text) || text[i+1] != '0' && text[i+1] != '1') {
			return false
		}
	}
	return true
}

func isRelativePointer(text string) bool {
	i := strings.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' })
	if i < 0 {
		i = len(text)
	}
	if _, err := strconv.Atoi(text[:i]); err != nil || i > 1 && text[0] == '0' {
		return false
	}
	return text[i:] == "#" || isPointer(text[i:])
}
