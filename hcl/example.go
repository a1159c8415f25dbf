package hcl

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
)

// Example is a block that uses a plugin, as it may stand in a pipeline: with the settings that it needs, and those of which
// its spec has an example.
func Example(d plugin.Descriptor) string {
	var b strings.Builder
	labels := " " + quoted(d.Name)
	if d.Role() == plugin.TransformRole || d.Role() == plugin.PredicateRole {
		labels += ` "example"`
	}
	fmt.Fprintf(&b, "%s%s {\n", blockOf(d), labels)
	if d.Targets {
		b.WriteString("target = \"value\"\n")
	}
	if d.Role() == plugin.SinkRole {
		b.WriteString("topics = [\"orders\"]\n")
	}
	if d.Role() == plugin.TransformRole && len(d.Spec.Fields) == 0 {
		b.WriteString("when = \"value == nil\"\n") // without settings, and without a condition, it would do the same to all
	}
	for _, s := range d.Spec.Fields {
		if s.Required || s.Example != "" {
			fmt.Fprintf(&b, "%s = %s\n", underscored(s.Name), exampleValue(s))
		}
	}
	b.WriteString("}\n")
	return strings.Replace(string(hclwrite.Format([]byte(b.String()))), "{\n}", "{}", 1)
}

// blockOf is the name of the block that a plugin stands in.
func blockOf(d plugin.Descriptor) string {
	switch {
	case d.Role() != plugin.ConverterRole:
		return d.Role().String()
	case d.Uses == plugin.HeadersOnly:
		return "header_converter"
	default:
		return "value_converter"
	}
}

func exampleValue(s plugin.Setting) string {
	switch s.Type {
	case plugin.ListType:
		entries := config.List(s.Example)
		for i := range entries {
			entries[i] = quoted(entries[i])
		}
		return "[" + strings.Join(entries, ", ") + "]"
	case plugin.PasswordType:
		return "env(" + quoted(strings.ToUpper(underscored(s.Name))) + ")"
	case plugin.StringType, plugin.ClassType:
		return quoted(s.Example)
	default:
		return s.Example
	}
}

// Argument is how a setting is written in HCL, or "" where only a config map can hold it.
func Argument(property string) string {
	if strings.ContainsRune(property, '_') {
		return ""
	}
	return underscored(property)
}
