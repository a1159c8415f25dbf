package diff

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
)

// Effect is a consequence of an entry beyond the properties that change.
type Effect struct {
	Kind       EffectKind `json:"kind"`
	Text       string     `json:"text"`
	Danger     bool       `json:"danger,omitempty"` // records may be lost or repeated
	Connectors int        `json:"connectors,omitempty"`
	Tasks      int        `json:"tasks,omitempty"`
}

// EffectKind is a class of consequences.
type EffectKind string

// The kinds of effects.
const (
	Restart   EffectKind = "restart"
	Stop      EffectKind = "stop"
	State     EffectKind = "state"
	Where     EffectKind = "destination" // records go elsewhere
	Start     EffectKind = "start"       // reading begins elsewhere
	Shape     EffectKind = "shape"       // records look different
	Guarantee EffectKind = "guarantee"
	Replaced  EffectKind = "replace"
)

// effects says what the changes of one connector lead to.
func (cm *comparison) effects(e Entry, have, want config.Map) []Effect {
	var fs []Effect
	if e.Action == Replace {
		fs = append(fs, Effect{Kind: Replaced, Danger: true, Text: "is deleted and created again as a " + cm.role(want, "") + "; it begins anew"})
	}
	if len(e.Changes) > 0 {
		fs = append(fs, restarts(e, have, want))
	}
	if e.Target != "" {
		fs = append(fs, Effect{Kind: State, Text: map[config.Target]string{config.Started: "resumes", config.Paused: "pauses", config.Stopped: "stops"}[e.Target]})
	}
	changed := map[string]config.Change{}
	for _, c := range e.Changes {
		changed[c.Key] = c
	}
	fs = append(fs, destinations(changed)...)
	fs = append(fs, cm.starts(e, changed, have, want)...)
	fs = append(fs, shapes(changed)...)
	return append(fs, guarantees(changed, want)...)
}

func restarts(e Entry, have, want config.Map) Effect {
	f := Effect{Kind: Restart, Connectors: 1, Tasks: e.Tasks}
	f.Text = "restarts the connector and " + count(e.Tasks, "task", "tasks")
	switch before, after := tasksMax(have), tasksMax(want); {
	case after > before:
		f.Text += "; up to " + count(after-before, "task is added", "tasks are added")
	case after < e.Tasks:
		f.Text += "; " + count(e.Tasks-after, "task ends", "tasks end")
	}
	return f
}

// destinations are changes of where records go.
func destinations(changed map[string]config.Change) []Effect {
	var fs []Effect
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		c := changed[key]
		switch key {
		case "topic", "topic.prefix", config.DeadLetterTopic:
			if c.Had && c.Wants {
				fs = append(fs, Effect{Kind: Where, Text: fmt.Sprintf("records go to %q instead of %q (%s)", c.Want, c.Have, key)})
			}
		}
		name, isType := strings.CutSuffix(strings.TrimPrefix(key, config.Transforms+"."), ".type")
		if class := c.Have + c.Want; isType && strings.HasPrefix(key, config.Transforms+".") && (strings.Contains(class, "Router") || strings.Contains(class, "ExtractTopic")) {
			fs = append(fs, Effect{Kind: Where, Text: fmt.Sprintf("%q changes the topic of records", name)})
		}
	}
	return fs
}

// starts are changes of where reading begins.
func (cm *comparison) starts(e Entry, changed map[string]config.Change, have, want config.Map) []Effect {
	var fs []Effect
	if c, ok := changed[config.ConsumerPrefix+"group.id"]; ok {
		fs = append(fs, Effect{Kind: Start, Danger: true, Text: fmt.Sprintf("reads as group %q; where that has no offsets, from the %s", orDefault(c.Want, "connect-"+e.Name), reset(want))})
	}
	if _, ok := changed[config.OffsetsTopic]; ok {
		fs = append(fs, Effect{Kind: Start, Danger: true, Text: "its offsets are kept in another topic; where that has none, it starts again from the beginning and records are repeated"})
	}
	if e.Type == plugin.SinkRole.String() {
		for _, topic := range config.List(want[config.Topics]) {
			if !slices.Contains(config.List(have[config.Topics]), topic) && have != nil {
				fs = append(fs, Effect{Kind: Start, Text: fmt.Sprintf("topic %q is read from the %s", topic, reset(want))})
			}
		}
		return fs
	}
	for _, key := range cm.identifying(want) {
		if c, ok := changed[key]; ok && c.Had {
			fs = append(fs, Effect{Kind: Start, Danger: true, Text: key + " says what is read: where no offsets are kept for the new value, it is read from the beginning"})
		}
	}
	return fs
}

