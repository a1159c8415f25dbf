package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// ConverterKey is the property that chooses a converter.
func ConverterKey(use plugin.Use) string {
	return [...]string{plugin.KeyUse: KeyConverter, plugin.ValueUse: ValueConverter, plugin.HeaderUse: HeaderConverter}[use]
}

func uses() []plugin.Use { return []plugin.Use{plugin.KeyUse, plugin.ValueUse, plugin.HeaderUse} }

// ConverterOf is the class of a connector's converter with its settings. A connector that does not choose one gets the
// worker's, settings included; one that does inherits none of the worker's settings (Kafka Connect: ConnectorConfig).
func ConverterOf(m Map, w *Worker, use plugin.Use) (class string, settings map[string]string, inherited bool) {
	key := ConverterKey(use)
	if class = strings.TrimSpace(m[key]); class != "" {
		settings = m.Sub(key + ".")
		delete(settings, "plugin.version")
		return class, settings, false
	}
	class, settings = w.Converter(use)
	return class, settings, true
}

// RegistryURL is the setting of the converters that ask a schema registry.
const RegistryURL = "schema.registry.url"

// Complete adds to the settings of a converter what the worker has for it: the address of its schema registry, where the
// converter asks one and names none. It is a default at run time, which no configuration ever contains (decision D1).
// settings are the caller's and may be changed.
func (w *Worker) Complete(d plugin.Descriptor, settings map[string]string) map[string]string {
	if _, given := settings[RegistryURL]; given || !w.completes(d.Spec) {
		return settings
	}
	if settings == nil {
		settings = map[string]string{}
	}
	settings[RegistryURL] = w.Registry
	return settings
}

// completes reports whether a converter asks a schema registry, and the worker has one for it.
func (w *Worker) completes(spec plugin.Spec) bool {
	return w.Registry != "" && slices.ContainsFunc(spec.Fields, func(s plugin.Setting) bool { return s.Name == RegistryURL })
}

// converters checks the converters that the connector chooses, and that those it inherits exist.
func (c *checker) converters() {
	for _, use := range uses() {
		key := ConverterKey(use)
		c.read("", key)
		class, settings, inherited := ConverterOf(c.Map, c.worker, use)
		if !inherited {
			c.converter(use, class, settings)
			continue
		}
		for _, k := range c.keys {
			if strings.HasPrefix(k, key+".") {
				c.warn(diag.ConverterWithout, k, "Kafka Connect ignores %q in a connector that does not also choose the converter. Add %s.", k, c.chooseConverter(use))
			}
		}
		if _, _, ok := c.registry.Class(plugin.ConverterRole, class); !ok {
			c.failAt(key, diag.UnknownConverter, c.Place, "The worker's %s is %q, and there is no built-in converter of that class.", key, class)
		}
	}
}

func (c *checker) chooseConverter(use plugin.Use) string {
	if c.arguments() {
		return fmt.Sprintf("a %s_converter block", use)
	}
	return ConverterKey(use)
}

// converter checks a converter that the map itself chooses.
func (c *checker) converter(use plugin.Use, class string, settings map[string]string) {
	key := ConverterKey(use)
	c.read(key+".", "plugin.version")
	d, _, ok := c.registry.Class(plugin.ConverterRole, class)
	if !ok {
		c.fail(diag.UnknownConverter, key, "There is no built-in converter of class %q.%s", class, c.hint(class, c.registry.Classes(plugin.ConverterRole)))
		return
	}
	if d.Uses == plugin.HeadersOnly && use != plugin.HeaderUse || d.Uses == plugin.DataOnly && use == plugin.HeaderUse {
		c.fail(diag.UnknownConverter, key, "%q does not convert %ss, so it cannot be the %s.", d.Name, use, c.word("", key))
		return
	}
	c.version(key+".plugin.version", d)
	who := fmt.Sprintf("The %s converter %q", use, d.Name)
	spec := d.Spec
	if c.worker.completes(spec) {
		spec.Fields = slices.Clone(spec.Fields)
		for i := range spec.Fields {
			if spec.Fields[i].Name == RegistryURL {
				spec.Fields[i].Required = false
			}
		}
	}
	if c.settings(key+".", who, key, spec) {
		settings = c.worker.Complete(d, settings)
		c.configure(key+".", who, key, func() error { return d.NewConverter().Configure(settings, use) })
	}
}
