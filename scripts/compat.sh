#!/usr/bin/env bash
# Runs on a genuine Kafka what the other tests run on a fake one: starts it, runs every package whose tests take their Kafka
# from kafkatest, and stops it. Needs Java 17 and Maven; where they are missing it says what it left out.
set -euo pipefail
cd "$(dirname "$0")/.."

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

scripts/kafka.sh start "$work" >"$work/environment"
set -a
# shellcheck source=/dev/null
. "$work/environment"
set +a

mapfile -t packages < <(grep -rl --include='*_test.go' 'penstock/engine/internal/kafka/kafkatest"' . | xargs -n1 dirname | sort -u)
echo "compat: ${packages[*]} on Kafka at $ENGINE_TEST_KAFKA"
failed=0
go test -v -count=1 -p 1 -shuffle=on -timeout 3m "${packages[@]}" >"$work/suites.log" 2>&1 || failed=1
if [ $failed = 1 ]; then
	grep -v '^=== \|^ *--- \(PASS\|SKIP\)' "$work/suites.log" || true
	echo "compat: the end of the broker's log:"
	tail -n 20 "$work/broker.log"
fi
count() { grep -c "^ *--- $1" "$work/suites.log" || true; }
grep '^ok\|^FAIL[[:space:]]' "$work/suites.log" || true
echo "compat: $(count PASS) passed, $(count FAIL) failed, $(count SKIP) skipped, which need a fake"
exit $failed
