#!/usr/bin/env bash
# Runs on a genuine Kafka what the other tests run on a fake one, and the engine beside a genuine Kafka Connect: starts both,
# runs every package whose tests take their Kafka from kafkatest or the environment, and stops them. Needs Java 17 and
# Maven, and Python for clients of others; where they are missing it says what it left out.
set -euo pipefail
cd "$(dirname "$0")/.."

# These bring their own broker and registry, so they need no Java.
if ENGINE_TEST_PYTHON=$(scripts/python.sh); then
	export ENGINE_TEST_PYTHON
	echo "compat: clients of others, Python's among them, against the embedded Schema Registry"
	make -s build
	go test -count=1 -run "^(TestPythonClient|TestKnownFilesAreGenuine)\$" ./engine/registry/...
	ENGINE_TEST_BINARY=$PWD/bin/engine go test -count=1 -run "^(TestPythonToSink|TestSourceToPython|TestFranzGoExchange)\$" ./engine/internal/compat
fi

# So does what import promises; `make check` tries a hundred configurations.
echo "compat: ${HCL_CHECKS:=100000} random configurations as HCL and back"
go test -count=1 -timeout 60m -run '^TestGeneratedTextIsExact$' ./hcl -rapid.checks="$HCL_CHECKS"

left_out() {
	echo "compat: left out, since $1: the Kafka suites on a genuine Kafka and the comparisons with Kafka Connect"
	exit 0
}

command -v java >/dev/null || left_out "there is no java"
java=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
[ "${java:-0}" -ge 17 ] || left_out "this java is older than 17"
command -v mvn >/dev/null || left_out "there is no mvn"

