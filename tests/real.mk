# The doors that need real programs: Go to build the judges, root and podman for machines with systemd.
# Everything built is kept in $MACHINEADM_CACHE (default ~/.cache/machineadm), outside the checkout.

.PHONY: judges
judges: ## build the real programs that judge what we write (Go; minutes once)
	tests/judges/build.sh

FLAVOURS := bookworm bookworm-cloud trixie-cloud
.PHONY: stage
stage: ## build the roots of the test machines (root, Debian; three minutes once)
	tests/machine/machine.sh prereq
	for flavour in $(FLAVOURS); do tests/machine/machine.sh build $$flavour || exit; done

.PHONY: roots
roots: ## build the small Debian roots with other Pythons, openssl, curl and wget (root, Debian; two minutes once)
	tests/roots/roots.sh prereq
	tests/roots/roots.sh build

# Beside the tests' own libraries, in the same environment.
STORES := $(VENV)/.stamp-conformance
$(STORES): build/locks/conformance.txt $(STAMP)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement build/locks/conformance.txt
	@touch $@

# Without Go, root or podman the tests that need them skip and say so in one table at the end;
# with MACHINEADM_REQUIRE_REAL=1 each is a failure.
.PHONY: conformance
conformance: $(STAMP) $(STORES) $(AGENT) ## real kubeadm, the components' own validation and a machine with systemd judge us
	-tests/judges/build.sh >/dev/null
	-$(MAKE) --no-print-directory stage roots >/dev/null
	-$(MAKE) --no-print-directory package ARCH=arm64
	MACHINEADM_AGENT=$(AGENT) $(BIN)/python -m pytest tests/conformance -q -p no:cacheprovider -n 2 --dist loadfile

# A door of its own: each root runs all of the tests, a quarter of an hour for both.
.PHONY: suites
suites: $(STAMP) ## all tests of `make test` as an ordinary user of stock Debian 12 and 13 (root, Debian)
	-$(MAKE) --no-print-directory roots >/dev/null
	$(BIN)/python -m pytest tests/suites -q -p no:cacheprovider

# Two of our own are made by `make conformance`; here with a second disk, by Ignition and of an older image, too.
.PHONY: twins
twins: $(STAMP) $(AGENT) ## machines made twice, by cloud-init from Cluster API's user data and by us (root, Debian, Go; MACHINEADM_CORPUS)
	MACHINEADM_TWINS=1 MACHINEADM_AGENT=$(AGENT) $(BIN)/python -m pytest tests/conformance/test_same_machine.py -q -p no:cacheprovider

# A door of its own: a browser is 400 MB of packages.
.PHONY: browser
browser: $(STAMP) ## the page and the picture of `status` in Debian's chromium (root, Debian)
	$(BIN)/python -m pytest tests/browser -q -p no:cacheprovider

.PHONY: e2e
e2e: $(STAMP) $(AGENT) ## a real cluster of three machines, a real API server (root, Debian, Go; 15 minutes once, then minutes)
	MACHINEADM_AGENT=$(AGENT) $(BIN)/python -m pytest tests/e2e -q -s -p no:cacheprovider

.PHONY: peers
peers: $(STAMP) ## others that our plugins meet: go-plugin 1.6.0, an engine of Vault's SDK, plugincontainer on podman (Go; minutes once)
	GO_PLUGIN=1.6.0 $(BIN)/python -m pytest tests/conformance/test_go_plugin.py tests/conformance/test_vault.py \
	  tests/conformance/test_plugin_containers.py -q -p no:cacheprovider

# The compiler is as new as the library that reads what it writes; it needs no other package of ours. What is in Go is
# generated where there is Go.
PROTO := .venv-proto
PROTOC = PATH="$(CURDIR)/$(PROTO)/bin:$$PATH" $(PROTO)/bin/python -m grpc_tools.protoc
GO_OUT = --go_out=$(1) --go_opt=module=$(2) --go-grpc_out=$(1) --go-grpc_opt=module=$(2)
PLUGIN_PROTO := machineadm/plugins/proto
.PHONY: proto
proto: ## generate machineadm/plugins/proto, the tests' service and the example in Go from the .proto files
	$(PYTHON) -m venv $(PROTO)
	$(PROTO)/bin/python -m pip install --quiet 'grpcio-tools==1.85.1'
	$(PROTOC) -I . --python_out=. --pyi_out=. $(PLUGIN_PROTO)/*.proto tests/peers/probe/probe.proto
	if command -v go >/dev/null; then set -e; \
	  GOBIN="$(CURDIR)/$(PROTO)/bin" go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11; \
	  GOBIN="$(CURDIR)/$(PROTO)/bin" go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.0; \
	  $(PROTOC) -I tests/peers/probe $(call GO_OUT,tests/peers/go-plugin,machineadm.dev/tests/peers/go-plugin) probe.proto; \
	  $(PROTOC) -I . $(call GO_OUT,examples/plugins/go/pluginv1,machineadm.dev/plugin/v1) \
	    $(PLUGIN_PROTO)/plugin.proto $(PLUGIN_PROTO)/encryption_provider.proto; \
	fi
	rm -rf $(PROTO)

SECONDS ?= 60
.PHONY: fuzz
fuzz: $(STAMP) ## damaged inputs for every reader of what others write (SECONDS=60 for each)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

SAMPLE ?= 0
.PHONY: torture
torture: $(STAMP) $(AGENT) ## kill, or fail, every system call of a run that changes something, then run again (root, Debian, strace; an hour; SAMPLE=200)
	$(BIN)/python -m tests.torture $(AGENT) --sample $(SAMPLE)

MINUTES ?= 10
.PHONY: stress
stress: $(STAMP) $(AGENT) ## users of the machine race a run in every directory that is theirs (root, Debian; MINUTES=10)
	$(BIN)/python -m tests.stress $(AGENT) --minutes $(MINUTES)

# A version's judge is built from its own Go modules, and kept by what shapes it; the first build of each takes minutes.
.PHONY: verdicts
verdicts: $(STAMP) ## thousands of cases of each kind judged by each version's own programs, for the table of docs/verdict.md (Go; minutes a version once)
	tests/judges/build.sh $$($(BIN)/python -m tests.verdict_table --judges) >/dev/null
	$(BIN)/python -m tests.verdict_table
