// Package broker is the development broker: a single Kafka-speaking node in this process with its data in a folder, for
// working on pipelines without a Kafka. It is franz-go's kfake with guards around it; it is not Apache Kafka and does not
// replace one (docs/development-broker.md says what differs).
//
// The guards (decision D5): it listens on loopback only; topics are made by request, never by being mentioned; every write
// is synced; a topic is held to a gigabyte; one process at a time owns a folder, and data of another version is moved
// aside, not read; transactional ids are refused; on a disk that is nearly full it takes no more records, and says so.
// Answers of kfake on which Java's clients break are replaced by those of a real broker.
//
// It is a room of its own so that who embeds the engine as a library does not link a broker.
package broker
