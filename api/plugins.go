package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
)

// pluginInfo is one plugin (Kafka Connect: PluginInfo).
type pluginInfo struct {
	Class   string `json:"class"`
	Type    string `json:"type"`
	Version string `json:"version,omitempty"`
}

// plugins answers GET /connector-plugins.
func (s *Server) plugins(c *call) (answer, error) {
	only := c.URL.Query()["connectorsOnly"]
	all := len(only) > 0 && only[0] != "" && !strings.EqualFold(only[0], "true")
	list := append(s.ofRole(plugin.SinkRole, "sink", nil), s.ofRole(plugin.SourceRole, "source", nil)...)
	if all {
		list = append(list, s.ofRole(plugin.TransformRole, "transformation", nil)...)
		list = append(list, s.ofRole(plugin.PredicateRole, "predicate", nil)...)
		list = append(list, s.ofRole(plugin.ConverterRole, "converter", func(d plugin.Descriptor) bool { return converts(d, plugin.ValueUse) })...)
		list = append(list, s.ofRole(plugin.ConverterRole, "header_converter", func(d plugin.Descriptor) bool { return converts(d, plugin.HeaderUse) })...)
	}
	return ok(list)
}

// converts reports whether a converter may stand at a use.
func converts(d plugin.Descriptor, use plugin.Use) bool {
	if use == plugin.HeaderUse {
		return d.Uses != plugin.DataOnly
	}
	return d.Uses != plugin.HeadersOnly
}

// ofRole lists plugins by class; a transform with variants is listed once for each.
func (s *Server) ofRole(role plugin.Role, kind string, has func(plugin.Descriptor) bool) []pluginInfo {
	list := []pluginInfo{}
	for _, d := range s.Registry.All() {
		if d.Role() != role || has != nil && !has(d) {
			continue
		}
		for _, class := range classesOf(d) {
			list = append(list, pluginInfo{class, kind, d.Version})
		}
	}
	slices.SortFunc(list, func(a, b pluginInfo) int { return cmp.Compare(a.Class, b.Class) })
	return list
}

func classesOf(d plugin.Descriptor) []string {
	if d.Targets {
		return []string{d.Class + plugin.Key.Suffix(), d.Class + plugin.Value.Suffix()}
	}
	return []string{d.Class}
}

// classNames are the classes of ofRole.
func (s *Server) classNames(role plugin.Role, has func(plugin.Descriptor) bool) []string {
	var names []string
	for _, p := range s.ofRole(role, "", has) {
		names = append(names, p.Class)
	}
	return names
}

// find finds a plugin of any role by its class or the short form of that; variants have no short form.
func (s *Server) find(name string) (plugin.Descriptor, bool) {
	for _, role := range []plugin.Role{plugin.SinkRole, plugin.SourceRole, plugin.ConverterRole, plugin.TransformRole, plugin.PredicateRole} {
		if d, _, found := s.Registry.Class(role, name); found {
			return d, true
		}
	}
	return plugin.Descriptor{}, false
}

// pluginConfig answers GET /connector-plugins/{p}/config (KIP-769).
func (s *Server) pluginConfig(c *call) (answer, error) {
	d, found := s.find(c.vars["p"])
	switch {
	case !found && config.IsProvider(c.vars["p"]):
		return answer{}, failure(http.StatusBadRequest, "Invalid plugin class %s. Valid types are sink, source, converter, header_converter, transformation, predicate.", c.vars["p"])
	case !found:
		return answer{}, failure(http.StatusNotFound, "Unknown plugin %s.", c.vars["p"])
	}
	if wanted, asked := c.URL.Query()["version"]; asked {
		if err := hasVersion(d, wanted[0]); err != nil {
			return answer{}, err
		}
	}
	defs := []*definition{}
	own := ownKeys(d)
	for _, k := range own {
		defs = append(defs, k.definition(""))
	}
	if role := d.Role(); role == plugin.SourceRole || role == plugin.SinkRole {
		for _, k := range baseKeys(role) {
			if !slices.ContainsFunc(own, func(o key) bool { return o.Name == k.Name }) {
				if k.Name == config.PluginVersion {
					k = k.withDefault(d.Version)
				}
				defs = append(defs, k.definition(""))
			}
		}
	}
	return ok(defs)
}

// hasVersion reports a version that is not built in, in the words of GET …/config.
func hasVersion(d plugin.Descriptor, wanted string) error {
	if wanted == "" {
		return noVersion(d, "[,]")
	}
	matches, err := config.MatchVersion(wanted, d.Version)
	switch {
	case err != nil:
		return failure(http.StatusBadRequest, "Invalid version specification: %s", wanted)
	case !matches:
		return noVersion(d, wanted)
	}
	return nil
}

func noVersion(d plugin.Descriptor, wanted string) *problem {
	if !strings.ContainsAny(wanted, "[(") {
		wanted = fmt.Sprintf("[%s,%s]", wanted, wanted)
	}
	return failure(http.StatusBadRequest, "Plugin %s not found that matches the version range %s, available versions: [%s]", d.Class, wanted, d.Version)
}
