package config

import (
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
)

// Same reports whether two texts mean the same under a property's type, which is 0 where it is not known.
func Same(t plugin.Type, a, b string, r *plugin.Registry) bool {
	if a == b {
		return true
	}
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	switch t {
	case plugin.ListType:
		return strings.Join(List(a), ",") == strings.Join(List(b), ",")
	case plugin.BooleanType:
		return strings.EqualFold(a, b) && (strings.EqualFold(a, "true") || strings.EqualFold(a, "false"))
	case plugin.ShortType, plugin.IntType, plugin.LongType:
		n, err := strconv.ParseInt(a, 10, 64)
		m, err2 := strconv.ParseInt(b, 10, 64)
		return err == nil && err2 == nil && n == m
	case plugin.ClassType:
		return a == b || sameClass(a, b, r)
	default:
		return false
	}
}

// sameClass reports whether two class names, or short forms, are of one plugin.
func sameClass(a, b string, r *plugin.Registry) bool {
	for role := plugin.SourceRole; role <= plugin.ConverterRole; role++ {
		d, of, ok := r.Class(role, a)
		e, of2, ok2 := r.Class(role, b)
		if ok && ok2 && d.Class == e.Class && of == of2 {
			return true
		}
	}
	return false
}

// Types says of a connector's properties what type they have, 0 where nobody here knows.
func Types(m Map, r *plugin.Registry) func(key string) plugin.Type {
	known := map[string]plugin.Type{}
	add := func(prefix string, fields []plugin.Setting) {
		for _, f := range fields {
			known[prefix+f.Name] = f.Type
		}
	}
	for _, role := range []plugin.Role{plugin.SourceRole, plugin.SinkRole} {
		add("", spec(role))
		if d, _, ok := r.Class(role, strings.TrimSpace(m[ConnectorClass])); ok {
			add("", d.Spec.Fields)
		}
	}
	for _, key := range []string{ConnectorClass, KeyConverter, ValueConverter, HeaderConverter} {
		known[key] = plugin.ClassType
		if d, _, ok := r.Class(plugin.ConverterRole, strings.TrimSpace(m[key])); ok {
			add(key+".", d.Spec.Fields)
		}
	}
	for list, role := range map[string]plugin.Role{Transforms: plugin.TransformRole, Predicates: plugin.PredicateRole} {
		for _, name := range List(m[list]) {
			prefix := list + "." + name + "."
			add(prefix, plugin.SpecOf(StageSettings{}).Fields)
			known[prefix+"type"] = plugin.ClassType
			if d, _, ok := r.Class(role, strings.TrimSpace(m[prefix+"type"])); ok {
				add(prefix, d.Spec.Fields)
			}
		}
	}
	for _, group := range append(List(m[TopicGroups]), "default") {
		for _, patterns := range []string{"include", "exclude"} {
			known[TopicCreationPrefix+group+"."+patterns] = plugin.ListType
		}
	}
	return func(key string) plugin.Type { return known[key] }
}
