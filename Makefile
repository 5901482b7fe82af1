# make demo   the whole slipway on real flights        make test   the tests
# make check  lint, types, import rules                make docs   the documentation as a site, in build/site
# make bench  the benchmarks (long)
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
PIP_QUIET := -qq --disable-pip-version-check
UV := $(BIN)/uv

.PHONY: demo test outside test-all check docs bench clean

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

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
		{ echo "slipway needs Python 3.11 or 3.12, $(PYTHON) is another; set PYTHON=..."; exit 1; }
	@echo "1 of 4: an environment in .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "2 of 4: PyTorch, by pip, which takes a build for processors where one is offered (200 MB)"
	@$(BIN)/python -m pip $(PIP_QUIET) install -c constraints.txt torch uv
	@echo "3 of 4: everything else, by uv (800 MB)"
	@$(UV) pip install --python $(BIN)/python --no-progress --quiet -c constraints.txt -e ".[dev]"
	@echo "4 of 4: compiling, once instead of at the first start of each command (half a minute)"
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true # some packages carry templates that are no Python
	@touch $@
	@echo "installed: $(BIN)/slipway"

bench: $(INSTALLED)
	@$(UV) pip install --python $(BIN)/python --quiet -c constraints.txt -e ".[dev,bench]"
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
