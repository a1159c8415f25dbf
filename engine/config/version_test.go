package config

import "testing"

func TestVersionOrder(t *testing.T) {
	t.Parallel()
	// Each is lower than the next (Maven: ComparableVersionTest).
	order := []string{
		"1-alpha", "1-alpha2", "1-beta-2", "1-m3", "1-rc1", "1-snapshot", "1", "1-sp", "1-xyz", "1-1", "1.0.1", "1.1", "1.2", "1.10",
		"4.3.0-rc2", "4.3.0", "4.3.1-SNAPSHOT", "4.3.1", "4.4", "10", "99999999999999999999999",
	}
	for i, a := range order {
		for j, b := range order {
			got := parseVersion(a).compare(parseVersion(b))
			if (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s against %s: got %d", a, b, got)
			}
		}
	}
	for _, same := range [][]string{{"1", "1.0", "1.0.0", "1-ga", "1.0-final", "01", "1-0", "1-RELEASE"}, {"1-rc", "1-CR"}, {"1-a1", "1-alpha-1", "1a1"}, {"1x", "1-x"}} {
		for _, b := range same[1:] {
			if c := parseVersion(same[0]).compare(parseVersion(b)); c != 0 {
				t.Errorf("%s against %s: got %d, want the same", same[0], b, c)
			}
		}
	}
}

func TestRangeContains(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text    string
		in, out []string
	}{
		{"4.3.1", []string{"4.3.1", "4.3.1.0"}, []string{"4.3.0", "4.3.2", "4.3.1-rc1"}},
		{" [4.3.1] ", []string{"4.3.1"}, []string{"4.3.0"}},
		{"[4.0,5)", []string{"4.0", "4.9.9", "5-rc1"}, []string{"3.9", "5", "4.0-rc1"}},
		{"(4.0,5]", []string{"4.0.1", "5"}, []string{"4.0", "5.1"}},
		{"[1.0,)", []string{"1.0", "100"}, []string{"0.9"}},
		{"(,1.0]", []string{"1.0", "0"}, []string{"1.0.1"}},
		{"(,)", []string{"0", "1"}, nil},
		{"[1,1]", []string{"1"}, []string{"2"}},
		{"(,1.0] , [1.2,)", []string{"1.0", "1.2"}, []string{"1.1"}},
		{"(,1.1),(1.1,)", []string{"1.0", "1.2"}, []string{"1.1"}},
	}
	for _, c := range cases {
		r, err := parseRange(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		for _, v := range c.in {
			if !r.contains(v) {
				t.Errorf("%s does not contain %s", c.text, v)
			}
		}
		for _, v := range c.out {
			if r.contains(v) {
				t.Errorf("%s contains %s", c.text, v)
			}
		}
	}
}

func TestRangeRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "[1.0", "1.0]", "nonsense(", "(1.0)", "[1.0)", "[]", "[2,1]", "[1,1)", "(1,1)", "[1,2,3]", "[1,2]x", "[1,3],[2,4]", "[3,4],[1,2]", "[1,2],", "[1,),[2,3]", "[1,2],3", "[[1,2]",
		"[1,2],[2,3]",
	} {
		if _, err := parseRange(text); err == nil {
			t.Errorf("%q is taken for a range", text)
		}
	}
}

func TestMeetsVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of, requirements string
		want, wrong      bool
	}{
		{"1.4.1", ">= 1.2, < 2", true, false},
		{"2.0", ">= 1.2, < 2", false, false},
		{"1.4.1", "1.4.1", true, false},
		{"1.4.1", "!= 1.4.1", false, false},
		{"1.4.1", "= 1.4", false, false},
		{"1.4.1", "<= 1.4", false, false},
		{"1.9", "~> 1.4", true, false},
		{"2.0", "~> 1.4", false, false},
		{"1.4.9", "~> 1.4.1", true, false},
		{"1.5", "~> 1.4.1", false, false},
		{"", "> 9", true, false},
		{"1.0", "=> 1", false, true},
		{"1.0", ">", false, true},
		{"1.0", "", false, true},
	} {
		got, err := MeetsVersion(c.of, c.requirements)
		if (err != nil) != c.wrong || err == nil && got != c.want {
			t.Errorf("%q of %q: got %v, %v, want %v", c.requirements, c.of, got, err, c.want)
		}
	}
}
