# A fresh machine needs Python 3.11 or newer, git and make; everything else comes with the first target that wants it.
PYTHON ?= python3
PYTEST_ARGS ?= -n 2 --dist loadgroup
LOCK_ARGS ?=
SIMULATE_ARGS ?= --schedules 1000000 --workers 2 --notebook .simulation.jsonl

BIN := .venv/bin
INSTALL := bin/python -m pip install --quiet --disable-pip-version-check
READY := .venv/.ready
PLUGINS := $(patsubst tests/plugins/%.txt,.plugins/%/.ready,$(wildcard tests/plugins/*.txt))

# The tests start thousands of Python processes. Each would compile us anew where Python is told to keep no bytecode.
export PYTHONDONTWRITEBYTECODE :=

.DELETE_ON_ERROR:
.PHONY: help test simulate demo lint types format plugins baseline lock clean check-python

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

test: $(READY) plugins ## run the tests: make test PYTEST_ARGS="tests/kernel -k merge"
	$(BIN)/python -m pytest $(PYTEST_ARGS)

simulate: $(READY) ## replay a million generated schedules of faults: make simulate SIMULATE_ARGS="--seconds 600"
	$(BIN)/python -m tests.simulation $(SIMULATE_ARGS)

demo: $(READY) ## show a sync of a CRM and a warehouse
	$(BIN)/antiphon demo

lint: $(READY) ## check style, format and the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

types: $(READY) ## check the types
	$(BIN)/mypy

format: $(READY) ## mend what a machine can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

plugins: $(PLUGINS) ## install the Singer plugins of the tests, each in its own environment

clean: ## remove every environment and cache
	rm -rf .venv .plugins .prerelease .lock .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .simulation.jsonl dist

# A changed lock builds its environment anew, so that it holds what the lock names and nothing else.
.venv/.locked: constraints.txt | check-python
	$(PYTHON) -m venv --clear .venv
	.venv/$(INSTALL) --require-hashes -r constraints.txt
	@touch $@

$(READY): .venv/.locked pyproject.toml
	.venv/$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.plugins/%/.ready: tests/plugins/%.txt | check-python
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/$(INSTALL) --require-hashes -r $<
	@touch $@

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo 'Antiphon needs Python 3.11 or newer; name one: make PYTHON=python3.13 ...' >&2; exit 1; }

# Versions and hashes for every Python and platform at once. Known pins stay: make lock LOCK_ARGS=--upgrade
COMPILE = .lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(LOCK_ARGS)

baseline: $(READY) ## write the ledger's first migration anew from its row classes
	$(BIN)/python -m tests.ledger.baseline

# Every extra but those of the clouds, whose drivers pull in half of PyPI and change weekly: a user's own lock has them.
EXTRAS := arrow demo duckdb mysql postgres salesforce-cdc

lock: | check-python ## write constraints.txt and the locks of the plugins
	$(PYTHON) -m venv .lock
	.lock/$(INSTALL) uv
	$(COMPILE) pyproject.toml $(EXTRAS:%=--extra %) --group build --group dev --group lint --group typing -o constraints.txt
	for plugin in $(wildcard tests/plugins/*.in); do $(COMPILE) $$plugin -o $${plugin%.in}.txt || exit; done
