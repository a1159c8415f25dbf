package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type tombstoneConfig struct {
	Behavior string `cfg:"behavior,required,anycase" oneof:"drop_silent|drop_warn|fail" example:"drop_silent" doc:"What becomes of a record whose value is null. drop_silent and drop_warn: it goes, and is counted as dropped. fail: it fails."`
}

type confluentTombstoneConfig struct {
	Behavior string `cfg:"behavior,anycase" oneof:"ignore|warn|fail" example:"ignore" doc:"What becomes of a record whose value is null. ignore and warn: it goes, and is counted as dropped. fail: it fails."`
}

var confluentTombstoneDefaults = confluentTombstoneConfig{Behavior: "warn"} //nolint:gochecknoglobals // a literal

// tombstones follows Aiven's io.aiven.kafka.connect.transforms.TombstoneHandler and the documentation of Confluent's
// io.confluent.connect.transforms.TombstoneHandler, where "ignored" records are dropped. A transform has no log here: what is dropped is counted.
type tombstones struct {
	single
	confluent bool
	behavior  string
}

func newTombstones(confluent bool) func(plugin.Target) plugin.Transform {
	return func(plugin.Target) plugin.Transform {
		t := &tombstones{confluent: confluent}
		t.each = t.handle
		return t
	}
}

// Configure implements [plugin.Transform].
func (t *tombstones) Configure(c plugin.Config) error {
	cfg := confluentTombstoneDefaults
	var err error
	if t.confluent {
		err = plugin.Decode(c, &cfg)
	} else {
		var aiven tombstoneConfig
		err = plugin.Decode(c, &aiven)
		cfg.Behavior = aiven.Behavior
	}
	t.behavior = strings.ToLower(cfg.Behavior)
	return err
}

func (t *tombstones) handle(i int, r *record.Record) error {
	switch {
	case !r.Value.Value.IsNull():
	case t.behavior == "fail":
		return plugin.Data("Tombstone record encountered, failing due to configured 'fail' behavior")
	default:
		t.batch.Drop(i)
	}
	return nil
}

// makeTombstone follows Aiven's io.aiven.kafka.connect.transforms.MakeTombstone: the value goes, with its schema.
type makeTombstone struct{ single }

func newMakeTombstone(plugin.Target) plugin.Transform {
	t := &makeTombstone{}
	t.each = func(_ int, r *record.Record) error {
		r.Value = record.Datum{}
		return nil
	}
	return t
}

// Configure implements [plugin.Transform]; there are no settings.
func (*makeTombstone) Configure(plugin.Config) error { return nil }

type nullifyConfig struct {
	Behavior string `cfg:"schema.behavior,anycase" oneof:"nullify|retain|validate|force_optional" example:"nullify" doc:"What becomes of the schema. nullify: it goes too. retain: it stays. validate: it stays, and a record whose schema does not allow null fails. force_optional: it stays and allows null."`
}

var nullifyDefaults = nullifyConfig{Behavior: "nullify"} //nolint:gochecknoglobals // a literal

// nullify follows the documentation of Confluent's io.confluent.connect.transforms.Drop: the key or the value becomes null.
type nullify struct {
	single
	target   plugin.Target
	behavior string
	plans    memo[*record.Schema]
}

func newNullify(target plugin.Target) plugin.Transform {
	t := &nullify{target: target}
	t.each = t.empty
	return t
}

// Configure implements [plugin.Transform].
func (t *nullify) Configure(c plugin.Config) error {
	cfg := nullifyDefaults
	err := plugin.Decode(c, &cfg)
	t.behavior, t.plans = strings.ToLower(cfg.Behavior), memo[*record.Schema]{}
	return err
}

func (t *nullify) empty(_ int, r *record.Record) error {
	d := part(t.target, r)
	s := d.Schema
	if s != nil {
		switch t.behavior {
		case "nullify":
			s = nil
		case "validate":
			if !s.Optional {
				return plugin.Data("The schema of the %s does not allow null", t.target)
			}
		case "force_optional":
			var err error
			if s, err = shaped(&t.plans, s, forcedOptional); err != nil {
				return err
			}
		}
	}
	*d = record.Datum{Schema: s}
	return nil
}

func forcedOptional(s *record.Schema) (*record.Schema, error) {
	if s.Optional {
		return s, nil
	}
	return built(optionalCopy(s))
}
