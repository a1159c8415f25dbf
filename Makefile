# Penstock. `make help` lists what there is.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
GO      ?= go

.PHONY: help build run test race check gates vectors lint tidy fuzz bench bench-start bench-compare bench-cluster bench-programs bench-code golden reference kafka kafka-stop compat cluster-test clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/engine
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/engine ./cmd/engine

run: build ## build, then run the quickstart until Ctrl-C
	bin/engine run pipelines/quickstart

test: ## all tests; no service needed
	$(GO) test -timeout 30m ./...

race: ## all tests under the race detector, in random order
	$(GO) test -race -shuffle=on -timeout 30m ./...

check: lint tidy race gates ## what CI runs

vectors: ## what genuine converters and transforms answered: N passed, N failed, N skipped
	@scripts/vectors.sh

gates: ## gates on allocations, which the race detector would disturb
	$(GO) test -run Alloc $(shell grep -rl --include='*_test.go' '^func Test.*Alloc' . | xargs -n1 dirname | sort -u)

lint: ## gofmt, vet, linters
	@scripts/lint.sh

tidy: ## go.mod and go.sum say what the code needs
	$(GO) mod tidy -diff

fuzz: ## every fuzz target for FUZZTIME (20s) each
	@scripts/fuzz.sh

bench: bench-programs ## CPU, memory and allocations a record, beside the limit programs; docs/benchmark.md
	bin/bench/run $(BENCH)

bench-start: bench-programs ## from exec to the first record and to REST, and memory at rest
	bin/bench/run $(BENCH) start

bench-compare: bench-programs ## the same jobs beside a genuine Kafka Connect, on a genuine Kafka; needs Java and Maven
	bin/bench/run $(BENCH) compare

bench-cluster: ## three workers, and three of a genuine Kafka Connect: writes, additions, kills; needs Java and Maven
	@CLUSTER_FIGURES=1 scripts/cluster.sh -run '^TestFigures$$'

bench-programs:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/bench/ ./bench/broker ./bench/host ./bench/limit ./bench/run ./cmd/engine

bench-code: ## benchmarks beside the code
	$(GO) test -run '^$$' -bench . -benchmem ./...

golden: ## rewrite golden files from what the code says now
	$(GO) test ./hcl ./engine/config ./engine/graph ./engine/diff ./plugins/protobuf -update

reference: ## rewrite docs/reference from the plugins, codes and commands
	$(GO) test ./cmd/engine -run TestReferenceIsFresh -update

kafka: ## start a genuine Kafka; with CONNECT=standalone or distributed a Kafka Connect worker too
	@scripts/kafka.sh start .engine/kafka $(CONNECT)

kafka-stop: ## stop what `make kafka` started
	@scripts/kafka.sh stop .engine/kafka

compat: ## on a genuine Kafka and beside a genuine Kafka Connect; needs Java and Maven
	@scripts/compat.sh

cluster-test: ## three workers on a genuine Kafka, killed and frozen for CLUSTER_TIME (10m); needs Java and Maven
	@scripts/cluster.sh

clean: ## remove what was built
	rm -rf bin
