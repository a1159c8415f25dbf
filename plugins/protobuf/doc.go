// Package protobuf is the converter of Confluent's Schema Registry for Protobuf, io.confluent.connect.protobuf.ProtobufConverter:
// the same schemas, the same bytes and the same data as its ProtobufData, over codecs of its own.
//
// A schema is a file. compile makes descriptors of its text, or of the base64 of a descriptor, with all that it imports; it
// is the only place that knows protocompile. derive makes a file for a Connect schema, which is printed as Confluent's library
// prints it, since a registry compares texts, and then compiled like any other. connect makes a Connect schema of a message.
// A writePlan writes values of a Connect schema as a message, a messagePlan reads a message into values; both are made once
// and followed for every record. Types that contain themselves have no end in Protobuf and must have one in a Connect schema:
// they are unrolled as far as a schema of a reasonable size allows, and what nests deeper is refused.
package protobuf
