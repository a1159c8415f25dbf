package plugin_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
)

func TestPatternMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{`my-.*`, []string{"my-", "my-topic"}, []string{"my", "a my-topic", "my-a\nb", "my-\u2028"}},
		{`a|ab`, []string{"a", "ab"}, []string{"b", "abb"}},
		{`(?i)ABC[x-z]`, []string{"abcX", "ABCy"}, []string{"abcw"}},
		{`(?i)k`, []string{"k", "K"}, []string{"\u212A"}},
		{`(?i)é`, []string{"é"}, []string{"É"}},
		{`((?i)a)b`, []string{"Ab", "ab"}, []string{"AB"}},
		{`(?i:a)b`, []string{"Ab"}, []string{"AB"}},
		{`(?i)a(?-i)b`, []string{"Ab"}, []string{"AB"}},
		{`(?s).`, []string{"\n", "a"}, []string{""}},
		{`(?d).`, []string{"\r", "a"}, []string{"\n"}},
		{`\Qa.b\E+`, []string{"a.b", "a.bb"}, []string{"axb"}},
		{`[\Q]\E^-]+`, []string{"]^-"}, []string{"a"}},
		{`[]a]+`, []string{"]a"}, []string{"b"}},
		{`[^]a]`, []string{"b"}, []string{"]", "a"}},
		{`[a-]`, []string{"a", "-"}, []string{"b"}},
		{`\s\S`, []string{"\va", " b"}, []string{"a ", "\v\v"}},
		{`\d+`, []string{"12"}, []string{"１２"}},
		{`\p{Lu}\p{Alpha}\pL`, []string{"Éaé"}, []string{"éaé", "Aéa"}},
		{`(?i)\p{Lower}`, []string{"A", "a"}, []string{"1"}},
		{`\x41\u0042\x{43}\t\-`, []string{"ABC\t-"}, []string{"ABC"}},
		{`a]}`, []string{"a]}"}, []string{"a"}},
		{`a{2}b{1,}c{0,1}?`, []string{"aab", "aabbc"}, []string{"ab"}},
		{`^a$`, []string{"a"}, []string{"aa"}},
		{``, []string{""}, []string{"a"}},
	} {
		p, err := plugin.ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, s := range c.yes {
			if !p.Matches(s) {
				t.Errorf("%s does not match %q", c.pattern, s)
			}
		}
		for _, s := range c.no {
			if p.Matches(s) {
				t.Errorf("%s matches %q", c.pattern, s)
			}
		}
	}
}

func TestPatternRefusesByName(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		`(?=a)b`:         "the look-ahead (?=…) at index 0",
		`a(?!b)`:         "the look-ahead (?!…) at index 1",
		`(?<=a)b`:        "the look-behind (?<=…) at index 0",
		`(?<!a)b`:        "the look-behind (?<!…) at index 0",
		`(?>a)`:          "the atomic group (?>…) at index 0",
		`(\w+)-\1`:       `the back-reference \1 at index 6`,
		`(?<x>a)\k<x>`:   `the back-reference \k at index 7`,
		`a++b`:           "the possessive quantifier ++ at index 1",
		`a{2}+`:          "the possessive quantifier {2}+ at index 1",
		`[a-z&&[^b]]`:    "the intersection of character classes (&&) at index 0",
		`[a[bc]]`:        "a character class in another one at index 0",
		`(?m)^a`:         "the flag (?m) at index 2",
		`\R`:             `the escape \R at index 0`,
		`\p{IsLatin}`:    `the property \p{IsLatin} at index 0`,
		`a{1001}`:        "a repetition of more than 1000 at index 1",
		`(a{1000}){999}`: "the pattern is too large",
	} {
		if _, err := plugin.ParsePattern(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", pattern, err, want)
		}
	}
}

// The texts are those of java.util.regex.PatternSyntaxException.
func TestPatternSyntaxErrors(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		`[`:            "Unclosed character class near index 0\n[\n^",
		`[a`:           "Unclosed character class near index 1\n[a\n ^",
		`o(.*`:         "Unclosed group near index 4\no(.*",
		`(`:            "Unclosed group near index 1\n(",
		`)`:            "Unmatched closing ')'\n)",
		`a)`:           "Unmatched closing ')' near index 0\na)\n^",
		`*`:            "Dangling meta character '*' near index 0\n*\n^",
		`a**`:          "Dangling meta character '*' near index 2\na**\n  ^",
		`(?i)*`:        "Dangling meta character '*' near index 4\n(?i)*\n    ^",
		`a{2,1}`:       "Illegal repetition range near index 5\na{2,1}\n     ^",
		`${a}`:         "Illegal repetition near index 0\n${a}\n^",
		`(?<a`:         "named capturing group is missing trailing '>' near index 4\n(?<a",
		`\y`:           "Illegal/unsupported escape sequence near index 1\n\\y\n ^",
		`[b-a]`:        "Illegal character range near index 3\n[b-a]\n   ^",
		`(?<a>)(?<a>)`: "Named capturing group <a> is already defined near index 10\n(?<a>)(?<a>)\n          ^",
	} {
		if _, err := plugin.ParsePattern(pattern); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", pattern, err, want)
		}
	}
}

// Any text either is refused or becomes a pattern, and literals match themselves.
func TestPatternProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune(`ab-1.*+?{},()[]\^$|:<>=!&QEdspiu `))).Draw(t, "pattern")
		if _, err := plugin.ParsePattern(text); err != nil && err.Error() == "" {
			t.Fatal("an error without a text")
		}
		literal := rapid.String().Draw(t, "literal")
		p, err := plugin.ParsePattern(quote(literal))
		if err != nil || !p.Matches(literal) {
			t.Fatalf("%q as a literal: %v", literal, err)
		}
	})
}

// quote puts backslashes before all that is not a letter or a digit.
func quote(s string) string {
	return regexp.MustCompile(`[^\pL\pN]`).ReplaceAllStringFunc(s, func(c string) string { return `\` + c })
}
