#!/usr/bin/env bash
# Runs real workers of a cluster on a genuine Kafka of their own, gives them bad input, and kills and freezes them:
# engine/internal/clustertest. Needs Java 17 and Maven.
#
# Arguments are for go test.
#   CLUSTER_TIME         for how long workers are killed and frozen; 10m
#   CLUSTER_SEED         of a run that shall be repeated
#   CLUSTER_FIGURES      when it is set, TestFigures measures
#   CLUSTER_CONNECTORS   how many connectors it makes; 1000
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/penstock-cluster.XXXXXX")
finish() {
	scripts/kafka.sh stop "$work"
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

make -s build
scripts/kafka.sh start "$work" >/dev/null
ENGINE_TEST_JARS=$(scripts/kafka.sh jars)
export ENGINE_TEST_JARS ENGINE_TEST_CLUSTER=$work ENGINE_TEST_BINARY=$PWD/bin/engine CLUSTER_TIME=${CLUSTER_TIME:-10m}
[ -n "${CLUSTER_FIGURES:-}" ] || [ "$CLUSTER_TIME" = 0 ] || echo "cluster: three workers are killed and frozen for $CLUSTER_TIME"
go test -v -count=1 -timeout 60m "$@" ./engine/internal/clustertest
