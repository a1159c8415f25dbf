package jackson_test

import (
	"testing"

	"github.com/penstock/penstock/plugins/jackson"
)

func TestWhatIsSwitchedOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text                       string
		plain, leadingZeros, words bool // whether it is read
	}{
		{"12", true, true, true}, {"-0.5e3", true, true, true}, {"007", false, true, false},
		{"NaN", false, false, true}, {"-Infinity", false, false, true}, {"NaNs", false, false, false}, {"1.", false, false, false},
	} {
		for name, s := range map[string]struct {
			jackson.Scanner
			want bool
		}{
			"plain":         {jackson.Scanner{Src: []byte(c.text)}, c.plain},
			"leading zeros": {jackson.Scanner{Src: []byte(c.text), LeadingZeros: true}, c.leadingZeros},
			"words":         {jackson.Scanner{Src: []byte(c.text), Words: true}, c.words},
		} {
			if err := s.Skip(); (err == nil) != s.want {
				t.Errorf("%s, %s: got %v, want it to be read: %v", c.text, name, err, s.want)
			}
		}
	}
}
