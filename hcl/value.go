package hcl

import (
	"fmt"
	"reflect"
	"strings"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/penstock/penstock/engine/diag"
)

// rawBytes carries text that is not in Unicode normal form, to which cty would convert every string.
var rawBytes = cty.Capsule("raw bytes", reflect.TypeFor[string]()) //nolint:gochecknoglobals // a literal

// stored is a value as the flat map holds it.
type stored struct {
	text      string
	null      bool // not stored; cancels what was inherited
	sensitive bool
	known     bool // false: depends on something in error, or on nothing that exists yet
}

// text turns a value into what Kafka Connect stores: strings as they are, bools, numbers without exponent, lists joined by
// commas. What cannot be stored is reported; name is how the user wrote the setting.
func (s *scope) text(name string, v cty.Value, at hcl2.Range) stored {
	v, marks := v.UnmarkDeep()
	out := stored{sensitive: len(marks) > 0}
	if s.pending(v) {
		return out
	}
	out.known = true
	if v.IsNull() {
		out.null = true
		return out
	}
	ty := v.Type()
	var ok bool
	switch {
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		out.text, ok = s.list(name, v, at, out.sensitive)
	default:
		if out.text, ok = scalar(v); !ok {
			s.fail(diag.UnsuitableType, at, "%q needs a string, number, bool or list of these, but this is %s.", name, kind(v))
		}
	}
	out.known = ok
	return out
}

// pending reports whether a value depends on something in error; then what is made here is incomplete.
func (s *scope) pending(v cty.Value) bool {
	if v.IsWhollyKnown() {
		return false
	}
	s.failed = true
	return true
}

func (s *scope) list(name string, v cty.Value, at hcl2.Range, hidden bool) (string, bool) {
	var parts []string
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		text, ok := scalar(e)
		if !ok || e.Type() == rawBytes {
			s.fail(diag.UnsuitableType, at, "The elements of %q must be strings, numbers or bools, but one is %s.", name, kind(e))
			return "", false
		}
		if strings.Contains(text, ",") {
			shown := fmt.Sprintf("%q", text)
			if hidden {
				shown = "a sensitive value with a comma"
			}
			s.fail(diag.CommaInElement, at, "Kafka Connect stores lists as comma-separated text and cannot escape a comma, so %s cannot be one element of %q.", shown, name)
			return "", false
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ","), true
}

// scalar is the text of a known string, number, bool or raw bytes.
func scalar(v cty.Value) (string, bool) {
	if v.IsNull() {
		return "", false
	}
	switch v.Type() {
	case cty.String:
		return v.AsString(), true
	case cty.Bool:
		if v.True() {
			return "true", true
		}
		return "false", true
	case cty.Number:
		n := v.AsBigFloat()
		if e := n.MantExp(nil); n.IsInf() || e > 4096 || e < -4096 {
			return "", false // would be thousands of digits, or no number
		}
		return n.Text('f', -1), true
	case rawBytes:
		return *v.EncapsulatedValue().(*string), true
	}
	return "", false
}

// kind names a value's type for people.
func kind(v cty.Value) string {
	switch {
	case v.IsNull():
		return "null"
	case v.Type() == cty.Number:
		return "a number out of range"
	default:
		return v.Type().FriendlyName()
	}
}

// argText works out an argument of the language's own that must be text; ok is false when it is absent, null, unknown or
// wrong, the last of which is reported.
func (s *scope) argText(name string, v cty.Value, at hcl2.Range) (text string, ok bool) {
	v, marks := v.UnmarkDeep()
	if s.pending(v) || v.IsNull() {
		return "", false
	}
	if len(marks) > 0 {
		s.fail(diag.InvalidValue, at, "%s may not be sensitive, because it is shown.", name)
		return "", false
	}
	if v.Type() == cty.String || v.Type() == cty.Number {
		if text, ok = scalar(v); ok {
			return text, true
		}
	}
	s.fail(diag.InvalidValue, at, "%s must be a string, but this is %s.", name, kind(v))
	return "", false
}

// argBool is argText for bools.
func (s *scope) argBool(name string, v cty.Value, at hcl2.Range) (is, ok bool) {
	v, _ = v.UnmarkDeep()
	if s.pending(v) || v.IsNull() {
		return false, false
	}
	b, err := convert.Convert(v, cty.Bool)
	if err != nil {
		s.fail(diag.InvalidValue, at, "%s must be true or false, but this is %s.", name, v.Type().FriendlyName())
		return false, false
	}
	return b.True(), true
}
