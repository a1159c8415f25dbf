package transform

import "strings"

// zoneOffsets are the names of zones that are read, in minutes east of Greenwich.
var zoneOffsets = map[string]int64{ //nolint:gochecknoglobals // a literal
	"UTC": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180, "MSK": 180,
	"EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420,
	"AKST": -540, "AKDT": -480, "HST": -600, "JST": 540, "KST": 540, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
	"Coordinated Universal Time": 0,
}

// zone reads ±hhmm, GMT, GMT±h:mm or a name.
func (r *dateReader) zone() bool {
	rest := r.text[r.at:]
	if rest[0] == '+' || rest[0] == '-' {
		return r.offsetOf(0, false)
	}
	if len(rest) >= 3 && strings.EqualFold(rest[:3], "GMT") {
		r.at += 3
		if rest = rest[3:]; rest != "" && (rest[0] == '+' || rest[0] == '-') {
			return r.offsetOf(0, true)
		}
		r.offset = 0
		return true
	}
	longest := ""
	for name := range zoneOffsets {
		if len(name) > len(longest) && len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) {
			longest = name
		}
	}
	r.at += len(longest)
	r.offset = zoneOffsets[longest] * 60_000
	return longest != ""
}

// isoZone reads Z, or ±hh, ±hhmm or ±hh:mm, whichever count letters ask for.
func (r *dateReader) isoZone(count int) bool {
	switch r.text[r.at] {
	case 'Z':
		r.at++
		r.offset = 0
		return true
	case '+', '-':
		return r.offsetOf(count, count == 3)
	}
	return false
}

// offsetOf reads a sign, hours and, unless count is 1, minutes. Only with a colon and no count the hours may be of one
// digit.
func (r *dateReader) offsetOf(count int, colon bool) bool {
	sign := int64(1)
	if r.text[r.at] == '-' {
		sign = -1
	}
	r.at++
	hours, ok := r.digit()
	if !ok {
		return false
	}
	if second, ok := r.digit(); ok {
		hours = 10*hours + second
	} else if count > 0 || !colon {
		return false
	}
	var minutes int64
	if count != 1 {
		if colon && !strings.HasPrefix(r.text[r.at:], ":") {
			return false
		}
		if colon {
			r.at++
		}
		tens, ok := r.digit()
		ones, ok2 := r.digit()
		if !ok || !ok2 {
			return false
		}
		minutes = 10*tens + ones
	}
	r.offset = sign * (hours*60 + minutes) * 60_000
	return hours <= 23 && minutes <= 59
}

func (r *dateReader) digit() (int64, bool) {
	if r.at == len(r.text) || r.text[r.at] < '0' || r.text[r.at] > '9' {
		return 0, false
	}
	r.at++
	return int64(r.text[r.at-1] - '0'), true
}
