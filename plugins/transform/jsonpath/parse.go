package jsonpath

import (
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Parse compiles a path. The error is a [plugin.ConfigError] without a key, which says at which characters the path is wrong
// or what it has that is not available.
func Parse(text string) (*Path, error) {
	p := &parser{text: []rune(text)}
	if !p.take("$") {
		p.fail(0, "a path begins with $")
	}
	path := p.steps()
	if p.err == nil && p.at < len(p.text) {
		p.fail(p.at, "a step of the path begins with a dot or a bracket")
	}
	if p.err != nil {
		return nil, p.err
	}
	return path, nil
}

// parser reads a path. It stops at the first error.
type parser struct {
	text []rune
	at   int
	err  error
}

func (p *parser) fail(at int, reason string) {
	if p.err == nil {
		e := &plugin.ConfigError{Reason: "At character " + strconv.Itoa(at+1) + ": " + reason + "."}
		if at < len(p.text) {
			e.From, e.To = at, at+1
		}
		p.err = e
	}
	p.at = len(p.text)
}

// peek is the character at a distance, 0 behind the end.
func (p *parser) peek(n int) rune {
	if p.at+n < len(p.text) {
		return p.text[p.at+n]
	}
	return 0
}

func (p *parser) has(s string) bool { return strings.HasPrefix(string(p.text[p.at:]), s) }

func (p *parser) take(s string) bool {
	if !p.has(s) {
		return false
	}
	p.at += len([]rune(s))
	return true
}

func (p *parser) blanks() {
	for p.peek(0) == ' ' || p.peek(0) == '\t' || p.peek(0) == '\n' {
		p.at++
	}
}

// steps reads steps as long as they come.
func (p *parser) steps() *Path {
	path := &Path{}
	for p.err == nil {
		switch {
		case p.has(".."):
			p.fail(p.at, "deep scans (..) are not available; name the fields on the way")
		case p.has(".["): // which Jayway takes for a bracket
			p.at++
		case p.take(".*"):
			path.steps = append(path.steps, step{kind: each})
		case p.take("."):
			path.steps = append(path.steps, p.property())
		case p.take("["):
			path.steps = append(path.steps, p.bracket())
		default:
			return path
		}
	}
	return path
}

// endsName are the characters that no name without quotes has.
const endsName = ".[]() \t\n=!<>&|,'\"~"

func (p *parser) property() step {
	from := p.at
	for p.at < len(p.text) && !strings.ContainsRune(endsName, p.text[p.at]) {
		p.at++
	}
	switch {
	case p.at == from:
		p.fail(from, "a name stands behind a dot")
	case p.peek(0) == '(':
		p.fail(from, "functions are not available")
	}
	if p.err != nil {
		return step{}
	}
	return step{name: string(p.text[from:p.at])}
}

// bracket reads what stands in brackets.
func (p *parser) bracket() step {
	p.blanks()
	from := p.at
	var st step
	switch c := p.peek(0); {
	case c == '\'' || c == '"':
		st = step{name: p.quoted()}
	case c == '*':
		p.at++
		st = step{kind: each}
	case c == '?':
		p.at++
		st = p.filter()
	case c == '-' || c >= '0' && c <= '9':
		st = step{kind: byIndex, index: p.integer()}
	default:
		p.fail(from, "a name in quotes, a number, * or a condition stands in brackets")
	}
	p.blanks()
	switch {
	case p.err != nil:
	case p.has(","):
		p.fail(p.at, "several names or numbers in brackets are not available")
	case p.has(":"):
		p.fail(p.at, "slices are not available")
	case !p.take("]"):
		p.fail(p.at, "the bracket is not closed")
	}
	return st
}

func (p *parser) integer() int {
	from := p.at
	for p.at == from || p.peek(0) >= '0' && p.peek(0) <= '9' {
		p.at++
	}
	n, err := strconv.Atoi(string(p.text[from:p.at]))
	if err != nil {
		p.fail(from, "this is not a number of an element")
	}
	return n
}

// quoted reads a text in quotes of either kind. A backslash takes its meaning from the character behind it.
func (p *parser) quoted() string {
	from, quote := p.at, p.peek(0)
	p.at++
	var b strings.Builder
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == quote:
			p.at++
			return b.String()
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			b.WriteRune(p.text[p.at])
		default:
			b.WriteRune(c)
		}
	}
	p.fail(from, "the text is not closed")
	return ""
}

