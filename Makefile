# Everything a developer, CI or a demo needs. `make test` works on a bare Debian 12 or Ubuntu 24.04.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
UV := .uv/bin/uv
PYTEST := $(BIN)/pytest -n 2 --dist loadgroup
PYTEST_ARGS ?=

# The machine's own interpreter; none is fetched.
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help python venv lab lint test test-full test-fast demo bench screenshots clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

test: venv lab lint ## lint, types, architecture and all tests but the long forms
	$(PYTEST) $(PYTEST_ARGS)

test-full: venv lab lint ## the same with the long forms of fault and endurance tests
	$(PYTEST) --full $(PYTEST_ARGS)

test-fast: venv ## the tests that need no server
	$(PYTEST) -m "not lab" $(PYTEST_ARGS)

lint: venv ## style, types and architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/lab tests/conftest.py
	$(BIN)/lint-imports

demo: venv lab ## a small shop, its backups and its recovery, live (HEADLESS=1: no console)
	HEADLESS="$(HEADLESS)" $(BIN)/python -m tests.lab.demo

bench: venv lab ## measure backup and restore against the plain tools
	$(BIN)/python -m tests.benchmarks.run

screenshots: venv lab ## draw the console's screens into screenshots/
	$(BIN)/python -m tests.console.screenshots

lab: venv ## the lab's packages and images
	$(BIN)/python -m tests.lab prepare

venv: .venv/.synced ## the locked environment

.venv/.synced: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --python "$$(command -v $(PYTHON))"
	touch $@

$(UV): | python
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv

python:
	@if ! $(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y --no-install-recommends python3 python3-venv; \
	  else \
	    echo "needs Python 3.11 or newer with venv: as root, apt-get install python3 python3-venv" >&2; \
	    exit 1; \
	  fi; \
	fi

clean: ## stop what a crashed lab left, remove caches and the environments; the lab's images stay
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m tests.lab down; fi
	rm -rf .uv .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
