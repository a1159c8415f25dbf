// Package registry is the embedded Schema Registry: Confluent's REST interface for Avro, Protobuf and JSON Schema, with its
// state in the topic _schemas of the development broker. It is for development and tests (decision D5), in a room of its
// own, so that whoever embeds the engine as a library does not link it.
//
// Start at [Start]. A call goes down this page:
//
//	http.go, routes.go, answers.go   paths, content types, error codes
//	registry.go                      what the calls do: register, look up, delete, modes, levels
//	state.go                         the image of the topic in memory
//	log.go, record.go                the topic, in the format of Confluent's KafkaStore
//	level.go                         what has to fit what; package schema parses, prints and compares
//
// Every write is a record on the disk of the broker before it is answered, and the image is nothing but the records applied
// in their order, so that a restart, or a genuine registry on the same records, sees the same.
package registry
