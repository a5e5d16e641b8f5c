PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint bench docs

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# The stamp makes `make` install again when the project's dependencies change.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "reenact needs Python >= 3.11; try: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dlib,dev]'
	@touch $@

quickstart: $(VENV)/.installed ## Train pwm_flame at tiny scale, evaluate it, leave a picture and a video
	$(BIN)/python benchmarks/quickstart.py

test: $(VENV)/.installed ## Run the default test suite
	$(BIN)/python -m pytest

lint: $(VENV)/.installed ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed ## Measure speed (docs/performance.md says what each number means)
	for script in benchmarks/[!_]*.py; do case $$script in *quickstart.py) ;; *) $(BIN)/python $$script || exit 1;; esac; done

docs: $(VENV)/.installed ## Build the site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
