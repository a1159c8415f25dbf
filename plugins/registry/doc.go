// Package registry is what the converters of a schema registry share: their settings, the names of subjects, the frame
// around a message, the steps by which a writer and a reader find a schema, and the client that asks and remembers. It is
// no plugin by itself. plugins/avro and its like bring a [Format] and embed a [Converter]:
//
//	data ─► Format.Derive ─► schema ─► subject ─► registry ─► id ─► Schema.Encoder ─┐
//	                                                                                ▼
//	                                    message:   0, id   (or a header)   [index]  payload
//	                                                                                │
//	data ◄─ Schema.Decoder ◄─ Format.Parse ◄─ text ◄─ registry ◄─ id ◄──────────────┘
//
// Everything is found once for a topic and a schema and then followed; a steady state asks nothing, locks nothing and
// allocates nothing. The steps are those of Confluent's AbstractKafkaSchemaSerDe and its subclasses, the words of errors too.
package registry
