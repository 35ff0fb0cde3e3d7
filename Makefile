# Everything a person needs; `make` alone shows the list.
GO      ?= .ci/go
LINT_AT := v2.15.0
LINT    := .bin/$(LINT_AT)/golangci-lint
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FAST    := ./internal/post ./internal/config ./internal/daemon ./internal/queue ./internal/vault/... ./internal/outbound/... ./internal/inbound/...

.PHONY: help demo story test chaos peers fuzz bench check lint race certs errors image

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "%-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## everything in one process on this machine, with invented people
	$(GO) run ./cmd/demo

story: ## play the main story once, print it, end
	$(GO) run ./cmd/demo -story

test: ## every test, with the real outside tools (installed on Debian when missing)
	.ci/install
	SIKKERPOST_FULL=1 .ci/with-postgres $(GO) test -timeout 30m ./...
	$(GO) test -timeout 30m ./internal/sim -run TestSeeds -seeds 10000

chaos: ## 10,000 letters under 100 kills, 10 PostgreSQL stops and 10 empty Redis: nothing lost, nothing twice
	.ci/install
	$(GO) run ./cmd/simulator chaos -letters 10000 -kill 100 -pgstop 10 -wipe 10 -within 2h

peers: ## retry and fallback policies of known senders beside ours, over the same 100,000 simulated worlds
	nice $(GO) test ./internal/sim -run TestPeers -peers 100000 -v -timeout 1h

FUZZTIME ?= 20s
FUZZONLY ?= .
fuzz: ## each fuzz target for 20 s, one at a time (FUZZTIME=600s for longer, FUZZONLY=memo for some); the seeds run in every test
	nice .ci/fuzz $(FUZZTIME) '$(FUZZONLY)'

bench: ## every speed goal beside its figures, in ratios within one run
	.ci/install
	@test -x .bin/pysaml2/bin/python || { python3 -m venv .bin/pysaml2 && .bin/pysaml2/bin/pip install -q pysaml2==7.5.5; } || \
		{ rm -rf .bin/pysaml2; echo "pysaml2 cannot be installed here: it will be left out"; }
	.ci/with-postgres $(GO) run ./cmd/internal/bench -go $(GO)

check: ## format, vet, modules, lint, race detector (no vulnerability scan: its database is not everywhere)
	.ci/install
	@bad=$$($$($(GO) env GOROOT)/bin/gofmt -l $$(git ls-files '*.go')); test -z "$$bad" || { echo "gofmt -w these: $$bad"; exit 1; }
	$(GO) vet ./...
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(MAKE) lint race

lint: $(LINT) ## golangci-lint, built from source
	$(LINT) run

race: ## the core under the race detector
	$(GO) test -race -timeout 30m $(FAST)

$(LINT):
	GOBIN=$(CURDIR)/.bin/$(LINT_AT) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_AT)

certs: ## keys and certificates for development, in certs/dev
	$(GO) run ./cmd/devcerts

errors: ## write docs/errors from the code
	$(GO) test ./internal -run TestEachErrorHasItsPage -update

image: ## container image with all programs
	docker build --build-arg VERSION=$(VERSION) -t sikkerpost:$(VERSION) .
