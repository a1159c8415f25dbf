// Package transform holds the built-in transforms of Kafka Connect (org.apache.kafka.connect.transforms): the same
// settings, the same results, the same messages.
//
// A transform works out once per schema what it does to a record: the schema that comes out and the places of the fields
// that it touches. The result is kept under the schema's pointer, and under its structure for a schema that looks the
// same but is another object, so that an unchanged schema going in is an unchanged schema coming out and the converters
// behind it find what they keep. Per record there is then no look-up of names and no allocation: structs and maps are
// written into the memory of the batch, and values that came in are never changed.
//
// A record that a transform cannot work on stays as it was and is marked as failed.
package transform
