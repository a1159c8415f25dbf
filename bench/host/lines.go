package main

import (
	"context"
	"errors"
	"slices"
	"unsafe"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins"
)

// jsonLines is a source of W2: the file source, whose lines are JSON and come as maps, read by the JSON converter.
func jsonLines() plugin.Descriptor {
	d := builtIn(plugin.SourceRole, "file")
	file := d.NewSource
	d.Name, d.Class, d.Doc = "json_lines", "penstock.bench.JSONLinesSource", "Reads the lines of a file as JSON."
	d.Shape = plugin.Shape{}
	d.NewSource = func() plugin.Source { return linesSource{file()} }
	return d
}

func builtIn(role plugin.Role, name string) plugin.Descriptor {
	all := plugins.All()
	return all[slices.IndexFunc(all, func(d plugin.Descriptor) bool { return d.Role() == role && d.Name == name })]
}

type linesSource struct{ plugin.Source }

func (s linesSource) NewTask() plugin.SourceTask {
	return &linesTask{SourceTask: s.Source.NewTask(), reader: builtIn(plugin.ConverterRole, "json").NewConverter()}
}

type linesTask struct {
	plugin.SourceTask
	reader plugin.Converter
}

func (t *linesTask) Start(ctx context.Context, h plugin.Host, c plugin.Config, o plugin.Offsets) error {
	return errors.Join(
		t.reader.Configure(plugin.Config{"schemas.enable": "false"}, plugin.ValueUse),
		t.SourceTask.Start(ctx, h, c, o))
}

func (t *linesTask) Poll(ctx context.Context, b *record.Batch) error {
	err := t.SourceTask.Poll(ctx, b)
	for i := range b.Records {
		line := b.Records[i].Value.Value.Text()
		d, err := t.reader.ReadData(&b.Arena, "", unsafe.Slice(unsafe.StringData(line), len(line)))
		if err != nil {
			b.Fail(i, err)
			continue
		}
		b.Records[i].Value = d
	}
	return err
}
