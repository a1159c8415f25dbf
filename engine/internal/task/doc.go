// Package task runs one task of a pipeline: it moves records from a source to Kafka, or from Kafka to a sink, and does
// nothing else. Whether a task should run, and what happens after it failed, is for the worker.
//
// Start at [Task]. A source task is one goroutine that carries a batch from poll to producer (source.go), and a second
// one that stores what was delivered (commit.go). A sink task is one goroutine (sink.go). A batch moves by function
// calls; what comes back from the producer is counted (tracker.go), and the counting is the whole acknowledgement.
//
// Three contexts bound a task, because one would lose what was sent: life ends polling; send lasts for a share of the
// stop budget longer, since the producer drops what it holds for a context that is done; store lasts a little longer
// still and is that of offsets.
//
// It follows Kafka Connect's AbstractWorkerSourceTask, WorkerSourceTask, WorkerSinkTask, SubmittedRecords,
// RetryWithToleranceOperator and DeadLetterQueueReporter (4.3).
package task
