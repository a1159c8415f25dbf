package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// versionRange is a set of versions in Maven's syntax: "1.2" is exactly that one, "[1.0,2.0)" a range, "(,1.0],[1.2,)" a
// union of ranges in order (KIP-891; Maven: VersionRange).
type versionRange []interval

type interval struct {
	low, high         version
	hasLow, hasHigh   bool
	withLow, withHigh bool
}

// parseRange reads a range; the error says in a few words what is wrong with the text.
func parseRange(text string) (versionRange, error) {
	rest := strings.TrimSpace(text)
	if rest == "" {
		return nil, errors.New("it is empty")
	}
	if !strings.HasPrefix(rest, "[") && !strings.HasPrefix(rest, "(") {
		if strings.ContainsAny(rest, "[](),") {
			return nil, errors.New("a range starts with [ or (")
		}
		v := parseVersion(rest)
		return versionRange{{v, v, true, true, true, true}}, nil
	}
	var r versionRange
	for rest != "" {
		end := strings.IndexAny(rest, ")]")
		if end < 0 || (rest[0] != '[' && rest[0] != '(') {
			return nil, errors.New("a range starts with [ or ( and ends with ] or )")
		}
		i, err := parseInterval(rest[:end+1])
		if err != nil {
			return nil, err
		}
		if len(r) > 0 && !before(r[len(r)-1], i) {
			return nil, errors.New("its ranges overlap or are not in order")
		}
		r = append(r, i)
		rest = strings.TrimSpace(rest[end+1:])
		if after, ok := strings.CutPrefix(rest, ","); ok {
			if rest = strings.TrimSpace(after); rest == "" {
				return nil, errors.New("a range is missing after the last comma")
			}
		}
	}
	return r, nil
}

// parseInterval reads one bracketed range, such as "[1.0,2.0)" or "[1.0]".
func parseInterval(text string) (interval, error) {
	i := interval{withLow: text[0] == '[', withHigh: text[len(text)-1] == ']'}
	low, high, isRange := strings.Cut(text[1:len(text)-1], ",")
	low, high = strings.TrimSpace(low), strings.TrimSpace(high)
	switch {
	case strings.ContainsAny(low+high, "[(,"):
		return i, errors.New("a range has at most two ends")
	case !isRange && (!i.withLow || !i.withHigh || low == ""):
		return i, errors.New("a single version stands in [ and ]")
	case !isRange:
		v := parseVersion(low)
		return interval{v, v, true, true, true, true}, nil
	}
	i.low, i.hasLow = parseVersion(low), low != ""
	i.high, i.hasHigh = parseVersion(high), high != ""
	if i.hasLow && i.hasHigh {
		switch c := i.low.compare(i.high); {
		case c > 0:
			return i, fmt.Errorf("%s is not before %s", low, high)
		case c == 0 && (!i.withLow || !i.withHigh):
			return i, errors.New("it holds no version")
		}
	}
	return i, nil
}

// before reports whether every version of a is lower than every one of b.
func before(a, b interval) bool {
	if !a.hasHigh || !b.hasLow {
		return false
	}
	c := a.high.compare(b.low)
	return c < 0 || c == 0 && (!a.withHigh || !b.withLow)
}

// contains reports whether a version is in the range.
func (r versionRange) contains(text string) bool {
	v := parseVersion(text)
	return slices.ContainsFunc(r, func(i interval) bool {
		if i.hasLow {
			if c := v.compare(i.low); c < 0 || c == 0 && !i.withLow {
				return false
			}
		}
		if i.hasHigh {
			if c := v.compare(i.high); c > 0 || c == 0 && !i.withHigh {
				return false
			}
		}
		return true
	})
}

// version is a version in the order of Maven (ComparableVersion): numbers by value, words by their meaning, and "-" or a
// change between digits and letters opening a part of its own. The parts of a list are numbers, words and lists.
type version []part

type part struct {
	kind   partKind
	number string // digits without leading zeros, "" for 0
	word   string
	list   version
}

type partKind uint8

const (
	wordPart partKind = iota
	listPart
	numberPart
)

func parseVersion(text string) version {
	text = strings.ToLower(text)
	top := &list{}
	here, digits, start := top, false, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '.' || c == '-':
			here.add(text[start:i], digits, false)
			if start = i + 1; c == '-' {
				here = here.open()
			}
		case c >= '0' && c <= '9':
			if !digits && i > start {
				here = here.open()
				here.add(text[start:i], false, true)
				here, start = here.open(), i
			}
			digits = true
		default:
			if digits && i > start {
				here.add(text[start:i], true, false)
				here, start = here.open(), i
			}
			digits = false
		}
	}
	if start < len(text) {
		if !digits && len(here.parts) > 0 {
			here = here.open()
		}
		here.add(text[start:], digits, false)
	}
	return top.close()
}

