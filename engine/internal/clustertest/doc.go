// Package clustertest runs real workers of a cluster on a genuine Kafka and does to them what happens in the night: kills and
// freezes at random, a broker that restarts, a leader that dies between writing and committing (decision D11). It has tests
// only, which are skipped unless `make cluster-test` has started the broker and says so in the environment.
package clustertest