func (p *parser) filter() step {
	p.blanks()
	if !p.take("(") {
		p.fail(p.at, "a condition stands in brackets: [?(…)]")
		return step{}
	}
	c := p.either(0)
	p.blanks()
	if p.err == nil && !p.take(")") {
		p.fail(p.at, "the condition goes on in a way that is not available")
	}
	return step{kind: filtered, condition: c}
}

// deepest is how far brackets and negations may stand within each other.
const deepest = 100

// either reads conditions with || between them.
func (p *parser) either(depth int) *condition {
	return p.joined("||", or, func() *condition {
		return p.joined("&&", and, func() *condition { return p.term(depth) })
	})
}

func (p *parser) joined(between string, o operator, next func() *condition) *condition {
	list := []*condition{next()}
	for p.blanks(); p.take(between); p.blanks() {
		list = append(list, next())
	}
	if len(list) == 1 {
		return list[0]
	}
	return &condition{operator: o, parts: list}
}

// term reads a condition in brackets, a negation or a comparison.
func (p *parser) term(depth int) *condition {
	p.blanks()
	switch {
	case depth > deepest:
		p.fail(p.at, "the condition is too deep")
	case p.take("!"):
		return &condition{operator: not, parts: []*condition{p.term(depth + 1)}}
	case p.take("("):
		c := p.either(depth + 1)
		p.blanks()
		if p.err == nil && !p.take(")") {
			p.fail(p.at, "the bracket is not closed")
		}
		return c
	}
	return p.comparison()
}

func (p *parser) comparison() *condition {
	from := p.at
	c := &condition{operator: exists, left: p.operand()}
	p.blanks()
	for _, o := range comparisons {
		if p.err == nil && p.take(o.text) {
			c.operator = o.operator
			break
		}
	}
	switch c.operator {
	case exists:
		if c.left.path == nil {
			p.fail(from, "a path or a comparison is expected")
		}
	case matches:
		c.right.pattern = p.regex()
	case in, notIn:
		c.right.list = p.list()
	default:
		c.right = p.operand()
	}
	return c
}

// operand reads a path or a constant.
func (p *parser) operand() operand {
	p.blanks()
	if c := p.peek(0); c == '@' || c == '$' {
		p.at++
		return operand{path: p.steps(), fromRoot: c == '$'}
	}
	return operand{constant: p.constant()}
}

func (p *parser) constant() record.Value {
	from := p.at
	if c := p.peek(0); c == '\'' || c == '"' {
		return record.OfString(p.quoted())
	}
	for p.at < len(p.text) && (p.text[p.at] == '.' || !strings.ContainsRune(endsName, p.text[p.at])) {
		p.at++
	}
	word := string(p.text[from:p.at])
	switch word {
	case "true", "false":
		return record.OfBool(word == "true")
	case "null":
		return record.Value{}
	}
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return record.OfInt64(n)
	}
	if d, err := record.ParseDecimal(word); err == nil {
		return record.OfDecimal(d.Unscaled, d.Scale)
	}
	p.fail(from, "a path, a text in quotes, a number, true, false or null is expected")
	return record.Value{}
}

func (p *parser) list() (list []record.Value) {
	p.blanks()
	if !p.take("[") {
		p.fail(p.at, "a list of constants in brackets is expected")
	}
	for p.blanks(); p.err == nil && !p.take("]"); p.blanks() {
		if len(list) > 0 && !p.take(",") {
			p.fail(p.at, "a comma or the end of the list is expected")
			break
		}
		p.blanks()
		list = append(list, p.constant())
	}
	return list
}

// regex reads a pattern of Java between slashes, with an i behind it where case does not count.
func (p *parser) regex() *plugin.Pattern {
	p.blanks()
	from := p.at
	if !p.take("/") {
		p.fail(from, "a pattern stands between slashes: =~ /…/")
		return nil
	}
	var b strings.Builder
	for ; p.at < len(p.text) && p.text[p.at] != '/'; p.at++ {
		if p.text[p.at] == '\\' && p.peek(1) != 0 {
			b.WriteRune('\\')
			p.at++
		}
		b.WriteRune(p.text[p.at])
	}
	if !p.take("/") {
		p.fail(from, "the pattern is not closed")
		return nil
	}
	text := b.String()
	if p.take("i") {
		text = "(?i)" + text
	}
	pattern, err := plugin.ParsePattern(text)
	if err != nil {
		p.fail(from, "the pattern cannot be used: "+err.Error())
	}
	return pattern
}
