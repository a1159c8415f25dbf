// Package datagen makes up records of a declared shape at a declared rate. Row i is a pure function of the seed and i, so
// that a restart goes on exactly where it was and two runs agree.
package datagen

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Descriptor is the source "datagen".
func Descriptor() plugin.Descriptor {
	return plugin.Descriptor{
		Name: "datagen", Class: "penstock.DatagenSource", Version: "1.0.0",
		Doc:  "Makes up records of a declared shape at a declared rate, always the same ones for a seed.",
		Spec: plugin.SpecOf(defaults), Shape: plugin.Shape{Value: plugin.Structured},
		NewSource: func() plugin.Source { return &source{} },
	}
}

type config struct {
	Topic     string   `cfg:"topic,required,nonempty" example:"orders" doc:"Topic of the records." importance:"high"`
	Fields    []string `cfg:"fields,nonempty" example:"id:sequence" doc:"Fields of a record, each as name:type or name:type(arguments), with a ? at the end where one value in ten is null." importance:"high"`
	Key       string   `cfg:"key" doc:"Field whose value is the key of a record; without it keys are null."`
	Rows      int64    `cfg:"rows" doc:"How many records to make in all, 0 for no end." min:"0"`
	Rate      float64  `cfg:"rate" doc:"Records a second in all, 0 for as many as can be taken."`
	Seed      int64    `cfg:"seed" doc:"Another seed gives other records."`
	BatchSize int      `cfg:"batch.size" doc:"Most records that a task makes at a time." min:"1" max:"100000" importance:"low"`
}

var defaults = config{ //nolint:gochecknoglobals // a literal
	Fields:    []string{"id:sequence", "name:choice(ada|bob|cleo)", "amount:decimal(0..100)", "time:timestamp"},
	BatchSize: 1000,
}

// share is what a task configuration adds: which rows are the task's, those that leave Task when divided by Tasks.
type share struct {
	Task  int64 `cfg:"datagen.task"`
	Tasks int64 `cfg:"datagen.tasks"`
}

// decode reads settings and the shape that they declare.
func decode(c plugin.Config) (config, *shape, error) {
	dc := defaults
	if err := plugin.Decode(c, &dc); err != nil {
		return dc, nil, err
	}
	if dc.Rate < 0 || dc.Rate != dc.Rate {
		return dc, nil, plugin.Invalid("rate", strconv.FormatFloat(dc.Rate, 'g', -1, 64), "Value must be at least 0")
	}
	s, err := parseShape(dc.Fields, uint64(dc.Seed))
	if err != nil {
		return dc, nil, err
	}
	if dc.Key != "" && s.schema.Field(dc.Key) < 0 {
		return dc, nil, plugin.Invalid("key", dc.Key, "there is no field of that name")
	}
	return dc, s, nil
}

type source struct{ config plugin.Config }

// Start checks the settings and the shape that they declare.
func (s *source) Start(_ context.Context, _ plugin.Host, c plugin.Config) error {
	s.config = c
	_, _, err := decode(c)
	return err
}

// Validate reports a shape that cannot be read, beside what the spec reports.
func (s *source) Validate(c plugin.Config) []error {
	_, _, err := decode(c)
	if err == nil {
		return nil
	}
	return []error{err}
}

// Tasks deals out the rows, to no more tasks than there are rows.
func (s *source) Tasks(_ context.Context, limit int) ([]plugin.Config, error) {
	dc, _, err := decode(s.config)
	if err != nil {
		return nil, err
	}
	if dc.Rows > 0 {
		limit = int(min(int64(limit), dc.Rows))
	}
	tasks := make([]plugin.Config, max(limit, 1))
	for i := range tasks {
		tasks[i] = plugin.Config{"datagen.task": strconv.Itoa(i), "datagen.tasks": strconv.Itoa(len(tasks))}
		maps.Copy(tasks[i], s.config)
	}
	return tasks, nil
}

// NewTask makes a task.
func (s *source) NewTask() plugin.SourceTask { return &task{} }

// Stop has nothing to end.
func (s *source) Stop(context.Context) error { return nil }

// SupportsExactlyOnce holds always: a row can be made again.
func (s *source) SupportsExactlyOnce(plugin.Config) bool { return true }

// AlterOffsets accepts {"row": n} for {"task": k}: the task goes on with its first row after n.
func (s *source) AlterOffsets(_ context.Context, _ plugin.Config, changes []plugin.OffsetChange) error {
	for _, c := range changes {
		if c.Offset.IsNull() {
			continue
		}
		row, _ := c.Offset.Get(rowField)
		if row.Kind() != record.Int64 || row.Int() < 0 {
			return fmt.Errorf("an offset is {%q: number of the last row}", rowField)
		}
		if c.Partition.IsNull() {
			return errors.New("a partition is {\"task\": number}")
		}
		if k, _ := c.Partition.Get(taskField); k.Kind() != record.Int64 || k.Int() < 0 {
			return fmt.Errorf("a partition is {%q: number of a task}", taskField)
		}
	}
	return nil
}

// first is the first row of a share after row, which is -1 before all.
func (s share) first(row int64) int64 {
	row++
	return row + ((s.Task-row)%s.Tasks+s.Tasks)%s.Tasks
}

func decodeShare(c plugin.Config) (share, error) {
	s := share{Tasks: 1}
	if err := plugin.Decode(c, &s); err != nil {
		return s, err
	}
	if s.Tasks < 1 || s.Task < 0 || s.Task >= s.Tasks {
		return s, plugin.Invalid("datagen.task", strconv.FormatInt(s.Task, 10), fmt.Sprintf("Value must be from 0 to %d", s.Tasks-1))
	}
	return s, nil
}
