package kafka

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// jaas is one entry of sasl.jaas.config.
type jaas struct {
	module  string // class of the login module
	options map[string]string
}

// parseJAAS reads "module flag key=value key="value" …;" as Kafka's JaasConfig does: values in quotes have Java's escapes,
// comments are those of Java. Errors never show a value (invariant 6).
func parseJAAS(text string) (jaas, error) {
	words, err := jaasWords(text)
	if err != nil {
		return jaas{}, err
	}
	if len(words) == 0 || words[0].mark != 0 {
		return jaas{}, errors.New("it does not begin with the class of a login module")
	}
	j := jaas{module: words[0].text, options: map[string]string{}}
	if len(words) < 2 || words[1].mark != 0 {
		return jaas{}, errors.New("after the class of the login module stands required, which is missing")
	}
	switch flag := strings.ToLower(words[1].text); flag {
	case "required", "requisite", "sufficient", "optional":
	default:
		return jaas{}, errors.New("after the class of the login module stands required, which is missing")
	}
	rest := words[2:]
	for len(rest) >= 3 && rest[0].mark == 0 && rest[1].mark == '=' && rest[2].mark == 0 {
		j.options[rest[0].text] = rest[2].text
		rest = rest[3:]
	}
	switch {
	case len(rest) == 0:
		return jaas{}, errors.New("it does not end with a semicolon")
	case rest[0].mark == 0:
		return jaas{}, fmt.Errorf("the option after %s has no value; options are written key=\"value\"", countOptions(len(j.options)))
	case rest[0].mark != ';':
		return jaas{}, errors.New("options are written key=\"value\"")
	case len(rest) > 1:
		return jaas{}, errors.New("it has a second login module, and a client has one")
	}
	return j, nil
}

func countOptions(n int) string {
	if n == 1 {
		return "the first"
	}
	return fmt.Sprintf("%d others", n)
}

// word is a token: a text, or the mark = or ;.
type word struct {
	text string
	mark rune // 0 for a text
}

func jaasWords(text string) ([]word, error) {
	var words []word
	for rest := []rune(text); len(rest) > 0; {
		switch c := rest[0]; {
		case unicode.IsSpace(c):
			rest = rest[1:]
		case c == '=' || c == ';':
			words, rest = append(words, word{mark: c}), rest[1:]
		case c == '"' || c == '\'':
			quoted, n := unquoteJava(rest)
			if n == 0 {
				return nil, errors.New("a quotation mark is not closed")
			}
			words, rest = append(words, word{text: quoted}), rest[n:]
		case c == '/' && len(rest) > 1 && (rest[1] == '/' || rest[1] == '*'):
			rest = rest[comment(rest):]
		default:
			n := 1
			for n < len(rest) && !unicode.IsSpace(rest[n]) && !strings.ContainsRune(`=;"'`, rest[n]) {
				n++
			}
			words, rest = append(words, word{text: string(rest[:n])}), rest[n:]
		}
	}
	return words, nil
}

// comment is the length of the comment that a text begins with.
func comment(text []rune) int {
	if text[1] == '/' {
		for i, c := range text {
			if c == '\n' {
				return i
			}
		}
		return len(text)
	}
	for i := 3; i < len(text); i++ {
		if text[i-1] == '*' && text[i] == '/' {
			return i + 1
		}
	}
	return len(text)
}

// unquoteJava reads a quoted text as java.io.StreamTokenizer does, and says how long it is with its quotation marks; 0
// when it is not closed on its line.
func unquoteJava(text []rune) (string, int) {
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			return b.String(), i + 1
		case c == '\n' || c == '\r':
			return "", 0
		case c != '\\':
			b.WriteRune(c)
		case i+1 == len(text):
			return "", 0
		default:
			r, n := escape(text[i+1:])
			b.WriteRune(r)
			i += n
		}
	}
	return "", 0
}

// escape reads what stands after a backslash.
func escape(text []rune) (rune, int) {
	c := text[0]
	if i := strings.IndexRune("abfnrtv", c); i >= 0 {
		return []rune("\a\b\f\n\r\t\v")[i], 1
	}
	n, value := 0, rune(0)
	most := 2
	if c <= '3' {
		most = 3
	}
	for n < most && n < len(text) && text[n] >= '0' && text[n] <= '7' {
		value = value<<3 | (text[n] - '0')
		n++
	}
	if n > 0 {
		return value, n
	}
	return c, 1
}
