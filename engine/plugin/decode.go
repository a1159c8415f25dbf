package plugin

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode reads settings into a struct with the tags of [SpecOf], which already holds the defaults. Every text is trimmed,
// as Kafka's ConfigDef does; settings that the struct does not have are left alone. The error joins a [ConfigError] for
// each setting that is missing or wrong, in Kafka Connect's words.
func Decode(c Config, into any) error {
	v := reflect.ValueOf(into).Elem()
	var errs []error
	for _, f := range settings(v.Type()) {
		s, ok := c[f.Name]
		if !ok {
			if f.Required {
				errs = append(errs, &ConfigError{Key: f.Name, Reason: fmt.Sprintf("Missing required configuration %q which has no default value.", f.Name)})
			}
			continue
		}
		if err := f.Parse(s, v.Field(f.index)); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Check reports what is wrong with the text of a setting, as [Decode] would.
func (s Setting) Check(text string) error {
	switch s.Type {
	case BooleanType:
		var b bool
		return s.Parse(text, reflect.ValueOf(&b).Elem())
	case ShortType:
		var n int16
		return s.Parse(text, reflect.ValueOf(&n).Elem())
	case IntType:
		var n int
		return s.Parse(text, reflect.ValueOf(&n).Elem())
	case LongType:
		var n int64
		return s.Parse(text, reflect.ValueOf(&n).Elem())
	case DoubleType:
		var f float64
		return s.Parse(text, reflect.ValueOf(&f).Elem())
	case ListType:
		var l []string
		return s.Parse(text, reflect.ValueOf(&l).Elem())
	default:
		var t string
		return s.Parse(text, reflect.ValueOf(&t).Elem())
	}
}

// Parse reads the text of a setting into a field of its Go type.
func (s Setting) Parse(text string, into reflect.Value) error {
	text = strings.TrimSpace(text)
	shown := text
	if s.Type == PasswordType {
		shown = Secret(text).String()
	}
	bad := func(reason string) error { return Invalid(s.Name, shown, reason) }
	switch into.Interface().(type) {
	case Secret:
		into.SetString(text)
	case *string:
		into.Set(reflect.ValueOf(&text))
	case *int:
		n := new(int)
		if err := s.Parse(text, reflect.ValueOf(n).Elem()); err != nil {
			return err
		}
		into.Set(reflect.ValueOf(n))
		return nil
	case time.Duration:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return bad("Not a number of type " + s.Type.String())
		}
		if err := s.inRange(n, bad); err != nil {
			return err
		}
		into.SetInt(int64(time.Duration(n) * time.Millisecond))
		return nil
	case []string:
		return s.parseList(text, into)
	default:
		switch into.Kind() {
		case reflect.String:
			into.SetString(text)
		case reflect.Bool:
			switch {
			case strings.EqualFold(text, "true"):
				into.SetBool(true)
			case strings.EqualFold(text, "false"):
				into.SetBool(false)
			default:
				return bad("Expected value to be either true or false")
			}
			return nil
		case reflect.Float64:
			f, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return bad("Not a number of type DOUBLE")
			}
			into.SetFloat(f)
			return nil
		default: // integers
			bits := map[Type]int{ShortType: 16, IntType: 32, LongType: 64}[s.Type]
			n, err := strconv.ParseInt(text, 10, bits)
			if err != nil {
				return bad("Not a number of type " + s.Type.String())
			}
			if err := s.inRange(n, bad); err != nil {
				return err
			}
			into.SetInt(n)
			return nil
		}
	}
	if s.NonEmpty && text == "" {
		return bad("String must be non-empty")
	}
	return s.isOneOf(text, bad)
}

func (s Setting) inRange(n int64, bad func(string) error) error {
	switch {
	case s.Min != nil && n < *s.Min:
		return bad(fmt.Sprintf("Value must be at least %d", *s.Min))
	case s.Max != nil && n > *s.Max:
		return bad(fmt.Sprintf("Value must be no more than %d", *s.Max))
	}
	return nil
}

func (s Setting) isOneOf(text string, bad func(string) error) error {
	if s.OneOf == nil {
		return nil
	}
	if s.AnyCase {
		if slices.ContainsFunc(s.OneOf, func(o string) bool { return strings.EqualFold(o, text) }) {
			return nil
		}
		return bad("String must be one of (case insensitive): " + strings.Join(s.OneOf, ", "))
	}
	if slices.Contains(s.OneOf, text) {
		return nil
	}
	return bad("String must be one of: " + strings.Join(s.OneOf, ", "))
}

// parseList splits at commas as ConfigDef does: blanks around an entry go, empty entries stay.
func (s Setting) parseList(text string, into reflect.Value) error {
	var entries []string
	if text != "" {
		entries = strings.Split(text, ",")
		for i := range entries {
			entries[i] = strings.TrimSpace(entries[i])
		}
	}
	switch {
	case len(entries) == 0 && s.NonEmpty:
		return &ConfigError{Key: s.Name, Reason: fmt.Sprintf("Configuration '%s' must not be empty. Valid values include: any non-empty value", s.Name)}
	case s.Unique && slices.Contains(entries, ""):
		return &ConfigError{Key: s.Name, Reason: fmt.Sprintf("Configuration '%s' values must not be empty.", s.Name)}
	case s.Unique && repeated(entries):
		return &ConfigError{Key: s.Name, Reason: fmt.Sprintf("Configuration '%s' values must not be duplicated.", s.Name)}
	}
	into.Set(reflect.ValueOf(entries))
	return nil
}

func repeated(entries []string) bool {
	for i, e := range entries {
		if slices.Contains(entries[:i], e) {
			return true
		}
	}
	return false
}
