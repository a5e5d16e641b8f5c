PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help quickstart test coverage test-lowest test-bare lint bench docs

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# The stamp makes `make` install again when the project's dependencies change.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "reenact needs Python >= 3.11; try: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dlib,dev]'
	@touch $@

quickstart: $(VENV)/.installed ## Train pwm_flame at tiny scale, evaluate it, leave a picture and a video
	$(BIN)/python benchmarks/quickstart.py

# A thread each. Files stay whole, with their fixtures, and come by name, which leaves short ones to the end. Processes
# that tests start read the bytecode of those before them.
test: $(VENV)/.installed ## Run the default test suite
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

coverage: $(VENV)/.installed ## Run the default test suite and list what it does not reach
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-lowest: ## Run the default test suite on the oldest versions that the project takes
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable '.[dlib,dev]'
	.venv-lowest/bin/python -m pytest

test-bare: ## Run the tests that need no extra, without any extra
	$(PYTHON) -m venv .venv-bare
	.venv-bare/bin/pip install --quiet --disable-pip-version-check --editable . pytest hypothesis
	.venv-bare/bin/python -m reenact doctor
	.venv-bare/bin/python -m pytest tests/faces tests/nn tests/data/test_store.py tests/data/test_sampling.py tests/test_python.py

lint: $(VENV)/.installed ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed ## Measure speed (docs/performance.md says what each number means)
	for script in benchmarks/[!_]*.py; do case $$script in *quickstart.py) ;; *) $(BIN)/python $$script || exit 1;; esac; done

docs: $(VENV)/.installed ## Build the site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
