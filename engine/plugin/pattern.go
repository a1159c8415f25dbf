package plugin

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pattern is a regular expression of Java (java.util.regex.Pattern) that a setting holds. It runs on Go's engine, which
// finds the same match as Java's does, in time linear in the text. What only a backtracking engine can do is refused.
type Pattern struct {
	*regexp.Regexp // finds the leftmost match, like Java's Matcher.find
	whole          *regexp.Regexp
}

// Matches reports whether the pattern matches the whole text (Java: Matcher.matches).
func (p *Pattern) Matches(text string) bool { return p.whole.MatchString(text) }

// ParsePattern reads a pattern. The error is Java's where the pattern is wrong, its place included, and otherwise names
// the construct that is refused: look-around, back-references, possessive quantifiers, atomic groups, character classes
// in one another and their intersection, and a few escapes and flags. "$" and "\Z" mean the very end of the text, not the
// place before a last line break.
func ParsePattern(text string) (*Pattern, error) {
	p := patternParser{src: []rune(text)}
	p.alternatives()
	if p.err == nil && p.at < len(p.src) {
		p.wrong(p.at-1, "Unmatched closing ')'")
	}
	if p.err != nil {
		return nil, p.err
	}
	re, err := regexp.Compile(p.out.String())
	if err != nil {
		return nil, fmt.Errorf("the pattern is too large: %w", err)
	}
	whole, err := regexp.Compile(`\A(?:` + p.out.String() + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("the pattern is too large: %w", err)
	}
	return &Pattern{re, whole}, nil
}

// patternParser rewrites a pattern of Java as one of package regexp. It stops at the first error.
type patternParser struct {
	src    []rune
	at     int
	out    strings.Builder
	flags  patternFlags
	groups []string // names of groups
	err    error
}

// patternFlags are the flags that hold at a place: (?i), (?s) and (?d).
type patternFlags struct{ anyCase, dotAll, unixLines bool }

const (
	noLineBreak = `[^\n\r\x{85}\x{2028}\x{2029}]`
	javaSpace   = `\t\n\x0B\f\r `
)

// wrong keeps the first error, in the form of Java's PatternSyntaxException. A negative index is none.
func (p *patternParser) wrong(index int, description string) {
	if p.err != nil {
		return
	}
	s := description
	if index >= 0 {
		s += " near index " + strconv.Itoa(index)
	}
	s += "\n" + string(p.src)
	if index >= 0 && index < len(p.src) {
		s += "\n" + strings.Repeat(" ", index) + "^"
	}
	p.err = fmt.Errorf("%s", s)
	p.at = len(p.src)
}

// refuse keeps an error for what Java takes and Go does not.
func (p *patternParser) refuse(index int, construct string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s at index %d is not supported: patterns run in linear time, without backtracking", construct, index)
	}
	p.at = len(p.src)
}

// peek is the rune at a distance, 0 past the end.
func (p *patternParser) peek(n int) rune {
	if p.at+n < len(p.src) {
		return p.src[p.at+n]
	}
	return 0
}

func (p *patternParser) has(prefix string) bool {
	n := utf8.RuneCountInString(prefix)
	return p.at+n <= len(p.src) && string(p.src[p.at:p.at+n]) == prefix
}

// take moves past prefix if it comes next.
func (p *patternParser) take(prefix string) bool {
	if !p.has(prefix) {
		return false
	}
	p.at += utf8.RuneCountInString(prefix)
	return true
}

// alternatives reads up to a closing parenthesis or the end.
func (p *patternParser) alternatives() {
	for p.at < len(p.src) && p.peek(0) != ')' {
		if p.take("|") {
			p.out.WriteByte('|')
			continue
		}
		p.atom()
		if p.err == nil {
			p.quantifier()
		}
	}
}

func (p *patternParser) atom() {
	switch c := p.peek(0); c {
	case '(':
		p.group()
	case '[':
		p.class()
	case '\\':
		p.escape()
	case '.':
		p.at++
		switch {
		case p.flags.dotAll:
			p.out.WriteString(`(?s:.)`)
		case p.flags.unixLines:
			p.out.WriteString(`[^\n]`)
		default:
			p.out.WriteString(noLineBreak)
		}
	case '^':
		p.at++
		p.out.WriteString(`\A`)
	case '$':
		p.at++
		p.out.WriteString(`\z`)
	case '*', '+', '?':
		p.wrong(p.at, "Dangling meta character '"+string(c)+"'")
	case '{':
		p.wrong(p.at-1, "Illegal repetition")
	default:
		p.at++
		p.literal(c)
	}
}

