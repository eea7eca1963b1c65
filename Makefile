# Two commands on a fresh machine: "make demo" shows the product, "make test"
# proves it. "make help" lists the rest.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.0.0-dev)
# grpcnotrace leaves golang.org/x/net/trace and its handlers out of both programs.
TAGS     := grpcnotrace
LDFLAGS  := -s -w -X main.version=$(VERSION)
BUILD     = CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags "$(LDFLAGS)"
TOOL     := $(GO) tool -modfile=.ci/tools.mod
SYSTEMS  := linux/amd64 windows/amd64 darwin/arm64
TESTTIME ?= 20m

SHELL := /bin/bash
export CGO_ENABLED ?= 0

.PHONY: help build build-nobehaviour demo test check generate fresh fmt vet lint rules unit race e2e vm bpf bench-capture bench-footprint crash canary kills mutation bench soak fuzz size packages repo test-packages test-deb test-windows test-ansible deps clean bench-fleet admx-schema test-msi

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

build: ## bin/discreet-agent and bin/discreet-gateway
	@mkdir -p bin
	$(BUILD) -o bin/discreet-agent ./cmd/agent
	$(BUILD) -o bin/discreet-gateway ./cmd/gateway

build-nobehaviour: ## bin/discreet-agent-nobehaviour: focus, activity and logon are not in it
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS),nobehaviour -ldflags "$(LDFLAGS)" -o bin/discreet-agent-nobehaviour ./cmd/agent

demo: build ## both programs on loopback, with real events; DEMO_SECONDS=20 ends it by itself
	@$(GO) run ./cmd/demo

test: deps check race e2e vm test-windows test-deb test-msi ## all that CI runs
	$(MAKE) mutation MUTANTS=40
	@echo "make test: all targets passed"

check: fmt vet lint rules fresh ## format, vet for every system, lint, import rules, generated files

fmt:
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }

vet:
	@for s in $(SYSTEMS); do echo "vet $$s"; GOOS=$${s%/*} GOARCH=$${s#*/} $(GO) vet -tags $(TAGS) ./... || exit 1; done

lint:
	$(TOOL) staticcheck -tags $(TAGS) ./...

rules: ## import rules, folders, sizes of files and functions, no printing of events
	$(GO) test -count=1 ./cmd

generate: ## the schema's code, the filter, the sample settings, what fleet tools take, docs/DATA.md and docs/configuration.md
	$(GO) run ./proto/gen/protos
	$(GO) generate ./configs
	$(GO) run ./packaging/fleet/gen
	$(GO) run ./docs/gen

test-windows: build ## the tests of Windows under Wine, with small counts; docs/platforms.md says what Wine cannot do
	GOOS=windows GOARCH=amd64 $(BUILD) -o bin/discreet-agent.exe ./cmd/agent
	$(GO) run ./.ci/wine test
	$(GO) run ./.ci/wine with $(GO) test -count=1 -timeout $(TESTTIME) -tags $(TAGS) -run Wine -v ./cmd/e2e

bpf: ## compiles the eBPF programs of collectors/*/bpf anew; go build needs no compiler for them
	@.ci/bpf

fresh: ## fails where a generated file is not what its source gives
	@.ci/fresh

race: ## every unit test, with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout $(TESTTIME) -tags $(TAGS) $$($(GO) list ./... | grep -v /cmd)

e2e: build ## both programs together: kills, bad input, the network, the demo
	$(GO) test -count=1 -timeout $(TESTTIME) -tags $(TAGS) -v ./cmd/... 2>&1 | grep -vE '^=== (RUN|PAUSE|CONT)'; exit $${PIPESTATUS[0]}

vm: ## Debian's kernel 6.1 under QEMU: eBPF programs, Wi-Fi on simulated radios
	@.ci/vm/run

crash: ## the spool's crash simulator, 20,000 power losses
	$(GO) test -count=1 -run Crash -v ./agent/spool

canary: build ## two people of random names: spool, decrypted wire, logs, bundle, crash, store searched for them
	$(GO) test -count=1 -timeout $(TESTTIME) -tags $(TAGS) -run 'TestCanaryRun|TestS08' -v ./cmd/e2e

kills: build ## 50 kill -9 of the agent and 50 of the gateway under load
	$(GO) test -count=1 -timeout $(TESTTIME) -tags $(TAGS) -run Kill -v ./cmd/e2e

mutation: ## breaks the value rules in each place, one at a time: each must turn a test red; prints the list (MUTANTS=40: a sample)
	$(GO) run ./.ci/mutation $(if $(MUTANTS),-quick -sample $(MUTANTS),-all)

bench: ## ns and allocations of the filter, bytes on the wire, spool and store
	$(GO) test -run '^$$' -bench . -benchmem -tags $(TAGS) ./privacy ./agent/uplink ./agent/spool ./gateway/...

