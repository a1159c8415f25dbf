package convert

import (
	"github.com/penstock/penstock/engine/plugin"
)

// Version is that of the Kafka Connect whose behaviour these converters have.
const Version = "4.3.1"

// Descriptors lists the converters.
func Descriptors() []plugin.Descriptor {
	const converters = "org.apache.kafka.connect.converters."
	ds := []plugin.Descriptor{
		{
			Name: "json", Class: "org.apache.kafka.connect.json.JsonConverter",
			Doc:          "JSON, with or without an envelope that holds the schema.",
			Spec:         plugin.SpecOf(jsonDefaults()),
			NewConverter: func() plugin.Converter { return new(jsonConverter) },
		},
		{
			Name: "string", Class: "org.apache.kafka.connect.storage.StringConverter",
			Doc:          "Text in an encoding of choice.",
			Spec:         plugin.SpecOf(stringDefaults()),
			NewConverter: func() plugin.Converter { return new(stringConverter) },
		},
		{
			Name: "bytes", Class: converters + "ByteArrayConverter",
			Doc:          "Bytes as they are.",
			NewConverter: func() plugin.Converter { return bytesConverter{} },
		},
		{
			Name: "simple", Class: "org.apache.kafka.connect.storage.SimpleHeaderConverter",
			Doc:          "Headers as text; reading guesses numbers, dates, arrays and maps.",
			Uses:         plugin.HeadersOnly,
			NewConverter: func() plugin.Converter { return new(simpleConverter) },
		},
		{
			Name: "boolean", Class: converters + "BooleanConverter",
			Doc:          "A boolean in one byte.",
			NewConverter: func() plugin.Converter { return new(booleanConverter) },
		},
	}
	for _, n := range numbers {
		ds = append(ds, plugin.Descriptor{
			Name: n.name, Class: converters + n.class, Doc: n.doc,
			NewConverter: func() plugin.Converter { return &numberConverter{numberFormat: n} },
		})
	}
	for i := range ds {
		ds[i].Version = Version
	}
	return ds
}

// checkUse is the check of converter.type, which Kafka Connect's runtime adds to a converter's settings and ours passes as
// use. Whoever gives it as a setting all the same gives a right one.
func checkUse(c plugin.Config, use plugin.Use) error {
	const key = "converter.type"
	text, ok := c[key]
	switch {
	case ok && text != "key" && text != "value" && text != "header":
		return plugin.Invalid(key, text, "String must be one of: key, value, header")
	case !ok && use == 0:
		return &plugin.ConfigError{Key: key, Reason: `Missing required configuration "` + key + `" which has no default value.`}
	}
	return nil
}
