# `make help` lists what there is. Needs nothing but GNU make and Python 3.11-3.13 with venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CODE := $(wildcard include plugins sandbox dags demo deploy config benchmarks tests)
PEERS := .local/bench/venv
BENCH ?= --repeat 3
WORKERS ?= 2
AIRFLOW_PORT ?= 8080
MINOX_PORT ?= 8701
QMS_PORT ?= 8702

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo demo-down test simulate fault-matrix cut-commits lint format lock docs screenshots fuzz expiries audit secrets bench mutants

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# -- installing ----------------------------------------------------------------------------------------------------------

install: $(VENV)/.installed  ## Make .venv with the pinned requirements and the project itself

install-dev: $(VENV)/.installed-dev  ## The same, with what the tests need

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed; '$(PYTHON)' is not one. Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python requirements.txt pyproject.toml
	@echo "Installing the pinned requirements; this takes a minute or two the first time."
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

# -- the demo ------------------------------------------------------------------------------------------------------------

demo: install  ## Both directions over the sandbox in a real Airflow; stays up and says where to look
	@$(BIN)/python -m demo up --airflow-port $(AIRFLOW_PORT) --minox-port $(MINOX_PORT) --qms-port $(QMS_PORT)

demo-down:  ## End everything that the demo started
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m demo down; fi

# -- developing ----------------------------------------------------------------------------------------------------------

test: install-dev lint  ## Lint, types and all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder -q

SCHEDULES ?= 1000
SEED ?= 1

simulate: install-dev  ## Try the promises out in SCHEDULES seeded schedules of faults (docs/reliability.md)
	$(BIN)/python -m tests.simulation --schedules $(SCHEDULES) --seed $(SEED) --workers $(WORKERS)

SIZE ?= all

fault-matrix: install-dev  ## Every write point with every fault, printed as a table (docs/reliability.md)
	$(BIN)/python -m tests.faults --size $(SIZE) --workers $(WORKERS)

cut-commits: install-dev  ## Cut the connection at every commit of a run, on both sides; `make test` takes some
	MINOX_QMS_EVERY_COMMIT=1 $(BIN)/python -m pytest tests/database_faults/test_cut_commits.py -n $(WORKERS) -q

lint: install-dev  ## ruff and mypy
	$(BIN)/ruff check --quiet $(CODE)
	$(BIN)/ruff format --quiet --check $(CODE)
	$(BIN)/mypy $(CODE)

format: install-dev  ## Let ruff mend what it can
	$(BIN)/ruff check --quiet --fix $(CODE)
	$(BIN)/ruff format --quiet $(CODE)

lock: install-dev  ## Write the pins anew (requirements*.txt)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command 'make lock' requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command 'make lock' requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command 'make lock' requirements-bench.in -o requirements-bench.txt

docs: install-dev  ## Write the generated pages anew
	$(BIN)/python -m include.settings.schema
	$(BIN)/python -m include.mapping.pages
	$(BIN)/python -m minox_qms.cli.docs

bench: install-dev $(PEERS)/.installed  ## Measure everything beside two peers, and write docs/performance.md
	$(BIN)/python -m benchmarks --peers-python $(PEERS)/bin/python $(BENCH)

$(PEERS)/.installed: requirements-bench.txt $(VENV)/.installed-dev
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PEERS)
	$(BIN)/uv pip install --quiet --python $(PEERS)/bin/python --requirement requirements-bench.txt
	@touch $@

mutants: install-dev  ## Take every guard away in turn, and show which test misses it; 1 when none does
	$(BIN)/python -m tests.mutants

screenshots: install-dev  ## Take the screenshots of docs/screenshots anew, in Chromium
	$(BIN)/python -m tests.browser.screenshots

# -- security ------------------------------------------------------------------------------------------------------------

EXAMPLES ?= 250

expiries: install-dev  ## Eight processes and a thousand expiries of an access token; `make test` tries eighty
	MINOX_QMS_EXPIRIES=1000 $(BIN)/python -m pytest tests/storage/test_grants.py -k eight -q

audit: install-dev  ## Pins, consistency, imports and licences of the dependencies; vulnerabilities where PyPI can be asked
	$(BIN)/python -m tests.security.audit

secrets: install-dev  ## Look for credentials in the tracked files
	$(BIN)/python -m tests.security.test_tracked_files

fuzz: install-dev  ## More hostile answers of both systems than `make test` tries: EXAMPLES of each that the contracts describe
	MINOX_QMS_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/security/test_hostile_answers.py -n $(WORKERS) -q
