package hcl

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// addFiles adds the functions that read files; their paths are relative to the project folder.
func addFiles(fns table, folder string, disk *disk) {
	in := func(name string) string { return inFolder(folder, name) }
	fns["file"] = ofText("path", func(name string) (string, error) { return readText(disk, in(name)) })
	fns["filebase64"] = ofText("path", func(name string) (string, error) {
		b, err := disk.text(in(name))
		return base64.StdEncoding.EncodeToString(b), err
	})
	fns["fileexists"] = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(disk.exists(in(args[0].AsString()))), nil
		},
	})
	fns["fileset"] = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return fileset(disk, in(args[0].AsString()), args[1].AsString())
		},
	})
	plain := maps.Clone(fns) // a template cannot read another one, so that none reads itself
	fns["templatefile"] = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return template(disk, in(args[0].AsString()), args[1], plain)
		},
	})
}

// inFolder is a path, relative to a folder unless it is absolute.
func inFolder(folder, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(folder, name)
}

func readText(disk *disk, name string) (string, error) {
	b, err := disk.text(name)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("%s is not UTF-8 text; use filebase64", name)
	}
	return string(b), nil
}

// fileset lists the files below a folder whose path, with slashes, matches a pattern; ** stands for any number of folders.
func fileset(disk *disk, folder, pattern string) (cty.Value, error) {
	if _, err := path.Match(strings.ReplaceAll(pattern, "**", "*"), ""); err != nil {
		return cty.NilVal, function.NewArgErrorf(1, "%q is not a pattern", pattern)
	}
	found, err := disk.fileset(folder, pattern)
	if err != nil {
		return cty.NilVal, function.NewArgError(0, err)
	}
	if len(found) == 0 {
		return cty.SetValEmpty(cty.String), nil
	}
	names := make([]cty.Value, len(found))
	for i, n := range found {
		names[i] = cty.StringVal(n)
	}
	return cty.SetVal(names), nil
}

func matches(want, have []string) bool {
	switch {
	case len(want) == 0:
		return len(have) == 0
	case want[0] == "**":
		return matches(want[1:], have) || len(have) > 0 && matches(want, have[1:])
	case len(have) == 0:
		return false
	}
	ok, err := path.Match(want[0], have[0])
	return err == nil && ok && matches(want[1:], have[1:])
}

// template evaluates a file as an HCL template with the given names.
func template(disk *disk, name string, vars cty.Value, fns table) (cty.Value, error) {
	if ty := vars.Type(); !ty.IsObjectType() && !ty.IsMapType() {
		return cty.NilVal, function.NewArgErrorf(1, "a map of names and values is needed, but this is %s", ty.FriendlyName())
	}
	text, err := readText(disk, name)
	if err != nil {
		return cty.NilVal, function.NewArgError(0, err)
	}
	if tooDeep([]byte(text)) >= 0 {
		return cty.NilVal, function.NewArgErrorf(0, "%s is nested more than %d deep", name, maxDepth)
	}
	e, diags := hclsyntax.ParseTemplate([]byte(strings.ReplaceAll(text, "\r\n", "\n")), name, hcl2.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, function.NewArgErrorf(0, "%s", diags.Error())
	}
	v, diags := e.Value(&hcl2.EvalContext{Variables: vars.AsValueMap(), Functions: fns})
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("%s", diags.Error())
	}
	return convert.Convert(v, cty.String)
}
