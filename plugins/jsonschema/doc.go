// Package jsonschema is the converter of Confluent's Schema Registry for JSON Schema,
// io.confluent.connect.json.JsonSchemaConverter: the same schemas, the same bytes and the same data as its JsonSchemaData, over
// codecs of its own.
//
// The text of a schema is a tree of [node]s. A loader makes [shape]s of it, which are the classes of the library
// everit-json-schema: what Confluent's converter makes of a schema follows from them, and so does the order of fields, which
// is that of Java's hash tables. A connector makes a Connect schema of shapes, a deriver the text of a schema of a Connect
// schema. Values are read and written by plans that follow from the Connect schema alone and are made once. Types that refer
// to themselves have no end in JSON Schema and must have one in a Connect schema: they are unrolled as far as a schema of a
// reasonable size allows, and what nests deeper is refused.
package jsonschema
