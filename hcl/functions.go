package hcl

import (
	"crypto/md5" //nolint:gosec // a function of the language, not used for security
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// table is functions by name.
type table = map[string]function.Function

// functions is everything that an expression may call. None gives a different answer tomorrow: each would be a difference
// in every plan. providers are the worker's configuration providers, nil when they are not known.
func functions(folder string, disk *disk, env func(string) (string, bool), providers []string) table {
	fs := table{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc, "coalesce": stdlib.CoalesceFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"csvdecode": stdlib.CSVDecodeFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "floor": stdlib.FloorFunc, "format": stdlib.FormatFunc, "indent": stdlib.IndentFunc,
		"join": stdlib.JoinFunc, "jsondecode": stdlib.JSONDecodeFunc, "keys": stdlib.KeysFunc, "lookup": stdlib.LookupFunc,
		"lower": stdlib.LowerFunc, "max": stdlib.MaxFunc, "merge": stdlib.MergeFunc, "min": stdlib.MinFunc,
		"parseint": stdlib.ParseIntFunc, "range": stdlib.RangeFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
		"regexreplace": stdlib.RegexReplaceFunc, "replace": stdlib.ReplaceFunc, "reverse": stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc,
		"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc,
		"title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,
		"values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
		"tobool": stdlib.MakeToFunc(cty.Bool), "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)), "tonumber": stdlib.MakeToFunc(cty.Number),
		"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), "tostring": stdlib.MakeToFunc(cty.String),
		"can": tryfunc.CanFunc, "try": tryfunc.TryFunc,
		"yamldecode": yaml.YAMLDecodeFunc, "yamlencode": yaml.YAMLEncodeFunc,

		"base64decode": ofText("str", base64decode),
		"base64encode": ofText("str", func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
		"urlencode":    ofText("str", func(s string) (string, error) { return url.QueryEscape(s), nil }),
		"md5": ofText("str", func(s string) (string, error) {
			sum := md5.Sum([]byte(s)) //nolint:gosec // a function of the language
			return hex.EncodeToString(sum[:]), nil
		}),
		"sha256": ofText("str", func(s string) (string, error) {
			sum := sha256.Sum256([]byte(s))
			return hex.EncodeToString(sum[:]), nil
		}),
		"startswith": ofTwoTexts("prefix", strings.HasPrefix), "endswith": ofTwoTexts("suffix", strings.HasSuffix),
		"jsonencode": jsonencode(), "length": length(), "sum": sum(), "one": one(),
		"ms": ofNumber("duration", milliseconds), "bytes": ofNumber("size", byteSize),
		"env": fromEnv(env), "secret": ofText("reference", func(s string) (string, error) { return secret(s, providers) }),
		"sensitive": sensitiveFunc(), "nonsensitive": nonsensitive(), "issensitive": issensitive(),
		"raw::base64": rawBase64(), "raw::null": rawNull(),
	}
	addFiles(fs, folder, disk)
	return fs
}

// ofText is a function from one string to another.
func ofText(name string, f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: name, Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			out, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(out), nil
		},
	})
}

func ofTwoTexts(second string, f func(a, b string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "str", Type: cty.String}, {Name: second, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func ofNumber(name string, f func(string) (int64, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: name, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			n, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.NumberIntVal(n), nil
		},
	})
}

func base64decode(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("this is not base64: %w", err)
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("the decoded bytes are not UTF-8 text")
	}
	return string(b), nil
}

// milliseconds reads durations such as 5m, 1h30m or 7d.
func milliseconds(s string) (int64, error) {
	rest, days := s, int64(0)
	if before, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseInt(before, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration such as 500ms, 30s, 5m, 1h30m or 7d", s)
		}
		days, rest = n, after
	}
	if rest == "" && s != "" {
		rest = "0"
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 500ms, 30s, 5m, 1h30m or 7d", s)
	}
	if d%time.Millisecond != 0 {
		return 0, fmt.Errorf("%q is not a whole number of milliseconds", s)
	}
	return days*24*time.Hour.Milliseconds() + d.Milliseconds(), nil
}

// byteSize reads sizes such as 64MiB (powers of 1024) or 1GB (powers of 1000).
func byteSize(s string) (int64, error) {
	units := []string{"KiB", "MiB", "GiB", "TiB", "KB", "MB", "GB", "TB", "B"}
	number, factor := strings.TrimSpace(s), int64(1)
	for i, u := range units {
		n, ok := strings.CutSuffix(number, u)
		if !ok {
			continue
		}
		number = strings.TrimSpace(n)
		switch {
		case i < 4:
			factor = 1 << (10 * (i + 1))
		case i < 8:
			factor = []int64{1e3, 1e6, 1e9, 1e12}[i-4]
		}
		break
	}
	n, ok := new(big.Rat).SetString(number)
	if !ok || strings.ContainsAny(number, "eE/") || n.Sign() < 0 {
		return 0, fmt.Errorf("%q is not a size such as 512B, 64KiB, 10MB or 1GiB", s)
	}
	n.Mul(n, new(big.Rat).SetInt64(factor))
	if !n.IsInt() || !n.Num().IsInt64() {
		return 0, fmt.Errorf("%q is not a whole number of bytes", s)
	}
	return n.Num().Int64(), nil
}

