# The one door. `make` alone lists the targets; each works alone in a fresh clone and makes .venv itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

# Architectures are named as Kubernetes and Debian name them.
ARCH := $(subst aarch64,arm64,$(subst x86_64,amd64,$(shell uname -m)))
AGENT := dist/machineadm-linux-$(ARCH).pyz

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

# The locks decide; a changed lock or pyproject.toml makes the environment anew in place.
$(STAMP): build/locks/dev.txt pyproject.toml crdgen/crdlint/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement build/locks/dev.txt
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --ignore-requires-python \
	  --editable . --editable crdgen/crdlint
	@touch $@

.PHONY: setup .venv
setup: $(STAMP) ## make .venv from the locks
.venv: $(STAMP)

.PHONY: lint
lint: $(STAMP) ## ruff, mypy --strict, import contracts
	@status=0; for check in 'ruff check' 'ruff format --check' mypy 'lint-imports --no-logo'; do \
	  echo "$$check"; $(BIN)/$$check || status=1; done; exit $$status

.PHONY: fmt
fmt: $(STAMP) ## format and fix what can be fixed
	$(BIN)/ruff check --fix --exit-zero --quiet
	$(BIN)/ruff format

.PHONY: test
test: lint pytest ## lint, then the tests that need pip and Debian packages alone

.PHONY: pytest
pytest: $(STAMP) $(AGENT) ## the tests of `make test`, without lint
	MACHINEADM_AGENT=$(AGENT) $(BIN)/python -m pytest --numprocesses auto

.PHONY: crds
crds: $(STAMP) ## write crds/, docs/reference/ and the agent's own data from the types
	$(BIN)/python -m crdgen