// list is a version being read; an opened list is the last part of the one that it is in.
type list struct {
	parts version
	inner *list
}

func (l *list) open() *list {
	if len(l.parts) == 0 && l.inner == nil {
		return l
	}
	l.inner = &list{}
	return l.inner
}

func (l *list) add(text string, digits, followedByDigit bool) {
	switch {
	case text == "":
		l.parts = append(l.parts, part{kind: numberPart})
	case digits:
		l.parts = append(l.parts, part{kind: numberPart, number: strings.TrimLeft(text, "0")})
	default:
		l.parts = append(l.parts, part{word: canonicalWord(text, followedByDigit)})
	}
}

// close drops what means nothing at the end of a list, such as ".0" and "-final".
func (l *list) close() version {
	parts := l.parts
	if l.inner != nil {
		if inner := l.inner.close(); len(inner) > 0 {
			return append(trimmed(parts), part{kind: listPart, list: inner})
		}
	}
	return trimmed(parts)
}

func trimmed(v version) version {
	for len(v) > 0 && v[len(v)-1].compareNothing() == 0 {
		v = v[:len(v)-1]
	}
	return v
}

func canonicalWord(w string, followedByDigit bool) string {
	if followedByDigit {
		switch w {
		case "a":
			return "alpha"
		case "b":
			return "beta"
		case "m":
			return "milestone"
		}
	}
	switch w {
	case "ga", "final", "release":
		return ""
	case "cr":
		return "rc"
	}
	return w
}

// wordRank orders the words that have a meaning; others come after them, alphabetically.
func wordRank(w string) int {
	known := [...]string{"alpha", "beta", "milestone", "rc", "snapshot", "", "sp"}
	if i := slices.Index(known[:], w); i >= 0 {
		return i
	}
	return len(known)
}

// releaseRank is the rank of no word at all.
const releaseRank = 5

func compareWords(a, b string) int {
	return cmp.Or(cmp.Compare(wordRank(a), wordRank(b)), cmp.Compare(a, b))
}

func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// compareNothing compares a part with the absence of one.
func (p part) compareNothing() int {
	switch p.kind {
	case numberPart:
		return compareNumbers(p.number, "")
	case listPart:
		return p.list.compare(nil)
	default:
		return cmp.Compare(wordRank(p.word), releaseRank)
	}
}

func (p part) compare(q part) int {
	if p.kind != q.kind {
		return cmp.Compare(p.kind, q.kind) // words before lists before numbers
	}
	switch p.kind {
	case numberPart:
		return compareNumbers(p.number, q.number)
	case listPart:
		return p.list.compare(q.list)
	default:
		return compareWords(p.word, q.word)
	}
}

func (v version) compare(w version) int {
	for i := range max(len(v), len(w)) {
		var c int
		switch {
		case i >= len(v):
			c = -w[i].compareNothing()
		case i >= len(w):
			c = v[i].compareNothing()
		default:
			c = v[i].compare(w[i])
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// MatchVersion reports whether a plugin's version is what plugin.version asks for: a version, a Maven range of versions, or
// "latest". The error says in a few words what is wrong with the range.
func MatchVersion(wanted, version string) (bool, error) {
	if strings.TrimSpace(wanted) == "latest" {
		return true, nil
	}
	r, err := parseRange(wanted)
	return err == nil && r.contains(version), err
}

// MeetsVersion reports whether a version fulfils requirements such as ">= 1.2, < 2.0", all of them; "" fulfils everything.
// The operators are =, !=, <, <=, >, >=, and ~> for "this one or later, where only the last part given may grow". The error
// says in a few words what is wrong with the requirements.
func MeetsVersion(of, requirements string) (bool, error) {
	meets := true
	for r := range strings.SplitSeq(requirements, ",") {
		r = strings.TrimSpace(r)
		digits := strings.IndexAny(r, "0123456789")
		if digits < 0 {
			return false, fmt.Errorf("%q has no version", r)
		}
		operator, text := strings.TrimSpace(r[:digits]), r[digits:]
		c := parseVersion(of).compare(parseVersion(text))
		holds, known := map[string]bool{
			"": c == 0, "=": c == 0, "!=": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0,
			"~>": c >= 0 && parseVersion(of).compare(parseVersion(nextVersion(text))) < 0,
		}[operator]
		if !known {
			return false, fmt.Errorf("%q is not an operator; write =, !=, <, <=, >, >= or ~>", operator)
		}
		meets = meets && holds
	}
	return meets || of == "", nil
}

// nextVersion is the first version that ~> does not admit: the last part but one, grown by one.
func nextVersion(text string) string {
	parts := strings.Split(text, ".")
	last := max(len(parts)-2, 0)
	n, err := strconv.Atoi(parts[last])
	if err != nil {
		return text
	}
	return strings.Join(append(parts[:last:last], strconv.Itoa(n+1)), ".")
}
