package model

import (
	"fmt"
	"strings"
	"testing"
)

// move is one step of a history; what a and b are depends on it.
type move struct {
	what string
	a, b int8
}

// search visits every state that next leads to from the first ones, nearest first. It returns how many there are and, when
// next says that a step breaks something, the shortest history that does.
func search[S comparable](first []S, next func(S, func(S, move) bool) (broken string)) (states int, history []move, broken string) {
	type link struct {
		from int32
		move move
	}
	seen, queue, links := map[S]struct{}{}, []S{}, []link{}
	add := func(s S, from int32, m move) {
		if _, known := seen[s]; !known {
			seen[s] = struct{}{}
			queue, links = append(queue, s), append(links, link{from, m})
		}
	}
	for _, s := range first {
		add(s, -1, move{})
	}
	for i := int32(0); int(i) < len(queue); i++ {
		var last move
		broken = next(queue[i], func(s S, m move) bool {
			last = m
			add(s, i, m)
			return true
		})
		if broken == "" {
			continue
		}
		history = []move{last}
		for at := i; links[at].from >= 0; at = links[at].from {
			history = append([]move{links[at].move}, history...)
		}
		return len(queue), history, broken
	}
	return len(queue), nil, ""
}

// tell is a history in words.
func tell(history []move, broken string) string {
	var b strings.Builder
	for n, m := range history {
		text := m.what
		if strings.Contains(text, "%") {
			names := []any{name(m.a), name(m.b)}
			text = fmt.Sprintf(text, names[:strings.Count(text, "%s")]...)
		}
		fmt.Fprintf(&b, "%3d. %s\n", n+1, text)
	}
	return b.String() + "So " + broken + "."
}

func name(m int8) string {
	if m < 0 {
		return "nobody"
	}
	return string("ABC"[m])
}

// holds reports a history that breaks something as a failure; otherwise how large the search was.
func holds(t *testing.T, states int, history []move, broken string) {
	t.Helper()
	if broken != "" {
		t.Fatalf("after %d states a history breaks an invariant:\n%s", states, tell(history, broken))
	}
	t.Logf("%d states", states)
}

// breaks wants a history that breaks what is asked for, and tells it.
func breaks(t *testing.T, states int, history []move, broken, want string) {
	t.Helper()
	if !strings.Contains(broken, want) {
		t.Fatalf("%d states: got %q, want a history with %q", states, broken, want)
	}
	t.Logf("found among %d states:\n%s", states, tell(history, broken))
}
