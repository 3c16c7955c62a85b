# Weld Bridge. `make` alone says what there is.

TOOLS    := spec2toml toml2spec srpm2git rpmstore repogen
BIN      := build/bin
LIBEXEC  := build/libexec/weld-bridge
VERSION  := 0.1.0
GO       ?= go
GOBUILD  := CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X github.com/weld-linux/weld-bridge/internal/cli.Version=$(VERSION)"
GOTOOL   := $(GO) tool -modfile=.ci/tools.mod
FUZZTIME ?= 10s
DESTDIR  ?=
PREFIX   ?= /usr/local

S3SERVER := build/judges/versitygw

export WELD_BIN     := $(CURDIR)/$(BIN)
export WELD_LIBEXEC := $(CURDIR)/$(LIBEXEC)
export WELD_S3SERVER := $(CURDIR)/$(S3SERVER)

help: ## what there is (this)
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

deps: ## install what build, tests and demo need (apt or dnf, as root or through sudo)
	@$(GO) run ./compat-tests deps

build: tools encoders ## the five tools, and the encoder helpers beside them

tools: $(TOOLS:%=$(BIN)/%)

# go build knows best what is up to date.
.PHONY: $(TOOLS:%=$(BIN)/%)
$(TOOLS:%=$(BIN)/%):
	@mkdir -p $(BIN)
	$(GOBUILD) -o $@ ./$(@F)

include internal/pristine/encoders/encoders.mk

$(S3SERVER): .ci/s3server.mod
	CGO_ENABLED=0 $(GO) build -modfile=.ci/s3server.mod -o $@ github.com/versity/versitygw/cmd/versitygw

demo: deps build ## the main job on real input, from a fresh machine; what it made stays in build/demo
	$(GO) run ./compat-tests demo --work build/demo

test: deps build $(S3SERVER) ## every test, from a fresh machine
	CGO_ENABLED=0 $(GO) vet ./...
	CGO_ENABLED=0 $(GO) test ./...
	CGO_ENABLED=1 $(GO) test -tags ostreego ./internal/ostree/...

race: deps build $(S3SERVER) ## every test under the race detector
	CGO_ENABLED=1 $(GO) test -race ./...

fuzz: ## each fuzz test for FUZZTIME (10s)
	@for p in $$(grep -rl --include=*_test.go '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' $$p/*_test.go); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

bench: build ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

lint: ## gofumpt, vet, staticcheck and govulncheck, as pinned in .ci/tools.mod
	@test -z "$$($(GOTOOL) gofumpt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(GOTOOL) staticcheck ./...
	.ci/govulncheck

unstable: build ## rpm 6, createrepo_c 1.2 and dnf5 of Debian unstable read what we make, and we what they make
	compat-tests/live/rpm6.sh

compat: export WELD_RESULTS := $(CURDIR)/build/compat.jsonl
compat: export WELD_COMPAT := 1
compat: build ## part one's judges; then koji, mock, pungi, as installed or in WELD_KOJI, WELD_MOCK, WELD_PUNGI; build/compatibility.md
	@rm -f $(WELD_RESULTS); s=0; \
	$(GO) test -count=1 -v ./compat-tests || s=1; \
	compat-tests/live/rpm6.sh || s=1; \
	[ -z "$$WELD_SPECS" ] || compat-tests/live/specs.sh || s=1; \
	compat-tests/live/run.sh || s=1; \
	$(GO) run ./compat-tests matrix -o build/compatibility.md $(WELD_RESULTS) || s=1; exit $$s

docs: tools ## man pages and shell completions into build/
	@for t in $(TOOLS); do mkdir -p build/man build/completions/bash build/completions/zsh build/completions/fish && \
	  $(BIN)/$$t man build/man && \
	  $(BIN)/$$t completion bash >build/completions/bash/$$t && \
	  $(BIN)/$$t completion zsh >build/completions/zsh/_$$t && \
	  $(BIN)/$$t completion fish >build/completions/fish/$$t.fish || exit 1; done

install: build docs ## into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/weld-bridge $(DESTDIR)$(PREFIX)/share/man/man1 \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(TOOLS:%=$(BIN)/%) $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(LIBEXEC)/* $(DESTDIR)$(PREFIX)/libexec/weld-bridge
	install -m 644 build/man/* $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 build/completions/bash/* $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 build/completions/zsh/* $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 build/completions/fish/* $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

dist: ## the source archives of packaging/weld-bridge.toml into build/dist
	GO='$(GO)' packaging/dist.sh $(VERSION) build/dist

clean: ## remove build/
	rm -rf build

.DEFAULT_GOAL := help
.PHONY: help deps build tools demo test race fuzz bench lint unstable compat docs install dist clean
