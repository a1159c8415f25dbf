// Package record is the data model of Kafka Connect (org.apache.kafka.connect.data) as typed values: [Value], [Schema],
// [Record], and [Batch], the unit that moves.
//
// A value is 24 bytes and refers to the memory of its batch; a struct's fields are a slice in the order of its schema, so
// that a field is an index and not a hash; a schema is a pointer and never a value a record. The package knows neither
// JSON nor Kafka nor logging.
//
// Rules for callers: whoever holds a batch owns it; nothing of a batch is kept after it was handed on (a value that must
// live longer is copied by [Value.Clone]); a schema never changes once built. Built with the tag "invariants", a batch
// that was handed on is overwritten, so that breaking the first two rules shows.
package record
