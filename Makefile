# Every target does its own set-up. A bare `make` prints them.
SHELL     := /bin/bash
GO        ?= go
FUZZTIME  ?= 30s
BENCHTIME ?= 1s
IMAGE     ?= seclog:dev
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help
.PHONY: help build demo test race fuzz bench lint docs check e2e faults image setup clean

help: ## print this list
	@echo "Seclog: make TARGET"
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## bin/out_seclog.so for Fluent Bit, bin/seclog for the command line
	@mkdir -p bin
	$(GO) build -buildmode=c-shared -trimpath -o bin/out_seclog.so .
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/seclog ./cmd/seclog
	@ls -l bin

demo: setup build ## real OpenSearch, attacks and secrets sent through the plugin, a report (KEEP=1 leaves it running)
	$(GO) run ./test/demo

test: setup ## vet and all tests, with the race detector
	$(GO) vet ./...
	$(GO) test -race -timeout 15m ./...

race: setup ## the product's tests alone, five times over, with the race detector
	$(GO) test -race -count=5 -timeout 30m ./plugin/... ./cmd/...

fuzz: setup ## each fuzz target for FUZZTIME (30s)
	@set -e; for pkg in $$($(GO) list ./...); do \
		list=$$($(GO) test -list '^Fuzz' $$pkg); \
		for f in $$(grep '^Fuzz' <<<"$$list" || true); do \
			echo "== $$pkg $$f"; \
			$(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

bench: setup ## ns and allocations a record, stage by stage, next to the naive way
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./plugin/... ./test/bench/...

lint: ## staticcheck, pinned in go.mod
	$(GO) tool staticcheck ./...

docs: ## write the tables and samples that are printed from the code
	$(GO) run ./plugin/config/gendocs

check: ## what a change must pass beside its tests: format, vet, lint, layout, docs
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "gofmt -w these:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -count=1 -run '^TestLayout' ./plugin
	$(GO) run ./plugin/config/gendocs -check
	git diff --exit-code

e2e: setup build ## the plugin through the C interface into a real OpenSearch
	$(GO) test -count=1 -timeout 15m -v ./test/e2e/...

faults: setup ## forty faults before real servers, each for as long as it says, and the count after each
	SECLOG_FAULTS=long SECLOG_NEED_SERVERS=1 SECLOG_SOAK=$${SECLOG_SOAK:-60s} $(GO) test -race -count=1 -timeout 90m -v -run "Faults|Soak" ./test/faults/...

image: ## container image $(IMAGE): Fluent Bit with the plugin
	@if command -v buildah >/dev/null; then set -x; buildah bud -t $(IMAGE) --build-arg VERSION=$(VERSION) .; \
	elif command -v docker >/dev/null; then set -x; docker build -t $(IMAGE) --build-arg VERSION=$(VERSION) .; \
	else echo "image: needs buildah or docker" >&2; exit 1; fi

setup:
	@bash test/setup

clean: ## remove what was built
	rm -rf bin coverage.out
