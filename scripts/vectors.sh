#!/usr/bin/env bash
# Runs all recorded cases of testdata/vectors and prints how many passed, failed and were skipped, each skip with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(grep -rlE --include='*_test.go' 'vector\.(Run|Lines)' . | xargs -n1 dirname | sort -u)
status=0
# shellcheck disable=SC2086 # one word a package
"${GO:-go}" test -count=1 -v $packages >/tmp/vectors.$$ 2>&1 || status=$?
trap 'rm -f /tmp/vectors.$$' EXIT
if [ "$status" -ne 0 ]; then
	grep -E '^ *(--- FAIL|FAIL)|got |want ' /tmp/vectors.$$ || cat /tmp/vectors.$$
fi
awk '
	match($0, /[a-z-]+\.jsonl: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped/) {
		line = substr($0, RSTART, RLENGTH); print line
		split(line, n, /[^0-9]+/); passed += n[2]; failed += n[3]; skipped += n[4]; reasons = 1; next
	}
	reasons && /^ +[0-9A-Za-z]+: / { print; next }
	{ reasons = 0 }
	END {
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		if (skipped * 100 > passed + failed + skipped) { print "more than 1 % are skipped"; exit 1 }
	}
' /tmp/vectors.$$ || status=1
exit "$status"
