package diff

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/config"
)

// The most that is shown of what differs inside of one property, in lines and of one value of JSON, in characters; and the lines
// that texts may have to be compared by them.
const (
	mostParts = 20
	mostOfOne = 60
	mostLines = 500
)

// parts says what differs inside of a property whose values are JSON, or texts of several lines: a line for each difference,
// which begins with its sign, and in head what they are. There are none where the values say all at a glance.
func parts(c config.Change) (head string, lines []string) {
	if c.Hidden || !c.Had || !c.Wants {
		return "", nil
	}
	if have, want := document(c.Have), document(c.Want); have != nil && want != nil {
		if lines = inside("", have, want); len(lines) > 0 {
			return "JSON, " + count(len(lines), "difference", "differences"), lines
		}
	}
	if !strings.Contains(c.Have+c.Want, "\n") {
		return "", nil
	}
	lines = between(strings.Split(c.Have, "\n"), strings.Split(c.Want, "\n"))
	return count(len(lines), "line differs", "lines differ"), lines
}

// document is an object or an array of JSON, nil where a text is none.
func document(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // numbers are kept as they are written
	var v any
	if err := d.Decode(&v); err != nil {
		return nil
	}
	if _, err := d.Token(); err != io.EOF {
		return nil
	}
	switch v.(type) {
	case map[string]any, []any:
		return v
	}
	return nil
}

// inside is what differs between two values of JSON, by path.
func inside(path string, have, want any) []string {
	if a, ok := have.(map[string]any); ok {
		if b, ok := want.(map[string]any); ok {
			return members(path, a, b)
		}
	}
	if a, ok := have.([]any); ok {
		if b, ok := want.([]any); ok {
			return elementsOf(path, a, b)
		}
	}
	if reflect.DeepEqual(have, want) {
		return nil
	}
	return []string{fmt.Sprintf("~ %s   %s → %s", path, compact(have), compact(want))}
}

func members(path string, have, want map[string]any) []string {
	both := maps.Clone(have)
	maps.Copy(both, want)
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(both)) {
		at := key
		if strings.ContainsAny(key, ". []\"") || key == "" {
			at = strconv.Quote(key)
		}
		if path != "" {
			at = path + "." + at
		}
		a, had := have[key]
		b, wants := want[key]
		switch {
		case !had:
			lines = append(lines, "+ "+at+"   "+compact(b))
		case !wants:
			lines = append(lines, "- "+at+"   "+compact(a))
		default:
			lines = append(lines, inside(at, a, b)...)
		}
	}
	return lines
}

func elementsOf(path string, have, want []any) []string {
	var lines []string
	for i := range max(len(have), len(want)) {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= len(have):
			lines = append(lines, "+ "+at+"   "+compact(want[i]))
		case i >= len(want):
			lines = append(lines, "- "+at+"   "+compact(have[i]))
		default:
			lines = append(lines, inside(at, have[i], want[i])...)
		}
	}
	return lines
}

// compact is a value of JSON on a line.
func compact(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // what was decoded can be encoded
		return fmt.Sprint(v)
	}
	text := strings.TrimSpace(b.String())
	if runes := []rune(text); len(runes) > mostOfOne {
		return string(runes[:mostOfOne]) + "…"
	}
	return text
}

// between is what to remove from lines and to add to them, by a longest common subsequence. Of texts with very many lines it
// compares what is between their equal beginnings and ends as a whole.
func between(have, want []string) []string {
	for len(have) > 0 && len(want) > 0 && have[0] == want[0] {
		have, want = have[1:], want[1:]
	}
	for len(have) > 0 && len(want) > 0 && have[len(have)-1] == want[len(want)-1] {
		have, want = have[:len(have)-1], want[:len(want)-1]
	}
	var lines []string
	if len(have) > mostLines || len(want) > mostLines {
		return append(signed("- ", have), signed("+ ", want)...)
	}
	common := longest(have, want)
	for i, j := 0, 0; i < len(have) || j < len(want); {
		switch {
		case i < len(have) && j < len(want) && have[i] == want[j]:
			i, j = i+1, j+1
		case j == len(want) || i < len(have) && common[i+1][j] >= common[i][j+1]:
			lines = append(lines, "- "+have[i])
			i++
		default:
			lines = append(lines, "+ "+want[j])
			j++
		}
	}
	return lines
}

func signed(sign string, lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = sign + l
	}
	return out
}

// longest is how many lines two texts have in common from each pair of places on.
func longest(have, want []string) [][]int {
	common := make([][]int, len(have)+1)
	for i := range common {
		common[i] = make([]int, len(want)+1)
	}
	for i, line := range slices.Backward(have) {
		for j, other := range slices.Backward(want) {
			if line == other {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}
