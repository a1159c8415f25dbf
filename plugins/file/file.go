// Package file reads and writes the lines of a file, as Kafka Connect's FileStreamSourceConnector and
// FileStreamSinkConnector do. The README says where the two are better than those.
package file

import "github.com/penstock/penstock/engine/plugin"

// version is that of the Kafka Connect whose classes these plugins stand for, since connector.plugin.version asks for it.
const version = "4.3.1"

// Descriptors are the source and the sink, both called "file".
func Descriptors() []plugin.Descriptor {
	return []plugin.Descriptor{
		{
			Name: "file", Class: "org.apache.kafka.connect.file.FileStreamSourceConnector", Version: version,
			Doc:  "Reads the lines of a file as they are written, or of standard input.",
			Spec: plugin.SpecOf(sourceDefaults), Shape: plugin.Shape{Key: plugin.AlwaysNull, Value: plugin.PlainText},
			NewSource: func() plugin.Source { return &source{} },
		},
		{
			Name: "file", Class: "org.apache.kafka.connect.file.FileStreamSinkConnector", Version: version,
			Doc:  "Appends a line for each record to a file, or to standard output.",
			Spec: plugin.SpecOf(sinkConfig{}), NewSink: func() plugin.Sink { return &sink{} },
		},
	}
}

type sourceConfig struct {
	File      *string `cfg:"file" example:"in.txt" doc:"Source filename. If not specified, the standard input will be used" importance:"high"`
	Topic     string  `cfg:"topic,required,nonempty" example:"lines" doc:"The topic to publish data to" importance:"high"`
	BatchSize int     `cfg:"batch.size" doc:"The maximum number of records the source task can read from the file each time it is polled" importance:"low"`
}

var sourceDefaults = sourceConfig{BatchSize: 2000} //nolint:gochecknoglobals // a literal

type sinkConfig struct {
	File *string `cfg:"file" example:"out.txt" doc:"Destination filename. If not specified, the standard output will be used" importance:"high"`
}

// named reports whether a file setting names a file, rather than standard input or output.
func named(file *string) bool { return file != nil && *file != "" }
