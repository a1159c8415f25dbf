package plugin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Registry finds plugins by role and name. It is filled once by [NewRegistry] and then only read.
type Registry struct {
	all     []Descriptor
	byName  map[roleName]int // aliases
	byClass map[roleName]int // class names and their short forms
}

type roleName struct {
	role Role
	name string
}

// NewRegistry checks and indexes descriptors. Within a role, names and classes are unique.
func NewRegistry(ds []Descriptor) (*Registry, error) {
	r := &Registry{all: slices.Clone(ds), byName: map[roleName]int{}, byClass: map[roleName]int{}}
	var errs []error
	for i, d := range r.all {
		role := d.Role()
		switch {
		case role == 0 || d.Name == "" || d.Class == "":
			errs = append(errs, fmt.Errorf("plugin %q: a descriptor needs a name, a class and a constructor", d.Name))
			continue
		case has(r.byName, role, d.Name):
			errs = append(errs, fmt.Errorf("plugin %q: there is another %s of that name", d.Name, role))
		case has(r.byClass, role, d.Class):
			errs = append(errs, fmt.Errorf("plugin %q: there is another %s of class %s", d.Name, role, d.Class))
		}
		r.byName[roleName{role, d.Name}] = i
		r.byClass[roleName{role, d.Class}] = i
		// Kafka Connect also takes the simple name and, but for transforms with variants, the simple name without the
		// role's suffix (PluginUtils.prunedName).
		if simple := d.Class[strings.LastIndexByte(d.Class, '.')+1:]; !d.Targets {
			r.short(role, simple, i)
			for _, suffix := range suffixes[role] {
				if pruned := strings.TrimSuffix(simple, suffix); pruned != simple && pruned != "" {
					r.short(role, pruned, i)
					break
				}
			}
		}
	}
	return r, errors.Join(errs...)
}

var suffixes = map[Role][]string{ //nolint:gochecknoglobals // a literal
	SourceRole:    {"Connector"},
	SinkRole:      {"Connector"},
	ConverterRole: {"HeaderConverter", "Converter"},
	TransformRole: {"Transformation"},
}

func has(m map[roleName]int, role Role, name string) bool {
	_, ok := m[roleName{role, name}]
	return ok
}

// short registers a short form unless it is ambiguous.
func (r *Registry) short(role Role, name string, i int) {
	if !has(r.byClass, role, name) {
		r.byClass[roleName{role, name}] = i
	}
}

// Alias finds a plugin by the name that HCL uses.
func (r *Registry) Alias(role Role, name string) (Descriptor, bool) {
	i, ok := r.byName[roleName{role, name}]
	if !ok {
		return Descriptor{}, false
	}
	return r.all[i], true
}

// Class finds a plugin by a class name or its short form, and the target that a suffix $Key or $Value names. A class
// with variants is not found without a suffix, nor one without variants by a suffix.
func (r *Registry) Class(role Role, class string) (Descriptor, Target, bool) {
	name, target := class, NoTarget
	for _, t := range []Target{Key, Value} {
		if n, ok := strings.CutSuffix(class, t.Suffix()); ok {
			name, target = n, t
		}
	}
	i, ok := r.byClass[roleName{role, name}]
	if !ok || r.all[i].Targets != (target != NoTarget) {
		return Descriptor{}, NoTarget, false
	}
	return r.all[i], target, true
}

// Connector finds a source or a sink by a class name or its short form.
func (r *Registry) Connector(class string) (Descriptor, bool) {
	if d, _, ok := r.Class(SourceRole, class); ok {
		return d, true
	}
	d, _, ok := r.Class(SinkRole, class)
	return d, ok
}

// Names lists the aliases of a role in alphabetical order.
func (r *Registry) Names(role Role) []string {
	var names []string
	for k := range r.byName {
		if k.role == role {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}

// Classes lists the full class names of a role in alphabetical order, with $Key and $Value where there are variants.
func (r *Registry) Classes(role Role) []string {
	var classes []string
	for _, d := range r.all {
		switch {
		case d.Role() != role:
		case d.Targets:
			classes = append(classes, d.Class+Key.Suffix(), d.Class+Value.Suffix())
		default:
			classes = append(classes, d.Class)
		}
	}
	slices.Sort(classes)
	return classes
}

// All lists the descriptors in the order they were given.
func (r *Registry) All() []Descriptor { return slices.Clone(r.all) }