bench-capture: build ## as root: what the sources of Linux see and cost, beside a gopsutil poller; SCALE=0.1 for a tenth
	$(GO) run ./cmd/capture -bin bin -scale $(or $(SCALE),1) -span 0

bench-footprint: build ## as root: what agents of several settings, the helper and the peers take at rest; SPAN=2m for less than 10 minutes
	$(GO) run ./cmd/capture -bin bin -only footprint -span $(or $(SPAN),10m)

bench-fleet: build ## 100 agents at one gateway, one file dropped on each: how long until the gateway knows that all follow (FLEET=100)
	DISCREET_FLEET=$(or $(FLEET),100) $(GO) test -count=1 -timeout $(TESTTIME) -tags $(TAGS) -run TestFleetFollows -v ./cmd/e2e

fuzz: ## every fuzz test for FUZZTIME (default 10s)
	@.ci/fuzz $${FUZZTIME:-10s}

soak: build ## the slow ones with large counts
	DISCREET_CRASHES=2000000 $(GO) test -count=1 -timeout 2h -run Crash -v ./agent/spool
	DISCREET_KILLS=1000 $(GO) test -count=1 -timeout 3h -tags $(TAGS) -run Kill -v ./cmd/e2e
	FUZZTIME=60s .ci/fuzz 60s
	DISCREET_WINE_BATCHES=2000 $(MAKE) test-windows
	$(MAKE) mutation

size: build ## the size of the programs, stripped
	@ls -l bin | awk 'NR>1 {printf "%-20s %.2f MiB\n", $$9, $$5/1048576}'

packages: ## dist/packages: deb, rpm and msi for amd64 and arm64, pkg for both, what fleet tools take, their sums and lists of parts; the same commit gives the same bytes
	@packaging/build deb rpm msi pkg fleet

test-deb: ## as root: the life of the debs alone, from install to purge; what "make test" runs of test-packages
	@VERSION=0.0.1 ONLY_AGENT=1 SYSTEMS=amd64 packaging/build --out dist/test/old deb
	@VERSION=0.0.2 SYSTEMS=amd64 packaging/build --out dist/test/new deb
	@packaging/boot packaging/lifecycle dist/test/old dist/test/new

repo: ## dist/repo: apt and dnf repositories of dist/packages; REPO_KEY=FILE signs them with that OpenPGP key
	@test -e dist/packages/SHA256SUMS || $(MAKE) packages
	@packaging/publish dist/packages dist/repo
	@find dist/repo -path '*dists*' -type f -o -path '*repodata*' -type f | sort

test-packages: ## as root: deb and rpm installed, upgraded, removed in a Debian container that boots systemd
	@VERSION=0.0.1 ONLY_AGENT=1 SYSTEMS=amd64 packaging/build --out dist/test/old deb rpm
	@VERSION=0.0.2 SYSTEMS=amd64 packaging/build --out dist/test/new deb rpm
	@packaging/boot packaging/lifecycle dist/test/old dist/test/new
	@packaging/boot packaging/lifecycle-rpm dist/test/old dist/test/new
	@packaging/boot packaging/lifecycle-repo dist/test/old dist/test/new

test-msi: ## the MSI under Wine: installed, enrolled at a real gateway, upgraded, removed; nothing is left, no log holds a token
	@if ! command -v wixl >/dev/null && [ "$(CI)" != true ]; then echo "skipped, the MSI: wixl is not here; hint: make deps"; exit 0; fi; \
	mkdir -p bin && $(BUILD) -o bin/discreet-gateway ./cmd/gateway && \
	VERSION=0.0.1 ONLY_AGENT=1 SYSTEMS=amd64 packaging/build --out dist/test/msi-old msi && \
	VERSION=0.0.2 SYSTEMS=amd64 packaging/build --out dist/test/msi-new msi && \
	GATEWAY_PROGRAM=$(CURDIR)/bin/discreet-gateway $(GO) run ./.ci/wine with packaging/lifecycle-msi dist/test/msi-old dist/test/msi-new

test-ansible: ## as root: the Ansible role, linted and run against a Debian container that boots systemd
	@.ci/deps ansible
	@cd packaging/ansible && ansible-lint --nocolor --offline --profile production site.yml test.yml roles/discreet_agent
	@VERSION=0.0.2 SYSTEMS=amd64 packaging/build --out dist/test/ansible deb
	@BASE=/var/tmp/discreet-ansible WITH=python3-minimal,python3-apt packaging/boot packaging/lifecycle-ansible dist/test/ansible

admx-schema: ## XSD=folder with Microsoft's PolicyDefinitionFiles.xsd, which is not ours to ship: asks it about the templates
	@packaging/admx-schema "$(XSD)"

deps: ## what the tests need beside Go: installed where root, else named
	@.ci/deps

clean:
	rm -rf bin .demo dist