// literal writes one rune that stands for itself.
func (p *patternParser) literal(c rune) {
	if other := p.otherCase(c); other != c {
		p.out.WriteString("[" + string(c) + string(other) + "]")
		return
	}
	p.out.WriteString(regexp.QuoteMeta(string(c)))
}

// otherCase is an ASCII letter in the other case where case does not count: (?i) of Java leaves all other letters alone.
func (p *patternParser) otherCase(c rune) rune {
	if p.flags.anyCase && (c|0x20 >= 'a' && c|0x20 <= 'z') && c < utf8.RuneSelf {
		return c ^ 0x20
	}
	return c
}

func (p *patternParser) quantifier() {
	start := p.at
	switch c := p.peek(0); c {
	case '*', '+', '?':
		p.at++
		p.out.WriteRune(c)
	case '{':
		if !p.counted() {
			return
		}
	default:
		return
	}
	switch {
	case p.take("?"):
		p.out.WriteByte('?')
	case p.has("+"):
		p.refuse(start, "the possessive quantifier "+string(p.src[start:p.at+1]))
	}
}

// mostRepeated is the largest count that package regexp takes.
const mostRepeated = 1000

// counted reads {n}, {n,} or {n,m}.
func (p *patternParser) counted() bool {
	start := p.at
	p.at++
	if !isDigit(p.peek(0)) {
		p.wrong(start-1, "Illegal repetition")
		return false
	}
	least := p.number()
	most := least
	if p.take(",") {
		most = -1
		if p.peek(0) != '}' {
			most = p.number()
		}
	}
	switch {
	case !p.has("}"):
		p.wrong(p.at-1, "Unclosed counted closure")
	case most >= 0 && most < least:
		p.wrong(p.at, "Illegal repetition range")
	case max(least, most) > mostRepeated:
		p.refuse(start, fmt.Sprintf("a repetition of more than %d", mostRepeated))
	}
	if p.err != nil {
		return false
	}
	p.at++
	p.out.WriteString(string(p.src[start:p.at]))
	return true
}

func isDigit(c rune) bool { return c >= '0' && c <= '9' }

// number reads decimal digits; what is far too large stays so.
func (p *patternParser) number() (n int) {
	for ; isDigit(p.peek(0)); p.at++ {
		n = min(10*n+int(p.peek(0)-'0'), 1<<30)
	}
	return n
}

// refusedGroups are the groups that need backtracking, by how they begin.
var refusedGroups = []struct{ prefix, name string }{ //nolint:gochecknoglobals // a literal
	{"(?=", "the look-ahead (?=…)"},
	{"(?!", "the look-ahead (?!…)"},
	{"(?<=", "the look-behind (?<=…)"},
	{"(?<!", "the look-behind (?<!…)"},
	{"(?>", "the atomic group (?>…)"},
}

func (p *patternParser) group() {
	for _, r := range refusedGroups {
		if p.has(r.prefix) {
			p.refuse(p.at, r.name)
			return
		}
	}
	before := p.flags
	switch {
	case p.take("(?<"):
		p.groupName()
	case p.take("(?"):
		if p.groupFlags() { // they hold to the end of the group around them
			if c := p.peek(0); c == '*' || c == '+' || c == '?' {
				p.wrong(p.at, "Dangling meta character '"+string(c)+"'")
			}
			return
		}
		p.out.WriteString("(?:")
	default:
		p.at++
		p.out.WriteByte('(')
	}
	p.alternatives()
	p.flags = before
	if !p.take(")") {
		p.wrong(len(p.src), "Unclosed group")
		return
	}
	p.out.WriteByte(')')
}

