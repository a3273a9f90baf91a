# `make run` shows the gateway, `make test` checks it; both need only Python 3.11 or newer and make.
# pip and npm use the machine's own configuration: no index, proxy or cache is named here.

BIN := .venv/bin
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
JOBS ?= 4
MINUTES ?= 60
ARGS ?=

# Left behind by an install, so that the next `make` does not install again.
INSTALLED := .venv/.installed
INSTALLED_TEST := .venv/.installed-test
SOURCES_OF_INSTALL := pyproject.toml constraints.txt hatch_build.py
VENDORED = $(shell sed -n 's|^ *target="\(.*\)",|gateway/static/vendor/\1|p' hatch_build.py)

# The variables reach the build environment too, where `pip install -c` would not.
PIP_INSTALL := PIP_CONSTRAINT="constraints.txt $$PIP_CONSTRAINT" \
	PIP_BUILD_CONSTRAINT="constraints.txt $$PIP_BUILD_CONSTRAINT" \
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -qq

FIND_PYTHON = for python in $(PYTHON); do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	python=; \
done; \
test -n "$$python" || { echo "Python 3.11 or newer is needed and none of these is: $(PYTHON)" >&2; exit 1; }; \
"$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	echo "$$python has no venv module: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help run test lint types format faults soak bench screenshots constraints clean browser postgres vendor
.DELETE_ON_ERROR:

help: ## Show these lines
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 14

run: $(INSTALLED) vendor ## Install and start the demo on http://127.0.0.1:8000 (ARGS="--port 8001")
	@$(BIN)/gateway demo $(ARGS)

test: $(INSTALLED_TEST) vendor browser postgres lint types ## Install what the tests need; lint, types, all tests with coverage
	@$(BIN)/coverage erase
	@status=0; \
	$(BIN)/coverage run -m pytest -n $(JOBS) --dist worksteal $(ARGS) || status=$$?; \
	$(BIN)/coverage combine --quiet || status=$$?; \
	$(BIN)/coverage report || status=$$?; \
	exit $$status

lint: $(INSTALLED_TEST) ## Check style and format
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Some files are not formatted: make format" >&2; exit 1; }

types: $(INSTALLED_TEST) ## Check types
	@$(BIN)/mypy

format: $(INSTALLED_TEST) ## Format the code and repair what can be repaired
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

faults: $(INSTALLED_TEST) vendor browser ## Break it in every way, 45 minutes, into docs/reliability.md (ARGS="--seed 7 --rows 1,7")
	@$(BIN)/pytest -q -p no:cacheprovider -m fault --full -o faulthandler_timeout=600 --reliability=docs/reliability.md $(ARGS) tests

soak: $(INSTALLED_TEST) vendor ## A hundred viewers who come and go, and faults (MINUTES=60 ARGS="--seed 7")
	@$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) $(ARGS)

bench: $(INSTALLED_TEST) vendor ## Measure the fan-out against nchan and the usual way (ARGS="--workloads w1,w2")
	@$(BIN)/python -m bench.fanout $(ARGS)

screenshots: $(INSTALLED_TEST) vendor ## Take pictures of the pages into .screenshots and docs/pictures
	@$(BIN)/python -m bench.screenshots $(ARGS)

constraints: PYTHON = python3.11 # the oldest that we support: what it can install, all can
constraints: ## Renew constraints.txt with the newest versions that fit
	@$(FIND_PYTHON); \
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	"$$python" -m venv "$$folder/venv" && \
	"$$folder/venv/bin/python" -m pip install -qq -e '.[test]' \
		"$$(sed -n 's/^requires = \["\([^"]*\)"\].*/\1/p' pyproject.toml)" \
		"$$(sed -n 's/^NPM_REQUIREMENT = "\(.*\)"/\1/p' hatch_build.py)" editables && \
	{ sed -n '/^#/p' constraints.txt; \
	  "$$folder/venv/bin/python" -m pip freeze --exclude tastytrade-gateway; } > "$$folder/new" && \
	cp "$$folder/new" constraints.txt && git --no-pager diff --stat constraints.txt

clean: ## Remove what was built, installed and measured
	rm -rf .venv build dist gateway/static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
	find gateway tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

browser:
	@if { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; \
	then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing chromium for the browser tests"; \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive \
			apt-get install --yes --no-install-recommends chromium; } >/dev/null || \
		echo "The browser tests will be skipped: apt could not install chromium"; \
	else \
		echo "The browser tests will be skipped: chromium is not installed, and only root can install it"; \
	fi >&2

postgres:
	@if command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; \
	then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing PostgreSQL for the tests of the store"; \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive \
			apt-get install --yes --no-install-recommends postgresql; } >/dev/null || \
		echo "The tests on PostgreSQL will be skipped: apt could not install it"; \
	else \
		echo "The tests on PostgreSQL will be skipped: it is not installed, and only root can install it"; \
	fi >&2

# The stamp says that pip was content; the fetched files may have been removed since.
vendor: $(INSTALLED)
	@ls $(VENDORED) >/dev/null 2>&1 || $(PIP_INSTALL) --no-deps -e .

.venv/bin/python:
	@$(FIND_PYTHON); \
	echo "Creating .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv

$(INSTALLED): $(SOURCES_OF_INSTALL) | .venv/bin/python
	@echo "Installing the gateway"
	@$(PIP_INSTALL) -e .
	@touch $@

$(INSTALLED_TEST): $(SOURCES_OF_INSTALL) | .venv/bin/python
	@echo "Installing the gateway and what its tests need"
	@$(PIP_INSTALL) -e '.[test]'
	@touch $(INSTALLED) $@
