package config

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/plugin"
)

// Change is a property that differs between two configurations.
type Change struct {
	Key    string `json:"property"`
	Have   string `json:"have,omitempty"` // "" where it is not set, and where it is hidden
	Want   string `json:"want,omitempty"`
	Had    bool   `json:"had"` // whether it is set, before and after
	Wants  bool   `json:"wants"`
	Hidden bool   `json:"sensitive,omitempty"` // nobody may see its values (invariant 6)
}

// Diff is what takes one configuration to another, in the order in which people see keys. hidden says of which keys nobody
// may see the value; nil: of none.
func Diff(have, want Map, hidden func(key string) bool) []Change {
	both := make(Map, len(want))
	for k := range have {
		both[k] = ""
	}
	for k := range want {
		both[k] = ""
	}
	var cs []Change
	for _, k := range both.Keys() {
		h, had := have[k]
		w, wants := want[k]
		if had == wants && h == w {
			continue
		}
		c := Change{Key: k, Have: h, Want: w, Had: had, Wants: wants}
		if hidden != nil && hidden(k) {
			c.Have, c.Want, c.Hidden = "", "", true
		}
		cs = append(cs, c)
	}
	return cs
}

// Hidden says of a declaration's keys whether nobody may see their values: something sensitive went into them, a plugin
// calls them a password, or their name does.
func (d *Declared) Hidden(w *Worker, r *plugin.Registry) func(key string) bool {
	c := newChecker(d, w, r)
	c.eachSetting()
	return func(key string) bool { return d.Origins[key].Sensitive || c.isSecret(key) }
}

// String is such as "tasks.max 2 → 4".
func (c Change) String() string {
	return fmt.Sprintf("%s %s → %s", c.Key, c.side(c.Had, c.Have), c.side(c.Wants, c.Want))
}

func (c Change) side(set bool, value string) string {
	switch {
	case !set:
		return "(not set)"
	case c.Hidden:
		return "(hidden)"
	default:
		return Brief(value)
	}
}

// longestValue is how many characters of a value a line shows.
const longestValue = 60

// Brief is a value on one line: quoted when it would not be seen otherwise, and cut when it is long.
func Brief(value string) string {
	cut := utf8.RuneCountInString(value) > longestValue
	if cut {
		value = string([]rune(value)[:longestValue])
	}
	if quoted := strconv.Quote(value); value == "" || quoted != `"`+value+`"` {
		value = quoted
	}
	if cut {
		value += "…"
	}
	return value
}
