package condition

import (
	"errors"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type expressionConfig struct {
	Expression string `cfg:"expression,required,nonempty" importance:"high" doc:"An expression over value, key, headers, topic, partition, offset and timestamp that gives true or false, such as value.amount > 100."`
}

// expression is the predicate that when = "…" and unless = "…" stand for.
type expression struct{ program *Program }

// Configure implements [plugin.Predicate].
func (p *expression) Configure(c plugin.Config) (err error) {
	var cfg expressionConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	p.program, err = CompileCondition(c["expression"])
	return At("expression", err)
}

// Test implements [plugin.Predicate].
func (p *expression) Test(r *record.Record) (bool, error) { return p.program.Test(r) }

// At gives an error of compiling the setting that holds the expression.
func At(key string, err error) error {
	ce, ok := errors.AsType[*plugin.ConfigError](err)
	if !ok {
		return err
	}
	at := *ce
	at.Key, at.Expression = key, true
	return &at
}
