package kafka

import "github.com/penstock/penstock/engine/diag"

// DevelopmentCluster is the cluster id of every development broker (package engine/broker), in this process or another,
// by which clients know what they talk to.
const DevelopmentCluster = "penstock-development-broker"

// RefuseExactlyOnce is what to tell somebody who asks for exactly-once delivery on the development broker, nil for any
// other cluster. That broker does not fence a producer that has been replaced, so what it calls a transaction protects
// nothing; it refuses transactional ids by itself as well.
func RefuseExactlyOnce(clusterID string, at diag.Place) *diag.Diagnostic {
	if clusterID != DevelopmentCluster {
		return nil
	}
	d := diag.New(diag.NotAvailable, at, "Exactly-once delivery needs a real Kafka: the development broker has no transactions that could be relied on.\n\n"+
		"Set bootstrap_servers to a Kafka cluster, or leave exactly-once off while developing.")
	return &d
}
