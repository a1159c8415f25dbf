package file

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Members of the source partition {"filename": …} and of the offset {"position": …}, where a position is the number of
// bytes up to and including the end of the last line delivered. Java counts UTF-16 units instead, which is the same for
// ASCII and too small otherwise, though it goes on at that many bytes.
const (
	filenameField = "filename"
	positionField = "position"
)

// source is the instance: it watches nothing, one task reads the file.
type source struct{ config plugin.Config }

// Start checks the settings; a file may appear later.
func (s *source) Start(_ context.Context, _ plugin.Host, c plugin.Config) error {
	s.config = c
	return plugin.Decode(c, new(sourceConfig))
}

// Tasks gives one task: a file is read from front to back.
func (s *source) Tasks(context.Context, int) ([]plugin.Config, error) {
	return []plugin.Config{s.config}, nil
}

// NewTask makes a task that would read standard input.
func (s *source) NewTask() plugin.SourceTask { return newSourceTask(os.Stdin) }

// Stop has nothing to end.
func (s *source) Stop(context.Context) error { return nil }

// SupportsExactlyOnce holds for a file that is only appended to; standard input has no positions to go on from.
func (s *source) SupportsExactlyOnce(c plugin.Config) bool {
	var sc sourceConfig
	return plugin.Decode(c, &sc) == nil && named(sc.File)
}

// AlterOffsets accepts what the task can go on from, for any file, and every reset, so that rubbish can be taken away
// (Kafka Connect: FileStreamSourceConnector.alterOffsets, with its texts).
func (s *source) AlterOffsets(_ context.Context, c plugin.Config, changes []plugin.OffsetChange) error {
	var sc sourceConfig
	if err := plugin.Decode(c, &sc); err != nil {
		return err
	}
	if !named(sc.File) {
		return errors.New("Offsets cannot be modified if the 'file' configuration is unspecified. " + //nolint:staticcheck // Kafka Connect's text
			"This is because stdin is used for input and offsets are not tracked.")
	}
	for _, ch := range changes {
		if ch.Offset.IsNull() {
			continue
		}
		if err := checkChange(ch); err != nil {
			return err
		}
	}
	return nil
}

//nolint:staticcheck // Kafka Connect's texts
func checkChange(ch plugin.OffsetChange) error {
	position, found := ch.Offset.Get(positionField)
	switch {
	case !found:
		return fmt.Errorf("Offset objects should either be null or contain the key '%s'", positionField)
	case position.Kind() != record.Int64:
		return fmt.Errorf("The value for the '%s' key in the offset is expected to be a Long value", positionField)
	case position.Int() < 0:
		return fmt.Errorf("The value for the '%s' key in the offset should be a non-negative value", positionField)
	case ch.Partition.IsNull():
		return errors.New("Partition objects cannot be null")
	}
	if _, found := ch.Partition.Get(filenameField); !found {
		return fmt.Errorf("Partition objects should contain the key '%s'", filenameField)
	}
	return nil
}

// storedPosition reads from where a file goes on; 0 without a stored offset.
func storedPosition(ctx context.Context, o plugin.Offsets, partition record.Value) (int64, error) {
	stored, err := o.Read(ctx, partition)
	if err != nil {
		return 0, fmt.Errorf("read the stored offset: %w", err)
	}
	if stored[0].IsNull() {
		return 0, nil
	}
	position, _ := stored[0].Get(positionField)
	switch {
	case position.IsNull():
		return 0, nil
	case position.Kind() != record.Int64:
		return 0, plugin.Permanent(errors.New("Offset position is the incorrect type")) //nolint:staticcheck // Kafka Connect's text
	}
	return max(position.Int(), 0), nil
}
