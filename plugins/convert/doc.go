// Package convert has the converters of Kafka Connect that need no registry: JSON, strings, bytes, numbers, booleans, and
// the header converter that guesses. They give the same bytes, the same data and the same words for what is wrong as
// Kafka Connect 4.3.1; testdata/vectors has what its classes answered.
//
// A converter belongs to one task. The JSON converter turns a schema, by its pointer, into a plan once and follows it for
// every record; texts refer to the message that was read, composites lie in the batch's arena, so that in a steady state
// neither way allocates.
package convert
