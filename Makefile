# The front door. Everything happens in .venv, which is made on first use from Python 3.11 or later.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
WORKERS ?= auto
# The tests start the program many hundred times; it is compiled once, whatever whoever runs them has set.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test search torture check lint format bench docs pictures vendor screenshots wheel clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

demo: .stamp-run ## Start a server with a realistic studio's data, and print a token and a curl line
	$(BIN)/turnout serve --demo --database .demo/turnout.duckdb

test: .stamp-dev ## Run all tests, and those of any store on databases as well
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --store postgresql

lint: .stamp-dev ## Formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## Everything that guards main

format: .stamp-dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .stamp-bench ## Measure against the limits and the peers; writes docs/benchmarks.md
	$(BIN)/python -m bench

docs: .stamp-dev ## Write the generated reference pages
	$(BIN)/python -m docs.generate

pictures: .stamp-run ## Draw the picture of the README
	$(BIN)/python -m docs.pictures

screenshots: .stamp-dev ## Take the pictures of the page, with Chromium
	$(BIN)/python -m docs.screenshots

vendor: $(BIN)/python ## Fetch the page's libraries anew, and check their sums
	$(BIN)/python -m tools.vendor

search: .stamp-dev ## Run all tests with several times as many random cases, new ones each time
	HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

torture: .stamp-dev ## Kill the server many times while rows land, are read, erased, put in order and copied
	TORTURE_KILLS=$${TORTURE_KILLS:-200} $(BIN)/python -m pytest tests/test_torture.py -k whatever

wheel: .stamp-dev ## Build the wheel into dist/
	$(PIP) install build
	$(BIN)/python -m build --wheel

clean: ## Remove what make made
	rm -rf $(VENV) .stamp-* .demo .bench build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or later is needed; name it with PYTHON=python3.x' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo 'The venv module of $(PYTHON) is not complete. On Debian: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Making $(VENV) ...'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install 'pip>=25.1'

.stamp-run: $(BIN)/python pyproject.toml constraints.txt
	@echo 'Installing Turnout into $(VENV) ...'
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

.stamp-dev: .stamp-run
	@echo 'Installing the tools for tests ...'
	@$(PIP) install --constraint constraints.txt --group dev
	@touch $@

.stamp-bench: .stamp-dev
	@echo 'Installing the peers to measure against ...'
	@$(PIP) install --constraint constraints.txt --group bench
	@touch $@
