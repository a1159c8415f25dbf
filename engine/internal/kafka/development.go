package kafka

// DevelopmentCluster is the cluster id of every development broker (package engine/broker), in this process or another,
// by which clients know what they talk to.
const DevelopmentCluster = "penstock-development-broker"