work=$(mktemp -d "${TMPDIR:-/tmp}/penstock-compat.XXXXXX")
finish() {
	scripts/kafka.sh stop "$work"
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

make -s build
scripts/kafka.sh start "$work" standalone >"$work/environment"
echo "ENGINE_TEST_BINARY=$PWD/bin/engine" >>"$work/environment"
echo "ENGINE_TEST_JARS=$(scripts/kafka.sh jars)" >>"$work/environment"
if python=$(scripts/python.sh connect); then
	echo "ENGINE_TEST_CONNECT_PYTHON=$python" >>"$work/environment"
fi
mvn -q -f testdata/java/connect-client/pom.xml dependency:build-classpath -Dmdep.outputFile="$work/client.classpath"
echo "ENGINE_TEST_CONNECT_CLIENT=$(cat "$work/client.classpath")" >>"$work/environment"
command -v kcat >/dev/null || echo "compat: left out, since there is no kcat: its commands on the development broker"
set -a
# shellcheck source=/dev/null
. "$work/environment"
set +a

# Of the commands' tests most need no Kafka.
mapfile -t packages < <(grep -rlE --include='*_test.go' 'penstock/engine/internal/kafka/kafkatest"|"ENGINE_TEST_KAFKA"' . | xargs -n1 dirname | grep -vx ./cmd/engine | sort -u)
echo "compat: ${packages[*]}"
echo "compat: on Kafka at $ENGINE_TEST_KAFKA, beside Kafka Connect at $ENGINE_TEST_CONNECT"
seed=${ENGINE_TEST_SEED:-$(date +%s)} # of everything random below
failed=0
go test -v -count=1 -p 1 -shuffle=on -timeout 15m "${packages[@]}" >"$work/suites.log" 2>&1 || failed=1
go test -v -count=1 -timeout 15m -run '^(TestRecordedCasesOfACluster|TestThreeWorkersShareTheirWork|TestTopicsThatAWorkerMustNotUse|TestTheConfigTopicTellsOfEveryChange|TestAConfigTopicThatIsNotThere)$' ./cmd/engine >>"$work/suites.log" 2>&1 || failed=1
if [ $failed = 1 ]; then
	grep -v '^=== \|^ *--- \(PASS\|SKIP\)\|needs a fake Kafka\|\[rapid\]' "$work/suites.log" || true
	for log in broker worker; do
		echo "compat: the end of the log of the $log:"
		tail -n 20 "$work/$log.log"
	done
fi
echo "compat: ${PROJECTS:=100} random projects, applied to Kafka Connect and to workers of ours, seed $seed"
ENGINE_TEST_PROJECTS=$PROJECTS ENGINE_TEST_SEED=$seed go test -v -count=1 -parallel 8 -timeout 60m -run '^TestRandomProjects' ./cmd/engine >"$work/projects.log" 2>&1 || failed=1
if [ $failed = 1 ]; then
	grep -v '^=== \|^ *--- \(PASS\|SKIP\)' "$work/projects.log" || true
fi
cat "$work/projects.log" >>"$work/suites.log"
mvn -q -f testdata/java/avro/pom.xml dependency:build-classpath -Dmdep.outputFile="$work/avro.classpath"
ENGINE_TEST_AVRO=$(cat "$work/avro.classpath") go test -v -count=1 -timeout 60m -run BesideJava ./plugins/avro \
	-rapid.checks="${AVRO_CHECKS:-2000}" -rapid.seed="$seed" >>"$work/suites.log" 2>&1 || failed=1
mvn -q -f testdata/java/protobuf/pom.xml dependency:build-classpath -Dmdep.outputFile="$work/protobuf.classpath"
ENGINE_TEST_PROTOBUF=$(cat "$work/protobuf.classpath") go test -v -count=1 -timeout 60m -run BesideJava ./plugins/protobuf \
	-rapid.checks="${PROTOBUF_CHECKS:-2000}" -rapid.seed="$seed" >>"$work/suites.log" 2>&1 || failed=1
if [ $failed = 1 ]; then
	sed -n '/TestBesideJava/,$p' "$work/suites.log"
fi
ENGINE_TEST_SEED=$seed ENGINE_TEST_RECORDS="${TRANSFORM_RECORDS:-100000}" go test -v -count=1 -timeout 60m -run BesideJava ./plugins >"$work/transforms.log" 2>&1 || failed=1
if [ $failed = 1 ]; then
	cat "$work/transforms.log"
fi
sed -n 's/.*\(seed [0-9]*: .* differences\).*/compat: transforms beside Java, \1/p' "$work/transforms.log"
cat "$work/transforms.log" >>"$work/suites.log"
mvn -q -f testdata/java/transforms/pom.xml dependency:build-classpath -Dmdep.outputFile="$work/others.classpath"
ENGINE_TEST_TRANSFORMS="$(cat "$work/others.classpath")${ENGINE_TEST_TRANSFORM_JARS:+:$ENGINE_TEST_TRANSFORM_JARS}" ENGINE_TEST_SEED=$seed \
	ENGINE_TEST_CASES="${OTHERS_CASES:-5000}" go test -v -count=1 -timeout 60m -run '^TestThirdPartyBesideJava$' ./plugins/transform >"$work/others.log" 2>&1 || failed=1
if [ $failed = 1 ]; then
	grep -v '^=== ' "$work/others.log"
fi
sed -n 's/.*--- SKIP: TestThirdPartyBesideJava\/\([^ ]*\).*/compat: left out, since its class is not there: \1/p; s/.*: \(seed [0-9]*: [0-9]* cases .*\)/compat: transforms of others beside Java, \1/p' "$work/others.log"
cat "$work/others.log" >>"$work/suites.log"
random=()
if [ "${CLUSTER_TIME:=2m}" = 0 ]; then
	echo "compat: workers of a cluster; left out, since CLUSTER_TIME is 0: that they are killed and frozen at random"
	random=(-skip '^TestRandomFailures$')
else
	echo "compat: workers of a cluster, also killed and frozen, for $CLUSTER_TIME"
fi
CLUSTER_TIME=$CLUSTER_TIME scripts/cluster.sh "${random[@]}" >"$work/cluster.log" 2>&1 || { failed=1; cat "$work/cluster.log"; }
cat "$work/cluster.log" >>"$work/suites.log"
echo "compat: random cases beside the classes of Kafka Connect, seed $seed"
ENGINE_TEST_SEED=$seed go test -v -count=1 -p 1 -timeout 90m -run '^TestBesideJava$' ./engine/record ./plugins/convert >"$work/random.log" 2>&1 || failed=1
if [ $failed = 1 ]; then
	grep -v '^=== ' "$work/random.log"
else
	sed -n 's/.*: \(seed [0-9]*: [0-9]* cases .*\)/compat: \1/p' "$work/random.log"
fi
cat "$work/random.log" >>"$work/suites.log"
count() { grep -c "^ *--- $1" "$work/suites.log" || true; }
grep '^ok\|^FAIL[[:space:]]' "$work/suites.log" || true
echo "compat: $(count PASS) passed, $(count FAIL) failed, $(count SKIP) skipped, which need a fake"
exit $failed
