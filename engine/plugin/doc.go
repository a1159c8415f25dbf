// Package plugin is the contract between the engine and what is plugged into it: sources, sinks, transforms, predicates
// and converters, each told by a [Descriptor] and found in a [Registry].
//
// The contract keeps seven properties, so that a plugin can one day run in a process of its own: a [Spec] is data, and
// settings cross as text, never as a decoded struct; batches, not records, are the unit of a call; a batch is owned by
// one side at a time and nobody keeps it; the [Host] is small and none of its methods returns what a plugin waits for;
// errors that mean something are marked ([Retry], [Permanent], [ConfigError]), not told apart by a plugin's own types;
// contexts are the only cancellation; a plugin has no package state and knows of no others. Package plugintest holds the
// suites that every plugin passes, plain and through a serialising loopback.
//
// What a plugin must do stands in the role's interface; what it may do are the one-method interfaces beside it, such as
// [Committer] and [Validator], found by assertion.
package plugin