func (p *patternParser) groupName() {
	start := p.at
	for isLetter(p.peek(0)) || p.at > start && isDigit(p.peek(0)) {
		p.at++
	}
	name := string(p.src[start:p.at])
	switch {
	case name == "":
		p.wrong(p.at, "capturing group name does not start with a Latin letter")
	case !p.has(">"):
		p.wrong(p.at, "named capturing group is missing trailing '>'")
	}
	for _, g := range p.groups {
		if g == name {
			p.wrong(p.at, "Named capturing group <"+name+"> is already defined")
		}
	}
	if p.err != nil {
		return
	}
	p.at++
	p.groups = append(p.groups, name)
	p.out.WriteString("(?P<" + name + ">")
}

func isLetter(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// groupFlags reads flags up to ")", which ends them, or ":", behind which the group goes on.
func (p *patternParser) groupFlags() (ended bool) {
	on := true
	for ; ; p.at++ {
		switch c := p.peek(0); c {
		case 'i':
			p.flags.anyCase = on
		case 's':
			p.flags.dotAll = on
		case 'd':
			p.flags.unixLines = on
		case '-':
			on = false
		case ')', ':':
			p.at++
			return c == ')'
		case 'm', 'u', 'x', 'U':
			p.refuse(p.at, "the flag (?"+string(c)+")")
			return true
		default:
			p.wrong(p.at, "Unknown inline modifier")
			return true
		}
	}
}

// escape reads what a backslash begins, outside of a class.
func (p *patternParser) escape() {
	start := p.at
	if p.take(`\Q`) {
		p.quoted(p.literal)
		return
	}
	if set, ok := p.classEscape(); ok {
		p.out.WriteString("[" + set + "]")
		return
	}
	if p.err != nil {
		return
	}
	switch c := p.peek(1); {
	case c >= '1' && c <= '9':
		p.refuse(start, "the back-reference \\"+string(c))
	case c == 'k':
		p.refuse(start, "the back-reference \\k")
	case c == 'A', c == 'z', c == 'b', c == 'B':
		p.at += 2
		p.out.WriteString(`\` + string(c))
	case c == 'Z':
		p.at += 2
		p.out.WriteString(`\z`)
	default:
		if r, ok := p.escapedRune(); ok {
			p.literal(r)
		}
	}
}

// quoted gives the runes up to \E, or to the end, to write.
func (p *patternParser) quoted(write func(rune)) {
	for p.at < len(p.src) && !p.take(`\E`) {
		write(p.peek(0))
		p.at++
	}
}

// posixClasses are Java's classes of ASCII characters, as package regexp writes them inside brackets.
var posixClasses = map[string]string{ //nolint:gochecknoglobals // a literal
	"Lower": "[:lower:]", "Upper": "[:upper:]", "ASCII": "[:ascii:]", "Alpha": "[:alpha:]", "Digit": "[:digit:]",
	"Alnum": "[:alnum:]", "Punct": "[:punct:]", "Graph": "[:graph:]", "Print": "[:print:]", "Blank": "[:blank:]",
	"Cntrl": "[:cntrl:]", "XDigit": "[:xdigit:]", "Space": javaSpace,
}

// classEscape reads an escape that stands for many characters and gives the inside of a class for it.
func (p *patternParser) classEscape() (set string, ok bool) {
	switch c := p.peek(1); c {
	case 'd', 'D', 'w', 'W':
		p.at += 2
		return `\` + string(c), true
	case 's':
		p.at += 2
		return javaSpace, true
	case 'S':
		p.at += 2
		return `\x00-\x08\x0E-\x1F!-\x{10FFFF}`, true
	case 'p', 'P':
		return p.property(c)
	case 'h', 'H', 'v', 'V', 'R', 'X', 'G', 'N':
		p.refuse(p.at, "the escape \\"+string(c))
	}
	return "", false
}

// property reads \p{…}: general categories, and Java's classes of ASCII characters.
func (p *patternParser) property(c rune) (set string, ok bool) {
	start := p.at
	p.at += 2
	name := string(p.peek(0))
	if p.take("{") {
		end := p.at
		for end < len(p.src) && p.src[end] != '}' {
			end++
		}
		if end == len(p.src) {
			p.wrong(end-1, "Unclosed character family")
			return "", false
		}
		name = string(p.src[p.at:end])
		p.at = end
	}
	p.at++
	if _, known := unicode.Categories[name]; known && len(name) <= 2 {
		return `\` + string(c) + "{" + name + "}", true
	}
	if posix, known := posixClasses[name]; known && c == 'p' {
		if p.flags.anyCase && (name == "Lower" || name == "Upper") {
			posix = "[:alpha:]"
		}
		return posix, true
	}
	p.refuse(start, "the property \\"+string(c)+"{"+name+"}")
	return "", false
}

// controls are the escapes for single control characters.
var controls = map[rune]rune{'t': '\t', 'n': '\n', 'r': '\r', 'f': '\f', 'a': '\a', 'e': 0x1B} //nolint:gochecknoglobals // a literal

// escapedRune reads an escape that stands for one character.
func (p *patternParser) escapedRune() (rune, bool) {
	c := p.peek(1)
	if p.at+1 >= len(p.src) {
		p.wrong(len(p.src), "Unescaped trailing backslash")
		return 0, false
	}
	p.at += 2
	if r, ok := controls[c]; ok {
		return r, true
	}
	switch c {
	case 'x':
		if p.take("{") {
			return p.codePoint(p.hexDigits(6), p.take("}"), "Unclosed hexadecimal escape sequence")
		}
		digits := p.hexDigits(2)
		return p.codePoint(digits, len(digits) == 2, "Illegal hexadecimal escape sequence")
	case 'u':
		digits := p.hexDigits(4)
		return p.codePoint(digits, len(digits) == 4, "Illegal Unicode escape sequence")
	case '0', 'c':
		p.refuse(p.at-2, "the escape \\"+string(c))
		return 0, false
	}
	if isLetter(c) {
		p.wrong(p.at-1, "Illegal/unsupported escape sequence")
		return 0, false
	}
	return c, true
}

func (p *patternParser) hexDigits(most int) string {
	start := p.at
	for p.at < len(p.src) && p.at < start+most && strings.ContainsRune("0123456789abcdefABCDEF", p.src[p.at]) {
		p.at++
	}
	return string(p.src[start:p.at])
}

func (p *patternParser) codePoint(digits string, complete bool, otherwise string) (rune, bool) {
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || !complete || n > unicode.MaxRune {
		p.wrong(p.at-1, otherwise)
		return 0, false
	}
	return rune(n), true
}

// class reads a character class.
func (p *patternParser) class() {
	start := p.at
	p.at++
	p.out.WriteByte('[')
	if p.take("^") {
		p.out.WriteByte('^')
	}
	for first := true; p.err == nil; first = false {
		switch {
		case p.at >= len(p.src):
			p.wrong(len(p.src)-1, "Unclosed character class")
		case p.has("]") && !first:
			p.at++
			p.out.WriteByte(']')
			return
		case p.has("["):
			p.refuse(start, "a character class in another one")
		case p.has("&&"):
			p.refuse(start, "the intersection of character classes (&&)")
		case p.take(`\Q`):
			p.quoted(func(c rune) { p.span(c, c) })
		default:
			p.member()
		}
	}
}

// member reads a character, a range or an escape of a class.
func (p *patternParser) member() {
	if p.peek(0) == '\\' {
		if set, ok := p.classEscape(); ok {
			p.out.WriteString(set)
			return
		}
	}
	from, ok := p.single()
	if !ok {
		return
	}
	if p.peek(0) != '-' || p.peek(1) == ']' || p.peek(1) == '[' || p.peek(1) == 0 {
		p.span(from, from)
		return
	}
	p.at++
	to, ok := p.single()
	switch {
	case !ok:
	case to < from:
		p.wrong(p.at-1, "Illegal character range")
	default:
		p.span(from, to)
	}
}

// single reads one character of a class.
func (p *patternParser) single() (rune, bool) {
	if p.err != nil {
		return 0, false
	}
	if p.peek(0) == '\\' {
		return p.escapedRune()
	}
	p.at++
	return p.src[p.at-1], true
}

// span writes a range of a class, letters in both cases where case does not count.
func (p *patternParser) span(from, to rune) {
	fmt.Fprintf(&p.out, `\x{%X}-\x{%X}`, from, to)
	if !p.flags.anyCase {
		return
	}
	for _, letters := range [][2]rune{{'a', 'z'}, {'A', 'Z'}} {
		if lo, hi := max(from, letters[0]), min(to, letters[1]); lo <= hi {
			fmt.Fprintf(&p.out, `\x{%X}-\x{%X}`, lo^0x20, hi^0x20)
		}
	}
}
