package config

import (
	"fmt"
	"strings"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// builtIn is the package of Kafka Connect's own transforms.
const builtIn = "org.apache.kafka.connect.transforms."

// effect is what a transform does to null, to text and to the form of what it works on.
type effect struct {
	onNull, onText outcome
	result         plugin.Form // of the target, where it differs
	changes        bool        // whether result says something
}

type outcome uint8

const (
	works outcome = iota
	nothing
	fails
)

// effects of Kafka Connect's transforms with variants. Other transforms of the package leave keys and values alone.
var effects = map[string]effect{ //nolint:gochecknoglobals // a literal
	"Cast":               {onNull: nothing, changes: true},
	"ExtractField":       {onNull: nothing, onText: fails, changes: true},
	"Flatten":            {onNull: nothing, onText: fails},
	"HeaderFrom":         {onNull: fails, onText: fails},
	"HoistField":         {result: plugin.Structured, changes: true},
	"InsertField":        {onNull: nothing, onText: fails},
	"MaskField":          {onNull: fails, onText: fails},
	"ReplaceField":       {onNull: nothing, onText: fails},
	"SetSchemaMetadata":  {onNull: nothing, onText: fails},
	"TimestampConverter": {onNull: nothing, changes: true},
}

// pointless follows what the source declares of its keys and values through the chain and warns of transforms that cannot
// work on it. It warns only where it is certain, so it stops at the first transform that it does not know.
func (c *checker) pointless() {
	forms := map[plugin.Target]plugin.Form{plugin.Key: c.connector.Shape.Key, plugin.Value: c.connector.Shape.Value}
	for _, s := range c.stages {
		name, ok := strings.CutPrefix(s.plugin.Class, builtIn)
		e, known := effects[name]
		switch {
		case !ok:
			return
		case name == "ValueToKey":
			c.works(s, plugin.Value, forms[plugin.Value], effect{onNull: fails, onText: fails})
			forms[plugin.Key] = after(s, forms[plugin.Key], plugin.Structured)
		case known:
			form := forms[s.target]
			c.works(s, s.target, form, onFields(s, name, e))
			if e.changes && (form != plugin.AlwaysNull || e.onNull == works) {
				forms[s.target] = after(s, form, e.result)
			}
		}
	}
}

// onFields narrows the effect of transforms that work on the whole or, with certain settings, on a field of it.
func onFields(s stage, name string, e effect) effect {
	if name == "Cast" && strings.ContainsRune(s.settings["spec"], ':') || name == "TimestampConverter" && strings.TrimSpace(s.settings["field"]) != "" {
		e.onText = fails
	}
	return e
}

// after is the form behind a stage; where a predicate decides, it is either.
func after(s stage, before, result plugin.Form) plugin.Form {
	if s.predicate && before != result {
		return plugin.AnyForm
	}
	return result
}

// works warns when a stage cannot work on what it meets. A predicate may see to it that a stage that would fail is never
// asked, but not that one that does nothing does something.
func (c *checker) works(s stage, target plugin.Target, form plugin.Form, e effect) {
	if !c.sound(strings.TrimSuffix(s.key, "type")) {
		return
	}
	var result outcome
	var what string
	switch form {
	case plugin.AlwaysNull:
		result, what = e.onNull, fmt.Sprintf("The %s is always null here", target)
	case plugin.PlainText:
		result, what = e.onText, fmt.Sprintf("The %s is plain text here", target)
	case plugin.AnyForm, plugin.Structured:
		return
	}
	switch {
	case result == nothing:
		c.warn(diag.PointlessTransform, s.key, "%s, so %q has nothing to work on.", what, s.plugin.Name)
	case result == fails && !s.predicate && form == plugin.PlainText:
		c.warn(diag.PointlessTransform, s.key, "%s, and %q works on fields, so every record would fail. A hoist_field before it makes a field of the text.", what, s.plugin.Name)
	case result == fails && !s.predicate:
		c.warn(diag.PointlessTransform, s.key, "%s, and %q cannot work on null, so every record would fail.", what, s.plugin.Name)
	}
}
