// Package clustertest runs real workers of a cluster on a genuine Kafka and does to them what happens in the night: kills and
// freezes at random, a broker that restarts, a leader that dies between writing and committing (decision D11); topics that are
// deleted, permissions that are missing, records that cannot be read. It also measures them beside Kafka Connect. It has tests
// only, which are skipped unless `make cluster-test` has started the broker and says so in the environment.
package clustertest
