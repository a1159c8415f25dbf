// Package vector reads the recorded cases of testdata/vectors: what the genuine Kafka Connect classes answered to a
// converter, a transform, a predicate or the data model. testdata/vectors/README.md describes their notation.
//
// [Run] runs a file's cases as sub-tests and counts them. [Typed] and [Record] turn the notation into engine/record and
// compare an answer with what was recorded; [Error] and [CompareBytes] do that for failures and for written bytes. What
// record.Value has no form for gives an [Unrepresentable], which Run counts as skipped and prints with its reason.
package vector
