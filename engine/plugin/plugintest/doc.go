// Package plugintest holds what tests of plugins, and of those who run plugins, share.
//
// The conformance suites [Source], [Sink], [Transform], [Predicate] and [Converter] hold a plugin to the rules of package
// plugin; every plugin passes its suite plain and through [Loopback], which sends everything that crosses the contract
// through bytes and back. [ScriptedSource] and [RecordingSink] are fakes with behaviour and a journal for those who test
// the engine's side of the contract. [Host] and [Offsets] are the engine's side for those who test a plugin.
package plugintest
