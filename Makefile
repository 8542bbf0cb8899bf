# For people. What a change must pass is .ci/run; the README's own commands need no make.
GO       ?= go
LINT     := $(GO) tool -modfile=.tools/go.mod golangci-lint
ROOMS    := ./wal/... ./backlog/... ./engine/... ./replica/... ./server/... ./config/...
FUZZTIME ?= 30s
COUNT    ?= 20

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: ## build bin/replogd
	$(GO) build -o bin/replogd ./cmd/replogd

.PHONY: install
install: ## install replogd into GOBIN
	$(GO) install ./cmd/replogd

.PHONY: test
test: ## the README's tests
	$(GO) test ./...

.PHONY: race
race: ## the concurrent packages under the race detector
	$(GO) test -race $(ROOMS)

.PHONY: lint
lint: ## vet, golangci-lint and the architecture test
	$(GO) vet ./...
	$(LINT) run ./...
	$(GO) test -count=1 ./cmd/replogd

.PHONY: fmt
fmt: ## format all files
	$(LINT) fmt ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s)
	@set -e; for package in $$($(GO) list ./...); do \
	  for name in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "-- $$name ($$package)"; \
	    $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$package; \
	  done; \
	done

.PHONY: bench
bench: ## Go benchmarks of all packages (figures beside redis-server: make measure)
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: crash
crash: ## the crash and recovery tests, COUNT times (20)
	$(GO) test -run 'Crash|Torn|Recover|Damage|Disk|Kill' -count $(COUNT) -timeout 1h ./wal/... ./backlog/... ./engine/... ./replica/...

.PHONY: queues
queues: ## the tests of queues that are emptied by many clients, COUNT times (20)
	$(GO) test -run 'Queue|NoRowIsMissed' -count $(COUNT) -timeout 1h ./engine/...

.PHONY: diff
diff: ## the tests beside a real redis-server; they fail where it is missing
	REPLOGD_REQUIRE_REDIS=1 $(GO) test -count=1 ./config/... ./engine/... ./server/... ./cmd/...

.PHONY: e2e
e2e: ## real processes: tutorial, kill -9, bad input
	$(GO) test -count=1 -v ./cmd/replogd/e2e

.PHONY: e2e-long
e2e-long: ## the same at length: a minute of kill -9 per policy, 2 GB past a stopped replica, ten minutes of cut links
	REPLOGD_E2E_LONG=1 $(GO) test -count=1 -v -timeout 30m -run 'ChainUnderKill|StoppedReplica|LinksAreCut' ./cmd/replogd/e2e

.PHONY: measure
measure: ## figures beside redis-server on this machine (the machine should be idle)
	REPLOGD_MEASURE=1 $(GO) test -count=1 -v -timeout 2h -run Measure ./cmd/replogd/e2e

.PHONY: tidy-check
tidy-check: ## go.mod and go.sum hold what is needed, and no more
	$(GO) mod tidy -diff

.PHONY: ci
ci: ## everything that must hold, as on a bare machine
	.ci/run
