# make run    from logs to the dashboard        make test    everything that CI checks
# Options: CONTRACT=name|file.toml DATA=folder SERVE=0 FRESH=1 PRESET=paper HINET_HOME=… HINET_DEVICE=auto|cpu|cuda

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export DAGSTER_DISABLE_TELEMETRY := yes
export GX_ANALYTICS_ENABLED := false
# Threads that spin while they wait cost a factor three when something else runs beside them (docs/log.md).
export OMP_WAIT_POLICY ?= PASSIVE
# One process per core, a file of tests at a time, each with one thread; OpenMP's are those of torch outside a training.
# In the order of their names: by number of tests the files with few long ones come last, and one core waits.
PYTEST := HINET_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: install run serve test test-fast test-all test-duckdb bench calibrate lint clean
.DEFAULT_GOAL := run

install: $(INSTALLED)

run: $(INSTALLED)
	@$(BIN)/python -m orchestration.run

serve: $(INSTALLED)
	@$(BIN)/python -m orchestration.serve

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(PYTEST) -m "not long"

test-fast: $(INSTALLED)
	$(PYTEST) -m "not slow and not long"

test-all: lint
	$(PYTEST)

# The rooms that speak SQL, under another release of DuckDB: make test-duckdb V=2.0.0
V ?= 2.0.0
OTHER_DUCKDB := $(VENV)/duckdb-$(V)
test-duckdb: $(INSTALLED) $(OTHER_DUCKDB)
	PYTHONPATH=$(CURDIR)/$(OTHER_DUCKDB) $(PYTEST) -m "not slow and not long" \
		tests/ingest tests/test_lake.py tests/features tests/dataset tests/publish

$(OTHER_DUCKDB): | $(INSTALLED)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --target $@ duckdb==$(V)

# Every figure as a JSON line; one file alone: .venv/bin/python bench/ingest.py. docs/bench.md says what was measured when.
bench: $(INSTALLED)
	@for file in bench/*.py; do echo "# $$file" >&2; $(BIN)/python $$file || exit 1; done

# Simulated tests whose truth is known: how often the statistics of lift hold it; fails where a figure is out of its bounds.
calibrate: $(INSTALLED)
	@HINET_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m hinet_core.lift.calibration --output docs/calibration.md

# Caches and the virtual environment; HINET_HOME (var/) is data and stays.
clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find hinet_core orchestration dashboards tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): Python 3.11 or later is needed; name one with PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Installed once; again only when the packages asked for change.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off -c constraints.txt -e '.[dev]'
	@touch $@
