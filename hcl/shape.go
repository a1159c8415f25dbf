package hcl

import (
	"fmt"
	"strings"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// site is a body with what decides which names may stand in it.
type site struct {
	spec    *block
	label   string             // what it is, where the block has such a label
	plugin  *plugin.Descriptor // of a plugin's block; nil when it is of no plugin, or of one that is not known
	unknown bool               // of a plugin that is not known, which has been reported: every argument may be right
	parent  *block             // nil at the top of a file
	body    *hclsyntax.Body
}

// child is a block inside a body.
type child struct {
	spec  *block
	block *hclsyntax.Block
}

// property is an argument that is a property, with the type of it where that is known.
type setting struct {
	attr *hclsyntax.Attribute
	typ  plugin.Type
}

// shape sorts what stands in a body. Unknown arguments and blocks, and blocks with wrong labels, are reported and left out.
func (s *scope) shape(in site) (own map[string]*hclsyntax.Attribute, settings []setting, children []child) {
	own = map[string]*hclsyntax.Attribute{}
	for _, a := range attributes(in.body) {
		arg, ok := in.knows(a.Name)
		switch {
		case !ok:
			s.unknownArgument(in, a)
		case arg.typ == 0:
			own[a.Name] = a
		default:
			settings = append(settings, setting{a, arg.typ})
		}
	}
	for _, b := range in.body.Blocks {
		spec := in.spec.child(b.Type)
		if spec == nil {
			s.unknownBlock(in, b)
		} else if s.labelled(spec, b) {
			children = append(children, child{spec, b})
		}
	}
	return own, settings, children
}

// freeType is the type of arguments of which nothing is known.
const freeType = plugin.StringType

// knows finds an argument among the block's own, those of its plugin, and those that an open block takes.
func (in site) knows(name string) (argument, bool) {
	if a, ok := in.spec.argument(name); ok {
		return a, true
	}
	if name == configMap && !in.spec.plain {
		return argument{name: name}, true
	}
	if in.plugin != nil {
		if f, ok := in.plugin.Spec.Field(dotted(name)); ok {
			return argument{name, f.Type}, true
		}
	}
	if in.unknown || in.spec.open && strings.HasPrefix(name, in.spec.starts) {
		if in.parent != nil && in.isConnector() {
			if a, ok := in.parent.argument(name); ok && a.typ != 0 {
				return argument{}, false // the engine's own settings have one place
			}
		}
		return argument{name, freeType}, true
	}
	return argument{}, false
}

func (in site) isConnector() bool {
	return in.spec.role == plugin.SourceRole || in.spec.role == plugin.SinkRole
}

// title names the kind of block in a sentence: a pipeline, sink "file", an errors block.
func (in site) title() string {
	switch {
	case in.spec.name == "":
		return "at the top of a file"
	case in.label != "":
		return fmt.Sprintf("in %s %q", in.spec.name, in.label)
	case in.spec == pipelineBlock || in.spec == workerBlock || in.spec == variableBlock:
		return "in a " + in.spec.name
	default:
		return "in " + in.spec.article()
	}
}

// article is "an errors block", "a sink block" and so on.
func (b *block) article() string {
	if strings.ContainsRune("aeiou", rune(b.name[0])) {
		return "an " + b.name + " block"
	}
	return "a " + b.name + " block"
}

// thing is what the settings of a block belong to.
func (b *block) thing() string {
	switch b.role {
	case plugin.SourceRole, plugin.SinkRole:
		return "the connector"
	case plugin.ConverterRole:
		return "the converter"
	case plugin.TransformRole, plugin.PredicateRole:
		return "the " + b.name
	}
	if b == pipelineBlock || b == workerBlock {
		return "the " + b.name
	}
	return "the " + b.name + " block"
}

// labelled checks the number of a block's labels and that none is empty.
func (s *scope) labelled(spec *block, b *hclsyntax.Block) bool {
	wanted := map[labels]int{whatItIs: 1, itsName: 1, maybeName: 1, whatAndName: 2}[spec.labels]
	n := len(b.Labels)
	for i, l := range b.Labels {
		if l == "" {
			s.fail(diag.WrongLabels, b.LabelRanges[i], "A label may not be empty. Write %s", spec.usage())
			return false
		}
	}
	if n == wanted || spec.labels == maybeName && n == 0 {
		return true
	}
	r := b.DefRange()
	if n > wanted {
		r = b.LabelRanges[wanted]
	}
	explain := map[labels]string{
		noLabel:     "takes no label",
		whatItIs:    "has one label that says what it is",
		itsName:     "has one label, its name",
		maybeName:   "has at most one label, its name",
		whatAndName: "has two labels: what it is, and its name",
	}[spec.labels]
	article, usage := spec.article(), spec.usage()
	if spec.labels == whatAndName && n == 1 {
		usage = strings.Replace(usage, "NAME", b.Labels[0], 1)
	}
	s.fail(diag.WrongLabels, r, "%s %s:\n\n    %s", strings.ToUpper(article[:1])+article[1:], explain, usage)
	return false
}

// nameable reports what stands in the way of a name being one element of a list property, or "".
func nameable(name string) string {
	switch {
	case strings.ContainsRune(name, ','):
		return "Names are listed in a property, separated by commas, so they have no comma."
	case name != strings.Join(strings.Fields(name), ""):
		return "Names have no blanks."
	}
	return ""
}

// rangeOf is the range of a label.
func rangeOf(b *hclsyntax.Block, i int) hcl2.Range {
	if i < len(b.LabelRanges) {
		return b.LabelRanges[i]
	}
	return b.DefRange()
}
