// Package graph compiles flat maps to what runs: an immutable instance graph (pipeline → instance → tasks) and, inside a
// task, the chain from poll to producer or its mirror image.
//
// [Compile] is a list of passes over the graph under construction. Nothing changes a graph afterwards. A fingerprint
// changes when, and only when, the thing it stands for must restart.
package graph

import (
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
)

// Graph is every pipeline of a configuration, compiled.
type Graph struct {
	Instances []*Instance // in order of their names
	byName    map[string]*Instance
}

// Instance finds an instance by its connector name; nil when there is none.
func (g *Graph) Instance(name string) *Instance { return g.byName[name] }

// Fingerprint stands for everything that makes a running thing what it is.
type Fingerprint string

// Instance is a connector ready to be started.
type Instance struct {
	Name        string
	Role        plugin.Role       // SourceRole or SinkRole
	Plugin      plugin.Descriptor // of the connector
	Config      config.Map        // the whole flat map, as it is stored
	Settings    plugin.Config     // what the connector sees: the flat map as Kafka Connect hands it over, with secrets in the place of references
	TasksMax    int
	Enforce     bool    // more tasks than TasksMax are an error (Kafka Connect: tasks.max.enforce)
	Task        Task    // what all its tasks have in common
	Healing     Healing // of the instance and of its tasks
	Fingerprint Fingerprint
	Declared    *config.Declared // places for messages; nil when compiled from a store
}

// Task is the task graph: what a task puts around the plugin's own part.
type Task struct {
	Key, Value, Header Converter
	Chain              []Stage
	Errors             Errors
	DeadLetter         *DeadLetter       // of a sink; nil: none
	Topics             []string          // of a sink
	TopicsRegex        string            // of a sink; "" when Topics is set
	Creation           []TopicGroup      // of a source, in order, the default group last; nil: topics are not made
	Producer           map[string]string // client settings over the worker's
	Consumer           map[string]string
	Admin              map[string]string
	FlushInterval      time.Duration // between offset commits
	FlushTimeout       time.Duration // for one
}

// Converter is a converter with its settings.
type Converter struct {
	Plugin    plugin.Descriptor
	Use       plugin.Use
	Settings  plugin.Config
	Class     string // as the flat map names it
	Inherited bool   // from the worker's defaults
}

// Stage is one transform of the chain.
type Stage struct {
	Name      string
	Plugin    plugin.Descriptor
	Target    plugin.Target
	Class     string // as the flat map names it, for messages and headers
	Settings  plugin.Config
	Predicate *Predicate // nil: applies to every record
	Negate    bool
}

// Predicate is a stage's condition; each stage makes its own instance of it.
type Predicate struct {
	Name     string
	Plugin   plugin.Descriptor
	Class    string
	Settings plugin.Config
}

// Healing says how what has failed is started again by itself (decision D9). The zero value is never.
type Healing struct {
	Attempts int           // most in a row
	Delay    time.Duration // before the first attempt; doubles with each
	DelayMax time.Duration // longest; what then runs as long counts as healed
}

// Errors is the error policy of a task (KIP-298).
type Errors struct {
	TolerateAll   bool
	RetryTimeout  time.Duration // 0: no retries; negative: for ever
	RetryDelayMax time.Duration
	Log           bool
	LogMessages   bool
}

// DeadLetter is where a sink sends the records that it cannot work on.
type DeadLetter struct {
	Topic    string
	Replicas int
	Headers  bool // add headers that tell the context
}

// TopicGroup says how topics that do not exist are made (KIP-158).
type TopicGroup struct {
	Name       string
	Include    []string // patterns that the whole topic name must match; empty in the default group
	Exclude    []string
	Partitions int // -1: the broker's default
	Replicas   int // -1: the broker's default
	Configs    map[string]string
}
