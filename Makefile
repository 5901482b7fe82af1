# make demo   the whole slipway on real flights        make test   the tests
# make check  lint, types, import rules                make bench  the benchmarks (long)
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test outside test-all check bench clean

demo: $(INSTALLED)
	$(BIN)/slipway run flights
	$(BIN)/python -m flows.demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not e2e and not outside"

outside: $(INSTALLED)
	$(BIN)/python -m pytest tests/outside -m outside

test-all: $(INSTALLED)
	$(BIN)/python -m pytest

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
		{ echo "slipway needs Python 3.11 or 3.12, $(PYTHON) is another; set PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,bench]"
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.serving.overload
	$(BIN)/python -m benchmarks.serving.bulk
	$(BIN)/python -m benchmarks.serving.sessions
	$(BIN)/python -m benchmarks.claims
	$(BIN)/python -m benchmarks.training.epoch --threads 1 --cpu-time
	$(BIN)/python -m benchmarks.training.flights
	$(BIN)/python -m benchmarks.data.compare_with_pandas

clean:
	rm -rf .venv .slipway