// identifying are the properties that say which partitions a source has: its plugin's, or the usual ones.
func (cm *comparison) identifying(m config.Map) []string {
	class := strings.TrimSpace(m[config.ConnectorClass])
	if strings.Contains(class, "FileStreamSource") || class == "file" {
		return []string{"file"}
	}
	return []string{"topic.prefix", "database.server.name", "table.whitelist", "table.include.list"}
}

// begins says where a connector that is created starts.
func (cm *comparison) begins(d *config.Declared) []Effect {
	switch d.Target {
	case config.Paused, config.Stopped:
		return []Effect{{Kind: State, Text: "is created " + strings.ToLower(string(d.Target))}}
	}
	return nil
}

func reset(m config.Map) string {
	if m[config.ConsumerPrefix+"auto.offset.reset"] == "latest" {
		return "end (auto.offset.reset = latest)"
	}
	return "beginning (auto.offset.reset = earliest)"
}

// shapes are changes of what records look like.
func shapes(changed map[string]config.Change) []Effect {
	var fs []Effect
	for _, part := range []struct{ key, name string }{{config.KeyConverter, "key"}, {config.ValueConverter, "value"}} {
		if c, ok := changed[part.key]; ok {
			fs = append(fs, Effect{Kind: Shape, Text: fmt.Sprintf("the format of the %s changes: %s → %s", part.name, converter(c.Have), converter(c.Want))})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		c := changed[key]
		if strings.HasPrefix(key, config.Transforms+".") && strings.HasSuffix(key, ".type") && strings.Contains(c.Have+c.Want, "$Key") ||
			strings.HasPrefix(key, config.Transforms+".") && strings.Contains(c.Have+c.Want, "ValueToKey") {
			fs = append(fs, Effect{Kind: Shape, Text: "the key changes: records may move to other partitions"})
			break
		}
	}
	return fs
}

// converter is a short name of a converter's class.
func converter(class string) string {
	if class == "" {
		return "the worker's"
	}
	return strings.TrimSuffix(class[strings.LastIndexByte(class, '.')+1:], "Converter")
}

// guarantees are changes of what may get lost.
func guarantees(changed map[string]config.Change, want config.Map) []Effect {
	var fs []Effect
	if c, ok := changed[config.ErrorsTolerance]; ok {
		switch silent := want[config.DeadLetterTopic] == "" && want[config.ErrorsLog] != "true"; {
		case c.Want == "all" && silent:
			fs = append(fs, Effect{Kind: Guarantee, Danger: true, Text: "failing records will be skipped silently"})
		case c.Want == "all":
			fs = append(fs, Effect{Kind: Guarantee, Text: "failing records are skipped instead of stopping the task"})
		default:
			fs = append(fs, Effect{Kind: Guarantee, Text: "a failing record stops the task"})
		}
	}
	if c, ok := changed[config.DeadLetterTopic]; ok && !c.Wants {
		fs = append(fs, Effect{Kind: Guarantee, Danger: true, Text: fmt.Sprintf("failing records are no longer kept in %q", c.Have)})
	}
	if c, ok := changed[config.ExactlyOnceSupport]; ok {
		fs = append(fs, Effect{Kind: Guarantee, Danger: c.Want != "required", Text: fmt.Sprintf("exactly-once delivery: %s → %s", orDefault(c.Have, "requested"), orDefault(c.Want, "requested"))})
	}
	if c, ok := changed[config.ProducerPrefix+"acks"]; ok && c.Want != "all" && c.Want != "-1" && c.Wants {
		fs = append(fs, Effect{Kind: Guarantee, Danger: true, Text: fmt.Sprintf("acks = %s: records may be lost when a broker fails", c.Want)})
	}
	return fs
}

// stops says what a deletion does.
func stops(name string, l *Connector) Effect {
	kept := fmt.Sprintf("Its offsets stay in the cluster under the name %q; a connector of that name would continue from them.", name)
	return Effect{Kind: Stop, Tasks: l.Tasks, Text: count(l.Tasks, "task stops", "tasks stop") + ". " + kept}
}

func orDefault(value, def string) string {
	if value == "" {
		return def
	}
	return value
}

// tasksMax is how many tasks a configuration allows; 1 when it does not say, or says something silly.
func tasksMax(m config.Map) int {
	n, err := strconv.Atoi(strings.TrimSpace(m[config.TasksMax]))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
