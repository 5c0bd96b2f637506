# `make` lists the targets. Another Python: make setup PYTHON=/path/to/python3.12
PYTHON ?= $(shell for python in python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help setup demo test lint format bench docs
.DEFAULT_GOAL := help

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/installed  ## install semsearch, all extras and the development tools into .venv

.venv/installed: pyproject.toml constraints.txt | $(BIN)/pip
	@echo 'Installing into .venv. The first time takes some minutes.'
	@$(INSTALL) -e '.[all,dev]'
	@touch $@

.venv/installed-docs: .venv/installed
	@$(INSTALL) -e '.[docs]'
	@touch $@

$(BIN)/pip:
	$(or $(PYTHON),$(error semsearch needs Python 3.11 or later: make setup PYTHON=/path/to/python)) -m venv .venv

demo: setup  ## show search, near-duplicates and tuning on sample_corpus/
	@$(BIN)/semsearch demo
	@printf '%s\n' '' 'Try next: . $(BIN)/activate && semsearch ingest ~/notes && semsearch query "what you look for"'

test: lint  ## lint, type-check and run the tests
	@$(BIN)/python -m compileall -q semsearch  # many tests start processes, also where Python writes no bytecode
	@# One worker more than processors: many tests wait for a process or a server.
	@PYTEST_XDIST_AUTO_NUM_WORKERS=$$(($$(getconf _NPROCESSORS_ONLN) + 1)) OMP_NUM_THREADS=1 \
		$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: setup  ## check format, lint, types and prose
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy --strict semsearch
	@$(BIN)/python docs/check_prose.py

format: setup  ## format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup  ## run the benchmarks, except scale.py, which takes hours
	@set -e; for script in $(filter-out %/common.py %/scale.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python "$$script"; done

docs: .venv/installed-docs  ## write docs/cli.md and build the documentation into site/
	@$(BIN)/python docs/make_cli.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'The documentation is in site/index.html. To search it as well: $(BIN)/python -m http.server --directory site'
