#!/usr/bin/env bash
# Prints the path of a Python that has Confluent's client, which the first run fetches into a folder outside the tree. Says
# on standard error why there is none, and fails.
set -euo pipefail

version=2.16.1
home="${XDG_CACHE_HOME:-$HOME/.cache}/penstock/confluent-kafka-$version"

none() {
	echo "compat: left out, since $1: Confluent's Python client against the embedded Schema Registry" >&2
	exit 1
}

if [ ! -e "$home/complete" ]; then
	command -v python3 >/dev/null || none "there is no python3"
	rm -rf "$home"
	mkdir -p "$(dirname "$home")"
	python3 -m venv "$home" >&2 || none "this python3 cannot make a venv"
	"$home/bin/pip" install --quiet --disable-pip-version-check "confluent-kafka[avro,json,protobuf,schemaregistry]==$version" >&2 ||
		none "pip cannot install confluent-kafka $version"
	touch "$home/complete"
fi
echo "$home/bin/python"
