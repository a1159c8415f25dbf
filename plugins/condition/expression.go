package condition

import (
	"errors"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type expressionConfig struct {
	Expression string `cfg:"expression,required,nonempty" importance:"high" example:"(value.amount ?? 0) > 100" doc:"An expression over value, key, headers, topic, partition, offset and timestamp that gives true or false, such as (value.amount ?? 0) > 100."`
}

// expression is the predicate that when = "…" and unless = "…" stand for.
type expression struct {
	program *Program
	text    string
}

// Configure implements [plugin.Predicate].
func (p *expression) Configure(c plugin.Config) (err error) {
	var cfg expressionConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	p.text = c["expression"]
	p.program, err = CompileCondition(p.text)
	return At("expression", err)
}

// Test implements [plugin.Predicate].
func (p *expression) Test(r *record.Record) (bool, error) { return p.program.Test(r) }

// Demands implements [plugin.Demander].
func (p *expression) Demands() []*plugin.ConfigError {
	list := demands(p.text)
	for _, d := range list {
		d.Key = "expression"
	}
	return list
}

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
