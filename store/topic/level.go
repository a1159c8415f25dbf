package topic

import (
	"context"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/kgo"
)

// levelWithin is how long SetLevel waits for brokers that are away, as any change is.
const levelWithin = 30 * time.Second

// SetLevel asks all workers to give a logger, and those below it, a level, in log4j's words. Like those of Kafka Connect,
// any worker writes that (KIP-976). It returns once it is written; this store's Level hears of it like the others'.
func (s *Store) SetLevel(ctx context.Context, logger, level string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, levelWithin)
	defer cancel()
	value := append(appendText([]byte(`{"level":`), level), '}')
	return s.produce(ctx, s.writer, &kgo.Record{Topic: s.configs.topic, Key: []byte(loggerPrefix + logger), Value: value})
}

// takeLevel passes on the level that a record asks for. One that cannot be read asks for nothing. The caller holds mu.
func (s *Store) takeLevel(r *kgo.Record) {
	logger, is := strings.CutPrefix(string(r.Key), loggerPrefix)
	if !is || !s.opened || r.Value == nil || s.settings.Level == nil {
		return
	}
	level := ""
	err := members(r.Value, func(name string, d *jsontext.Decoder) (err error) {
		if name != "level" {
			return d.SkipValue()
		}
		level, _, err = text(d)
		return err
	})
	if err == nil && level != "" {
		s.settings.Level(logger, level)
	}
}
