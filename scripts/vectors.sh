#!/usr/bin/env bash
# Runs all recorded cases of testdata/vectors and prints how many passed, failed and were skipped, each skip with its reason.
# A case counts once, whichever tests run it, and only if a test does.
set -euo pipefail
cd "$(dirname "$0")/.."

files=$(grep -rlE --include='*_test.go' 'vector\.Run' . | sort)
packages=$(xargs -n1 dirname <<<"$files" | sort -u)
# shellcheck disable=SC2086 # one word a file
tests=$(awk '/^func Test/ { sub(/\(.*/, "", $2); test = $2 } /vector\.Run/ { print test }' $files | sort -u | paste -sd'|')
work=$(mktemp -d "${TMPDIR:-/tmp}/penstock-vectors.XXXXXX")
trap 'rm -rf "$work"' EXIT
status=0
# shellcheck disable=SC2086 # one word a package
VECTORS_REPORT=$work/report "${GO:-go}" test -count=1 -v -run "^($tests)$" $packages >"$work/log" 2>&1 || status=$?
if [ "$status" -ne 0 ]; then
	grep -E '^ *(--- FAIL|FAIL)|got |want ' "$work/log" || cat "$work/log"
fi

# Cases that no test runs: all but the schemas that messages of others refer to.
for file in testdata/vectors/*.jsonl; do
	name=${file##*/}
	[ "$name" = wire-referenced.jsonl ] || grep -oE '^\{"(id|name)": ?"[^"]+"' "$file" | sed -E 's/.*: ?"(.*)"/\1/' | sed "s/^/$name	/"
done | sort -u >"$work/all"

awk -F'\t' '
	function file_ends() {
		if (file != "") printf "%s: %d passed, %d failed, %d skipped%s\n", file, passed, failed, skipped, reasons
		all_passed += passed; all_failed += failed; all_skipped += skipped
		passed = failed = skipped = 0; reasons = ""
	}
	{ key = $1 "\t" $2 }
	NR == FNR { # what was run; a case that one test skips and another runs was run
		if (!(key in outcome) || $3 == "failed" || outcome[key] == "skipped") { outcome[key] = $3; reason[key] = $4 }
		next
	}
	$1 != file { file_ends(); file = $1 }
	outcome[key] == "passed" { passed++; next }
	outcome[key] == "failed" { failed++; next }
	outcome[key] == "skipped" { skipped++; reasons = reasons "\n  " $2 ": " reason[key]; next }
	{ failed++; reasons = reasons "\n  " $2 ": no test runs it" }
	END {
		file_ends()
		printf "%d passed, %d failed, %d skipped\n", all_passed, all_failed, all_skipped
		if (all_skipped * 100 > all_passed + all_failed + all_skipped) { print "more than 1 % are skipped"; exit 1 }
		exit all_failed > 0
	}
' "$work/report" "$work/all" || status=1
exit "$status"
