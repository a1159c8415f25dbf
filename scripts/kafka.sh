#!/usr/bin/env bash
# Starts and stops a genuine Apache Kafka and, on request, a genuine Kafka Connect worker beside it.
#
#   scripts/kafka.sh start DIR [standalone|distributed]   prints ENGINE_TEST_KAFKA=… and, with a worker, ENGINE_TEST_CONNECT=…
#   scripts/kafka.sh restart DIR                          the broker, on its data, at its address
#   scripts/kafka.sh stop DIR
#   scripts/kafka.sh jars                                 prints the folder of the jars, having fetched them if need be
#
# DIR holds all that they write: data, logs, and a pid file each. Ports are free ones of the loopback interface. What runs
# already in DIR is left running, and its address printed. DIR/broker.proxied has two addresses: clients that begin at the
# first are told of no other, and whoever listens there passes on to the second what they say. DIR/broker.secured is where
# clients log in as penstock, whom ACLs give what it may. CONNECTORS, in the environment, is a list of properties files
# with which a standalone worker begins. What is printed for people goes to standard error.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
templates=$root/testdata/kafka
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$templates/pom.xml")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/penstock/kafka-$version

say() { echo "kafka.sh: $*" >&2; }

# jars fetches what the pom names, once a pom: two that fetch at a time do not disturb each other.
jars() {
	local lib part
	lib=$cache/lib-$(cksum <"$templates/pom.xml" | cut -d' ' -f1)
	if [ ! -d "$lib" ]; then
		say "fetching Kafka $version into $lib (once)"
		mkdir -p "$cache"
		part=$(mktemp -d "$cache/part.XXXXXX")
		mvn -q -B -Dstyle.color=never -f "$templates/pom.xml" dependency:copy-dependencies -DoutputDirectory="$part" >&2
		if [ -d "$lib" ]; then # somebody else was first
			rm -rf "$part"
		else
			mv "$part" "$lib"
		fi
	fi
	echo "$lib"
}

# listens tells whether somebody answers on a port of the loopback interface.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# healthy tells whether a Connect worker on a port is ready for requests.
healthy() {
	local status
	{ exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
	printf 'GET /health HTTP/1.0\r\n\r\n' >&3
	read -r -t 5 status <&3 || status=
	exec 3>&-
	[[ $status == *" 200 "* ]]
}

# port prints a free port below those that systems give to outgoing connections.
port() {
	local p
	while p=$((12000 + (RANDOM << 15 | RANDOM) % 20000)) && listens "$p"; do :; done
	echo "$p"
}

# alive tells whether the process of a pid file runs, and is ours: its command line names the folder.
alive() {
	local pid
	pid=$(cat "$dir/$1.pid" 2>/dev/null) && ps -ww -o args= -p "$pid" 2>/dev/null | grep -qF -- "$dir/"
}

# launch runs a Java program in the background: launch NAME READY PORT CLASS ARGUMENTS… It returns when READY says of the
# port that the program is ready, and fails, with the end of the program's log, when that ends or takes two minutes.
launch() {
	local name=$1 ready=$2 port=$3 i
	shift 3
	nohup java -Xmx512M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.apache.logging.log4j.level="${LOG_LEVEL:-WARN}" \
		-cp "$lib/*" "$@" </dev/null >"$dir/$name.log" 2>&1 &
	echo $! >"$dir/$name.pid"
	for ((i = 0; i < 600; i++)); do
		alive "$name" || break
		if "$ready" "$port"; then
			return 0
		fi
		sleep 0.2
	done
	say "the $name did not start; the end of $dir/$name.log:"
	tail -n 20 "$dir/$name.log" >&2
	end "$name"
	return 1
}

# fill writes a template with its words replaced: fill TEMPLATE TARGET WORD=VALUE…
fill() {
	local template=$1 target=$2 commands=() pair
	shift 2
	for pair in "$@"; do
		commands+=(-e "s|\\b${pair%%=*}\\b|${pair#*=}|g")
	done
	sed "${commands[@]}" "$templates/$template" >"$target"
}

start_broker() {
	local broker proxy behind secured
	broker=$(port) proxy=$(port) behind=$(port) secured=$(port)
	rm -rf "$dir/broker"
	mkdir -p "$dir/broker"
	fill kraft.properties "$dir/kraft.properties" BROKER="$broker" PROXY="$proxy" BEHIND="$behind" SECURED="$secured" CONTROLLER="$(port)" DATA="$dir/broker"
	java -XX:TieredStopAtLevel=1 -cp "$lib/*" kafka.tools.StorageTool format -t PenstockGenuineKafkaAA -c "$dir/kraft.properties" \
		>"$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; return 1; }
	launch broker listens "$broker" kafka.Kafka "$dir/kraft.properties" || return 1
	echo "127.0.0.1:$broker" >"$dir/broker.address"
	echo "127.0.0.1:$proxy 127.0.0.1:$behind" >"$dir/broker.proxied"
	echo "127.0.0.1:$secured" >"$dir/broker.secured"
}

restart_broker() {
	local address
	address=$(cat "$dir/broker.address")
	lib=$(jars)
	end broker
	launch broker listens "${address##*:}" kafka.Kafka "$dir/kraft.properties" || return 1
	echo "$address" >"$dir/broker.address"
}

start_worker() {
	local mode=$1 rest broker class
	rest=$(port)
	broker=$(cat "$dir/broker.address")
	mkdir -p "$dir/worker"
	case $mode in
	standalone) class=ConnectStandalone ;;
	distributed) class=ConnectDistributed CONNECTORS= ;;
	*) say "CONNECT is standalone or distributed, not $mode"; return 2 ;;
	esac
	fill "$mode.properties" "$dir/worker.properties" BROKER="${broker##*:}" REST="$rest" DATA="$dir/worker"
	# shellcheck disable=SC2086 # a list
	launch worker healthy "$rest" org.apache.kafka.connect.cli.$class "$dir/worker.properties" ${CONNECTORS:-} || return 1
	echo "http://127.0.0.1:$rest" >"$dir/worker.address"
}

# start starts what does not run yet. Another process may take a port in the moment before ours does, hence the retries.
start() {
	local mode=${1:-}
	mkdir -p "$dir"
	lib=$(jars)
	alive broker || start_broker || start_broker || return 1
	echo "ENGINE_TEST_KAFKA=$(cat "$dir/broker.address")"
	if [ -n "$mode" ]; then
		alive worker || start_worker "$mode" || return 1
		echo "ENGINE_TEST_CONNECT=$(cat "$dir/worker.address")"
	fi
}

# end asks a process of ours to end, and ends it when it has not within ten seconds.
end() {
	local name=$1 pid i
	if alive "$name"; then
		pid=$(cat "$dir/$name.pid")
		kill "$pid" 2>/dev/null || true
		for ((i = 0; i < 50; i++)); do
			alive "$name" || break
			sleep 0.2
		done
		if alive "$name"; then
			kill -KILL "$pid" 2>/dev/null || true
		fi
	fi
	rm -f "$dir/$name.pid" "$dir/$name.address"
}

command=${1:-} dir=${2:-}
case $command in
jars) jars ;;
start | restart | stop)
	[ -n "$dir" ] || { say "which folder?"; exit 2; }
	dir=$(mkdir -p "$dir" && cd "$dir" && pwd)
	if [ "$command" = start ]; then
		start "${3:-}"
	elif [ "$command" = restart ]; then
		restart_broker
	else
		end worker
		end broker
	fi
	;;
*)
	sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" >&2
	exit 2
	;;
esac
