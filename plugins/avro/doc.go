// Package avro is the converter of Confluent's Schema Registry for Avro, io.confluent.connect.avro.AvroConverter: the same
// schemas, the same bytes and the same data as its AvroData, over codecs of its own.
//
// A schema of Avro is a [node] tree: parse reads its text, derive makes one of a Connect schema, print writes it as Avro's
// Java library does, members in order, since a registry compares texts. connect makes a Connect schema of a tree. A writePlan
// writes values of a Connect schema as a tree, a readPlan reads what one tree wrote as another; both are made once and
// followed for every record. Types that refer to themselves have no end in Avro and must have one in a Connect schema: they
// are unrolled as far as a schema of a reasonable size allows, and what nests deeper is refused.
package avro