.PHONY: upstream
upstream: $(STAMP) ## renew tests/upstream, Kubernetes' own types that ours are compared with
	directory=$$(mktemp -d) && trap 'rm -r "$$directory"' EXIT && \
	  $(BIN)/python -m pip download --quiet --no-deps --only-binary :all: --require-hashes \
	    --requirement build/locks/upstream.txt --dest "$$directory" && \
	  $(BIN)/python -m tests.upstream "$$directory"/*.whl

# Six pinned packages (26 MB) instead of all that a developer needs; WHEELS=DIR: from a directory, without a network.
BUILDER := .venv-builder
WHEELS ?=
$(BUILDER)/.stamp: build/locks/builder.txt
	$(PYTHON) -m venv $(BUILDER)
	$(BUILDER)/bin/python -m pip install --quiet $(if $(WHEELS),--no-index --find-links='$(WHEELS)') \
	  --require-hashes --requirement build/locks/builder.txt
	@touch $@

.PHONY: package
package: $(AGENT) ## build the agent as one file: dist/machineadm-linux-ARCH.pyz (ARCH=amd64 or arm64)
# The commit is in the build id, so a commit makes it anew too.
COMMIT := $(wildcard $(shell git rev-parse --git-path logs/HEAD 2>/dev/null))
SOURCES := $(shell find machineadm -type f -not -name '*.pyc')
$(AGENT): $(BUILDER)/.stamp $(wildcard build/*.py) build/locks/runtime.txt LICENSE $(SOURCES) $(COMMIT)
	$(BUILDER)/bin/python build/package.py --arch $(ARCH) $(if $(WHEELS),--wheels '$(WHEELS)') --output $@

# For authors of plugins too, whose sources are elsewhere.
PLUGIN ?=
REQUIREMENTS ?=
.PHONY: plugin
plugin: $(BUILDER)/.stamp ## pack a plugin in Python as one file: PLUGIN=SCRIPT or DIRECTORY (OUTPUT=FILE, REQUIREMENTS=LOCK, ARCH=arm64)
	@$(if $(PLUGIN),,$(error PLUGIN=... names the plugin's script or directory))$(BUILDER)/bin/python build/plugin.py \
	  --arch $(ARCH) $(if $(OUTPUT),--output '$(OUTPUT)') $(if $(REQUIREMENTS),--requirements '$(REQUIREMENTS)') \
	  $(if $(WHEELS),--wheels '$(WHEELS)') '$(PLUGIN)'

SHIPPED := $(filter-out plugins/__init__.py,$(wildcard plugins/*.py))
.PHONY: plugins
plugins: $(BUILDER)/.stamp ## pack the plugins that ship with a release: dist/plugins
	@set -e; for each in $(SHIPPED); do name=$$(basename $$each .py); name=$${name//_/-}; \
	  $(BUILDER)/bin/python build/plugin.py --arch $(ARCH) $(if $(WHEELS),--wheels '$(WHEELS)') \
	    --output dist/plugins/linux-$(ARCH)/machineadm-plugin-$$name $$each; done

PREFIX ?= /usr/local
.PHONY: install
install: $(AGENT) ## install the agent as PREFIX/bin/machineadm (PREFIX=/usr/local, DESTDIR=)
	install -D --mode=755 $(AGENT) '$(DESTDIR)$(PREFIX)/bin/machineadm'

.PHONY: man deb rpm
man: $(STAMP) ## make dist/machineadm.8, the manual page
	@mkdir -p dist
	$(BIN)/python build/manual.py > dist/machineadm.8
deb: $(AGENT) $(STAMP) ## pack the agent with its manual page and completions for dpkg: dist/machineadm_*.deb
	$(BIN)/python build/system_package.py deb --agent $(AGENT) --arch $(ARCH) dist
rpm: $(AGENT) $(STAMP) ## the same for rpm, by rpmbuild (no RPM system ran it): dist/machineadm-*.rpm
	$(BIN)/python build/system_package.py rpm --agent $(AGENT) --arch $(ARCH) dist

.PHONY: release
release: $(BUILDER)/.stamp ## make dist/release/vX.Y.Z: agents, plugins, bills of materials, provenance, definitions
	$(BUILDER)/bin/python build/release.py $(if $(WHEELS),--wheels '$(WHEELS)')

.PHONY: verify-release
verify-release: $(BUILDER)/.stamp ## build the checked-out commit anew and compare: FILE=agent or plugin.pyz (WHEELS=DIR: no network)
	@$(if $(FILE),,$(error FILE=... names the agent that is verified))$(BUILDER)/bin/python build/verify_release.py $(if $(WHEELS),--wheels '$(WHEELS)') '$(FILE)'

.PHONY: wheels
wheels: $(BUILDER)/.stamp ## gather all wheels that a build needs in dist/wheels, for WHEELS=dist/wheels
	$(BUILDER)/bin/python build/wheels.py dist/wheels

# KEY is a URI; the key itself never stands in a make variable or on a command line.
RELEASE ?= dist/release/v$(shell sed -n 's/^VERSION = "\(.*\)"$$/\1/p' machineadm/version.py)
.PHONY: sign
sign: $(STAMP) ## sign the release that `make release` made: KEY=file:PATH, env:NAME or pkcs11:... (RELEASE=DIR)
	@$(BIN)/python -m signing sign '$(RELEASE)' $(if $(KEY),--key '$(KEY)') \
	  $(if $(PASSPHRASE_FILE),--passphrase-file '$(PASSPHRASE_FILE)') \
	  $(if $(wildcard signing/machineadm.pub),--public signing/machineadm.pub)

TO ?=
CHANNEL ?= stable
.PHONY: publish
publish: $(STAMP) ## publish the signed release: TO=gs://BUCKET/PREFIX, s3://..., or a directory; KEY=URI (CHANNEL=stable, ENDPOINT=URL)
	@$(BIN)/python -m signing publish '$(RELEASE)' --to '$(TO)' --channel '$(CHANNEL)' \
	  $(if $(wildcard signing/machineadm.pub),--public signing/machineadm.pub) \
	  $(if $(ENDPOINT),--endpoint '$(ENDPOINT)') $(if $(KEY),--key '$(KEY)') \
	  $(if $(PASSPHRASE_FILE),--passphrase-file '$(PASSPHRASE_FILE)')

.PHONY: bundle
bundle: $(STAMP) ## make one signed file of the signed release, for sites without a network: KEY=URI (WHEELS=DIR)
	@$(BIN)/python -m signing bundle '$(RELEASE)' --output 'dist/machineadm-$(notdir $(RELEASE))-offline.tar.gz' \
	  $(if $(wildcard signing/machineadm.pub),--public signing/machineadm.pub) \
	  $(if $(WHEELS),--wheels '$(WHEELS)') $(if $(KEY),--key '$(KEY)') \
	  $(if $(PASSPHRASE_FILE),--passphrase-file '$(PASSPHRASE_FILE)')

.PHONY: run
run: $(AGENT) ## build the agent and bootstrap examples/control-plane.yaml into a scratch root below .run/
	PYTHON=$(PYTHON) build/run.sh $(AGENT) examples/control-plane.yaml .run

.PHONY: bench
bench: $(STAMP) $(AGENT) ## what the agent costs, as ratios beside what cannot be avoided (JSON=FILE keeps it, COMPARE=FILE says what got slower)
	$(BIN)/python -m tests.bench $(AGENT) $(if $(JSON),--json $(JSON)) $(if $(COMPARE),--compare $(COMPARE))

# MACHINEADM_CORPUS=DIR names configurations of other people, which are no part of the repository.
.PHONY: corpus
corpus: $(STAMP) ## convert, plan, apply and compare every configuration of MACHINEADM_CORPUS=DIR (Go: Cluster API's renderer)
	-tests/judges/build.sh cluster-api >/dev/null
	MACHINEADM_MUTATED=10000 $(BIN)/python -m pytest -q -p no:cacheprovider tests/unit/conversion/test_total.py tests/unit/conversion/test_mutated.py
	$(BIN)/python -m tests.corpus

.PHONY: requirements
requirements: $(STAMP) ## the proposal's requirements and the tests that prove them
	$(BIN)/python -m tests.requirements

.PHONY: size
size: $(STAMP) ## the ten longest functions and files
	$(BIN)/python -m tests.size

.PHONY: lock
lock: ## renew the locks from PyPI (build/locks/*.in say what is wanted)
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet 'uv==0.13.8'
	set -e; cd build/locks; for name in runtime builder controller dev conformance 'upstream --no-deps'; do set -- $$name; \
	  ../../.venv-lock/bin/uv pip compile --quiet --no-config --upgrade --universal \
	    --python-version 3.10 --generate-hashes --custom-compile-command 'make lock' \
	    $$2 --output-file $$1.txt $$1.in; done
	rm -rf .venv-lock

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(VENV) $(BUILDER) .venv-lock .run dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

-include tests/real.mk
