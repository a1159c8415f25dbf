#!/usr/bin/env bash
# Prints the path of a Python that has a client, which the first run fetches into a folder outside the tree: Confluent's, or
# with "connect" one of Kafka Connect's REST API. Says on standard error why there is none, and fails.
set -euo pipefail

case "${1:-confluent}" in
confluent)
	package=confluent-kafka extras='[avro,json,protobuf,schemaregistry]' version=2.16.1
	what="Confluent's Python client against the embedded Schema Registry"
	;;
connect)
	package=kafka-connect-api extras='' version=0.5.10
	what="a Python client of Kafka Connect's REST API"
	;;
esac
home="${XDG_CACHE_HOME:-$HOME/.cache}/penstock/$package-$version"

none() {
	echo "compat: left out, since $1: $what" >&2
	exit 1
}

if [ ! -e "$home/complete" ]; then
	command -v python3 >/dev/null || none "there is no python3"
	rm -rf "$home"
	mkdir -p "$(dirname "$home")"
	python3 -m venv "$home" >&2 || none "this python3 cannot make a venv"
	"$home/bin/pip" install --quiet --disable-pip-version-check "$package$extras==$version" >&2 ||
		none "pip cannot install $package $version"
	touch "$home/complete"
fi
echo "$home/bin/python"
