package diag

import (
	"strings"
	"unicode/utf8"
)

// Nearest returns the candidate that is closest to name by edit distance on letters (case, blanks, "_", "-" and "." do
// not count), or "" when none is within max(2, length/4) edits. Of several equally close ones the first wins.
func Nearest(name string, candidates []string) string {
	want := letters(name)
	length := utf8.RuneCountInString(want)
	best, bestDistance := "", max(2, length/4)+1
	for _, c := range candidates {
		have := letters(c)
		longer := utf8.RuneCountInString(have) - length
		if max(longer, -longer) >= bestDistance {
			continue // so many edits it takes at least
		}
		// A short name is within two edits of nearly everything; ask for at least half of its letters.
		if d := distance(want, have); d < bestDistance && d < (length+longer+2)/2 {
			best, bestDistance = c, d
		}
	}
	return best
}

// DidYouMean is " Did you mean "x"?" for the nearest candidate, or "".
func DidYouMean(name string, candidates []string) string {
	if n := Nearest(name, candidates); n != "" {
		return ` Did you mean "` + n + `"?`
	}
	return ""
}

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '_', '-', '.', ' ':
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// distance is the optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before := make([]int, len(t)+1)
	last := make([]int, len(t)+1)
	here := make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		here[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			here[j] = min(last[j]+1, here[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				here[j] = min(here[j], before[j-2]+1)
			}
		}
		before, last, here = last, here, before
	}
	return last[len(t)]
}
