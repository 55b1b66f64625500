# Perrin's chores. `make` alone says what there is.
#
# Everything runs in one virtual environment, .venv, with the versions of constraints.txt.

VENV ?= .venv
PYTHON ?= $(shell sh scripts/find-python.sh)
TEST_ARGS ?=

BIN := $(VENV)/bin
PIP := PIP_NO_INPUT=1 $(BIN)/python -m pip --quiet --disable-pip-version-check
# The lowest pip that reads dependency groups from pyproject.toml.
PIP_VERSION := pip>=25.1
# Named here as well as in constraints.txt, because without it `make constraints` would take the
# newest torch with all its CUDA libraries.
TORCH := torch==2.13.0

export PYTHONUNBUFFERED = 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format napari screenshot constraints clean

help: ## list the targets
	@echo "Perrin: from a movie to classified tracks."
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)$$/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'
	@echo
	@echo "The first one that needs it makes the environment $(VENV) (a few minutes)."

demo: $(VENV)/.installed ## analyse a sample movie; tables and a figure in demo_output/
	$(BIN)/python scripts/demo.py

test: $(VENV)/.installed ## run all tests (TEST_ARGS="..." for pytest)
	sh scripts/with-display.sh $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(TEST_ARGS)

lint: $(VENV)/.installed-lint ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-lint ## put the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

napari: $(VENV)/.installed ## open napari with Perrin and a sample movie
	$(BIN)/python scripts/open_napari.py

screenshot: $(VENV)/.installed ## remake the pictures of the window in docs/images
	for script in scripts/screenshot*.py; do \
		sh scripts/with-display.sh $(BIN)/python $$script || exit 1; \
	done
	$(BIN)/python scripts/tour.py

constraints: ## remake constraints.txt from the newest versions that fit
	@$(check_python)
	sh scripts/make-constraints.sh "$(PYTHON)" "$(PIP_VERSION)" "$(TORCH)"

clean: ## remove the environment and everything that was made
	rm -rf $(VENV) .venv-constraints build dist demo_output benchmarks/output
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

define check_python
test -n "$(PYTHON)" || { \
	echo "Perrin needs Python 3.11 or newer, and no python3 here is that new." >&2; \
	echo "Install one, or name it: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
endef

$(VENV)/.created:
	@$(check_python)
	@echo "Making the environment $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "On Debian or Ubuntu the module venv is in the package python3-venv." >&2; exit 1; }
	@$(PIP) install --upgrade "$(PIP_VERSION)"
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing Perrin and what it needs (a few minutes the first time)"
	@$(PIP) install --constraint constraints.txt --editable . --group test
	@touch $@

$(VENV)/.installed-lint: $(VENV)/.installed
	@$(PIP) install --constraint constraints.txt --group lint
	@touch $@
