# `make run` and `make test` do all the set-up on a fresh machine: Python >= 3.11 and a C compiler.
PYTHON ?= python3
VENV ?= .venv
# The open corpus (docs/open_corpus.md): its folder, and one of look-alikes, if you have any.
CORPUS ?= data/01_raw/open_corpus
LOOKALIKES ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export DO_NOT_TRACK = 1
export KEDRO_DISABLE_TELEMETRY = 1
export PYTHONWARNINGS = ignore::UserWarning:mlflow.pyfunc.utils.data_validation

.PHONY: install run test test-all lint format bench corpus viz viz-build ui clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

run: $(STAMP)
	$(BIN)/kedro run

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" --cov --cov-report=term --cov-fail-under=85

test-all: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term --cov-fail-under=85

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m benchmarks --all

corpus: $(STAMP)
	$(BIN)/padam corpus "$(CORPUS)" $(if $(LOOKALIKES),--lookalikes "$(LOOKALIKES)")

viz: $(STAMP)
	$(BIN)/kedro viz run

viz-build: $(STAMP)
	$(BIN)/kedro viz build

ui: $(STAMP)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/kedro mlflow ui

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage .coverage.* build dist .viz
	find data -mindepth 1 -maxdepth 1 -type d ! -name 01_raw -exec rm -rf {} +
