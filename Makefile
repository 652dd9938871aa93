# Every target is one or a few ordinary go commands; `make help` lists them.

# The one place for the versions of the tools. Each tool is built outside the
# repository, into a directory of its own.
STATICCHECK_VERSION := v0.8.2
GREMLINS_VERSION := v0.6.0
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kafkavet
STATICCHECK := $(TOOLS)/$(STATICCHECK_VERSION)/staticcheck
GREMLINS := $(TOOLS)/gremlins-$(GREMLINS_VERSION)/gremlins

# Packages under testdata are left out by ./... and named here.
TESTDATA := ./testdata/corpus ./testdata/bench ./testdata/recall ./testdata/truth
# Modules of their own, so that what they need does not become a dependency.
MODULES := testdata/generate testdata/live testdata/lab
# What releases are built for.
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

FUZZTIME ?= 60s
CORPUS ?= corpus
MANDIR ?= man
BENCHFLAGS ?=
LABFLAGS ?=
MUTATE ?= decode/*.go decode/*/*.go report/rules*.go reassembly/*.go reassembly/*/*.go
TRUTH ?=

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := build
.PHONY: help build man test attack live live-bench lab race lint mutate fuzz bench microbench golden corpus captures recall picture truth modules tidy cross clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build ./kafkavet
	go build -trimpath -o kafkavet .

man: ## write the man pages to MANDIR (./man)
	mkdir -p $(MANDIR)
	go run -tags man . man $(MANDIR)

test: ## run the tests
	go test ./...

race: ## run the tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 20m ./...

lint: $(STATICCHECK) ## gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change:" $$unformatted; exit 1; fi
	go vet ./... $(TESTDATA)
	$(STATICCHECK) ./... $(TESTDATA)
	@set -e; for m in $(MODULES); do echo "lint $$m"; (cd $$m && go vet ./... && $(STATICCHECK) ./...); done

$(STATICCHECK):
	GOBIN=$(@D) go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)

mutate: $(GREMLINS) ## print the mutations of the files MUTATE that no test notices (hours for all of them)
	@set -e; for d in $(sort $(dir $(wildcard $(MUTATE)))); do \
		others=$$(for f in $$d*.go; do case " $(wildcard $(MUTATE)) " in *" $$f "*) ;; *) printf '|^%s$$' "$${f##*/}";; esac; done); \
		$(GREMLINS) unleash --workers 1 --timeout-coefficient 20 -E "/$$others" "./$$d"; \
	done

$(GREMLINS):
	GOBIN=$(@D) go install github.com/go-gremlins/gremlins/cmd/gremlins@$(GREMLINS_VERSION)

fuzz: ## run every fuzz target for FUZZTIME (60s, or a number of inputs: 10000x)
	@set -e; n=0; for p in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
			echo "fuzz $$p $$f"; n=$$((n+1)); \
			go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p; \
		done; \
	done; [ $$n -gt 0 ] || { echo "no fuzz target was found"; exit 1; }; echo "$$n fuzz targets"

bench: ## hold kafkavet against tcpdump and tshark on large captures (about 1.5 GB in the temporary directory)
	go run ./testdata/bench $(BENCHFLAGS)

microbench: ## run the Go benchmarks of all packages
	go test -run '^$$' -bench . -benchmem ./...

golden: ## write the golden files, decode/recorded.go, docs/findings.md and the printed parts of the README; read the diff before you commit
	go test . ./decode ./report ./report/write -run Golden -update

# The capture of docs/report.png, and the size of the page in pixels.
PICTURE := testdata/captures/confluent-go-2.6.0_broker-2.1.pcap
PICTURE_SIZE := 1000,1160

picture: build ## draw docs/report.png, the HTML report in the README (needs chromium)
	@page=$$(mktemp -d) && ./kafkavet analyze --fail-on never -q -o $$page/report.html $(PICTURE) && \
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=$(PICTURE_SIZE) \
		--screenshot=docs/report.png file://$$page/report.html 2>/dev/null && rm -r $$page && ls -l docs/report.png

corpus: ## write the captures of the benchmarks to CORPUS (./corpus)
	mkdir -p $(CORPUS)
	for k in bulk swarm open synflood; do go run ./testdata/corpus -kind $$k -o $(CORPUS)/$$k.pcap || exit 1; done

captures: ## make the small captures in testdata anew
	cd testdata/generate && go run .

recall: build ## print how many requests are still listed when packets are lost or cut short
	go run ./testdata/recall -kafkavet ./kafkavet

truth: build ## print how often findings are right, missed and false; TRUTH="DIR..." adds folders with a truth.json
	go run ./testdata/truth -v -kafkavet ./kafkavet testdata/captures $(TRUTH)

tidy: ## make go.mod and go.sum of all modules what the code needs
	go mod tidy
	@set -e; for m in $(MODULES); do (cd $$m && go mod tidy); done

modules: ## build and test the modules under testdata
	@set -e; for m in $(MODULES); do echo "test $$m"; (cd $$m && go build ./... && go test -count=1 ./...); done

attack: build ## run the attacks of the README, in namespaces and on full disks (needs root and a C compiler)
	go test -count=1 -tags planted . -run Planted
	go test -count=1 . -run 'Hostile|IdleConnections|Room|Filter|FuzzPipeline|ForgedSegments'
	cd testdata/live && CGO_ENABLED=1 go test -count=1 -tags root . -run 'Root|Power|Outputs|Killed|Disk|Saving|Idle|Flood'
	go run ./testdata/bench -only attacks -check -kafkavet ./kafkavet $(BENCHFLAGS)

live: ## watch real clients on loopback and in network namespaces (needs root and a C compiler)
	cd testdata/live && CGO_ENABLED=1 go vet -tags root ./... && CGO_ENABLED=1 go test -count=1 -tags root ./...

live-bench: build ## hold kafkavet sniff against tcpdump at full rate between two network namespaces (needs root)
	cd testdata/live && go run ./bench -kafkavet ../../kafkavet $(BENCHFLAGS)

lab: ## run real clients against real brokers and record them (needs root, Java 17 and the package registries; LABFLAGS)
	cd testdata/lab && go run . $(LABFLAGS)

cross: ## build for every platform of a release
	@set -e; for p in $(PLATFORMS); do echo "build $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go build -o /dev/null ./...; done

clean: ## remove what the other targets made in the repository
	rm -rf kafkavet kafkavet.exe corpus man
