# Every target is one or a few go commands; `make help` lists them.

# The versions of the tools. Each tool is built into its own directory outside the repository.
STATICCHECK_VERSION := v0.8.2
GREMLINS_VERSION := v0.6.0
GORELEASER_VERSION := v2.15.1
CYCLONEDX_VERSION := v1.10.0
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kafkavet
STATICCHECK := $(TOOLS)/$(STATICCHECK_VERSION)/staticcheck
GREMLINS := $(TOOLS)/gremlins-$(GREMLINS_VERSION)/gremlins
GORELEASER := $(TOOLS)/goreleaser-$(GORELEASER_VERSION)/goreleaser
CYCLONEDX := $(TOOLS)/cyclonedx-gomod-$(CYCLONEDX_VERSION)/cyclonedx-gomod

# ./... does not include the packages under testdata.
TESTDATA := ./testdata/bench ./testdata/recall ./testdata/truth
# Separate modules, so that their dependencies are not kafkavet's.
MODULES := testdata/generate testdata/live testdata/lab testdata/chart

FUZZTIME ?= 60s
CORPUS ?= corpus
MANDIR ?= man
BENCHFLAGS ?=
LABFLAGS ?=
MUTATE ?= decode/*.go decode/*/*.go report/rules*.go reassembly/*.go reassembly/*/*.go
TRUTH ?=

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := build
.PHONY: help build man test attack live live-bench lab race lint mutate fuzz bench microbench golden corpus captures recall picture truth modules tidy alerts release clean

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
	CGO_ENABLED=1 GOGC=400 GOMEMLIMIT=1GiB go test -race -timeout 20m ./...

lint: $(STATICCHECK) ## gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change:" $$unformatted; exit 1; fi
	go vet ./... $(TESTDATA)
	$(STATICCHECK) ./... $(TESTDATA)
	@set -e; for m in $(MODULES); do echo "lint $$m"; (cd $$m && go vet ./... && $(STATICCHECK) ./...); done

$(STATICCHECK):
	GOBIN=$(@D) go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)

mutate: $(GREMLINS) ## print the mutations of the files MUTATE that no test detects (hours for all files)
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

bench: ## compare kafkavet with tcpdump and tshark on large captures (needs about 1.5 GB in the temporary directory)
	go run ./testdata/bench $(BENCHFLAGS)

microbench: ## run the Go benchmarks of all packages
	go test -run '^$$' -bench . -benchmem ./...

golden: ## write the golden files, docs/findings.md and the printed parts of the README; then read the diff
	go test . ./report ./report/write -run Golden -update

# The capture of docs/report.png, and the size of the page in pixels.
PICTURE := testdata/captures/confluent-go-2.6.0_broker-2.1.pcap
PICTURE_SIZE := 1000,1160

picture: build ## draw docs/report.png, the HTML report in the README (needs chromium)
	@page=$$(mktemp -d) && ./kafkavet analyze --fail-on never -q -o $$page/report.html $(PICTURE) && \
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=$(PICTURE_SIZE) \
		--screenshot=docs/report.png file://$$page/report.html 2>/dev/null && rm -r $$page && ls -l docs/report.png

corpus: ## write the captures of the benchmarks to CORPUS (./corpus)
	mkdir -p $(CORPUS)
	for k in bulk swarm open synflood; do go run ./testdata/bench -write $$k -o $(CORPUS)/$$k.pcap || exit 1; done

captures: ## make the small captures in testdata again
	cd testdata/generate && go run .

recall: build ## print how many requests are listed when packets are lost or cut
	go run ./testdata/recall -kafkavet ./kafkavet

truth: build ## print how many findings are right, missed and false; TRUTH="DIR..." adds folders with a truth.json
	go run ./testdata/truth -v -kafkavet ./kafkavet testdata/captures $(TRUTH)

tidy: ## update go.mod and go.sum of all modules
	go mod tidy
	@set -e; for m in $(MODULES); do (cd $$m && go mod tidy); done

modules: ## build and test the modules under testdata
	@set -e; for m in $(MODULES); do echo "test $$m"; (cd $$m && go build ./... && go test -count=1 ./...); done

attack: build ## run the attacks of the README, in namespaces and on full disks (needs root and a C compiler)
	go test -count=1 -tags planted . -run Planted
	go test -count=1 . -run 'Hostile|IdleConnections|SlowReaders|Room|Filter|FuzzPipeline'
	cd testdata/live && CGO_ENABLED=1 go test -count=1 -tags root . -run 'Root|Power|Outputs|Killed|Disk|Saving|Idle|Flood'
	go run ./testdata/bench -only attacks -check -kafkavet ./kafkavet $(BENCHFLAGS)

live: ## test sniff and run with real clients on loopback and in network namespaces (needs root and a C compiler)
	cd testdata/live && CGO_ENABLED=1 go vet -tags root ./... && CGO_ENABLED=1 go test -count=1 -tags root ./...

live-bench: build ## compare kafkavet sniff with tcpdump at full rate between two network namespaces (needs root)
	cd testdata/live && go run ./bench -kafkavet ../../kafkavet $(BENCHFLAGS)

lab: ## record real clients and real brokers (needs root, Java 17 and the package registries; LABFLAGS)
	cd testdata/lab && go run . $(LABFLAGS)

alerts: ## check and test the alerts of Prometheus (needs promtool)
	promtool check rules deploy/prometheus/kafkavet.rules.yml
	promtool test rules deploy/prometheus/kafkavet.rules.test.yml

# goreleaser does not know commit and date in a clone without a remote.
release: export COMMIT = $(shell git rev-parse HEAD)
release: export DATE = $(shell TZ=UTC git show -s --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd HEAD)
release: export SOURCE_DATE_EPOCH = $(shell git show -s --format=%ct HEAD)
# The version of a release: the tag of this commit, or else the number in version.go with -dev.
VERSION ?= $(or $(patsubst v%,%,$(shell git describe --tags --exact-match 2>/dev/null)),$(shell sed -n 's/^const number = "\(.*\)"/\1/p' version.go)-dev)

release: $(GORELEASER) $(CYCLONEDX) ## make all files of a release in dist, and publish nothing
	rm -rf package && mkdir -p package/completion
	$(MAKE) --no-print-directory man MANDIR=package/man
	for f in package/man/*.1; do gzip -9 -n -c $$f > $$f.gz || exit 1; done
	go build -trimpath -o package/kafkavet .
	for s in bash fish; do package/kafkavet completion $$s > package/completion/kafkavet.$$s || exit 1; done
	package/kafkavet completion zsh > package/completion/_kafkavet
	deploy/package/changelog $(VERSION) | gzip -9 -n > package/changelog.gz
	VERSION=$(VERSION) PATH=$(dir $(CYCLONEDX)):$$PATH $(GORELEASER) release --snapshot --clean
	go run ./deploy/image -version $(VERSION) -commit $$COMMIT -date $$SOURCE_DATE_EPOCH -o dist/kafkavet_$(VERSION)_image.tar \
		amd64=dist/kafkavet_linux_amd64_v1/kafkavet arm64=dist/kafkavet_linux_arm64_v8.0/kafkavet
	cd dist && sha256sum $$(find . -maxdepth 1 -type f -name 'kafkavet_*' -printf '%f\n' | sort) > checksums.txt && cat checksums.txt

$(GORELEASER):
	GOBIN=$(@D) go install github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION)

$(CYCLONEDX):
	GOBIN=$(@D) go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

clean: ## remove the files that other targets made in the repository
	rm -rf kafkavet kafkavet.exe corpus man package dist
