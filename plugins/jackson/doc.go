// Package jackson reads and writes JSON text as Jackson 2 does, which Kafka Connect's and Confluent's converters are made
// with: its limits, its leniency about UTF-8, its escapes. [Scanner] reads, AppendString and AppendPlain write; of
// schemas only [Logical] knows.
package jackson
