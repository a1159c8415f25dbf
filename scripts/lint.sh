#!/usr/bin/env bash
# gofmt, go vet and golangci-lint. The linter's version is pinned here; it is built once into a cache outside the tree.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.15.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/penstock/golangci-lint-$version

unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
	echo "not formatted (run gofmt -w):"
	echo "$unformatted"
	exit 1
fi
go vet ./...

if [ ! -x "$cache/golangci-lint" ]; then
	echo "building golangci-lint $version into $cache (once)"
	GOBIN=$cache GOFLAGS= go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$version"
fi
"$cache/golangci-lint" run --allow-parallel-runners ./...