// secret writes a reference that the worker resolves when the task starts.
func secret(ref string, providers []string) (string, error) {
	provider, _, ok := strings.Cut(ref, ":")
	switch {
	case !ok || provider == "":
		return "", fmt.Errorf(`a reference names a provider and what to ask it, such as "file:/etc/db.properties:password" or "env:DB_PASSWORD"`)
	case strings.ContainsAny(ref, "{}"):
		return "", fmt.Errorf("a reference stands without ${ and }")
	case providers != nil && !slices.Contains(providers, provider):
		return "", fmt.Errorf("the worker has no config_provider named %q, only %s", provider, strings.Join(providers, ", "))
	}
	return "${" + ref + "}", nil
}

// fromEnv reads the environment of the process that loads the files.
func fromEnv(env func(string) (string, bool)) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if len(args) > 2 {
				return cty.NilVal, fmt.Errorf("env takes a name and at most one default")
			}
			if v, ok := env(name); ok {
				return cty.StringVal(v).Mark(sensitive), nil
			}
			if len(args) == 2 {
				return args[1].Mark(sensitive), nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "environment variable %q is not set", name)
		},
	})
}

// anything is a parameter that takes every value as it is.
func anything(name string) []function.Parameter {
	return []function.Parameter{{
		Name: name, Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}}
}

func sameType(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil }

func sensitiveFunc() function.Function {
	return function.New(&function.Spec{
		Params: anything("value"), Type: sameType,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(sensitive), nil },
	})
}

func nonsensitive() function.Function {
	return function.New(&function.Spec{
		Params: anything("value"), Type: sameType,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, _ := args[0].UnmarkDeep()
			return v, nil
		},
	})
}

func issensitive() function.Function {
	return function.New(&function.Spec{
		Params: anything("value"), Type: function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(args[0].ContainsMarked()), nil
		},
	})
}

func rawBase64() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "base64", Type: cty.String}},
		Type:   function.StaticReturnType(rawBytes),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			b, err := base64.StdEncoding.DecodeString(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "this is not base64: %w", err)
			}
			text := string(b)
			return cty.CapsuleVal(rawBytes, &text), nil
		},
	})
}

// rawNull is what people look for who have met a null in the config topic of an old cluster. Kafka Connect 4.3.1 answers one
// with 400 and starts no connector that was stored with one, so there is nothing that it could stand for.
func rawNull() function.Function {
	return function.New(&function.Spec{
		Type: function.StaticReturnType(rawBytes),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, errNotAvailable },
	})
}

// jsonencode leaves <, > and & as they are, which the standard set's escapes for the sake of web pages.
func jsonencode() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(cty.String), nil
			}
			b, err := ctyjson.Marshal(args[0], args[0].Type())
			if err != nil {
				return cty.NilVal, err
			}
			return cty.StringVal(unescape(string(b))), nil
		},
	})
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if plain, ok := map[string]byte{`\u003c`: '<', `\u003e`: '>', `\u0026`: '&'}[s[i:min(i+6, len(s))]]; ok {
			b.WriteByte(plain)
			i += 5
			continue
		}
		b.WriteString(s[i : i+2]) // the second byte may be a backslash that starts nothing
		i++
	}
	return b.String()
}

// length also takes strings, which the standard set's does not.
func length() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v := args[0]
			switch ty := v.Type(); {
			case ty == cty.String:
				return stdlib.Strlen(v)
			case ty.IsObjectType():
				return cty.NumberIntVal(int64(len(ty.AttributeTypes()))), nil
			case ty.IsTupleType() || ty.IsCollectionType():
				return cty.NumberIntVal(int64(v.LengthInt())), nil
			default:
				return cty.NilVal, function.NewArgErrorf(0, "a string or a collection is needed, but this is %s", ty.FriendlyName())
			}
		},
	})
}

func sequence(v cty.Value) ([]cty.Value, error) {
	if ty := v.Type(); !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
		return nil, function.NewArgErrorf(0, "a list or a set is needed, but this is %s", ty.FriendlyName())
	}
	return v.AsValueSlice(), nil
}

func sum() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "numbers", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			elements, err := sequence(args[0])
			if err != nil {
				return cty.NilVal, err
			}
			total := cty.Zero
			for _, e := range elements {
				switch {
				case !e.IsKnown():
					return cty.UnknownVal(cty.Number), nil
				case e.IsNull() || e.Type() != cty.Number:
					return cty.NilVal, function.NewArgErrorf(0, "all elements must be numbers")
				}
				total = total.Add(e)
			}
			return total, nil
		},
	})
}

// one is the only element of a list or set, or null when it is empty.
func one() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			elements, err := sequence(args[0])
			switch {
			case err != nil:
				return cty.NilVal, err
			case len(elements) > 1:
				return cty.NilVal, function.NewArgErrorf(0, "there must be no more than one element, but there are %d", len(elements))
			case len(elements) == 1:
				return elements[0], nil
			default:
				return cty.NullVal(cty.DynamicPseudoType), nil
			}
		},
	})
}
