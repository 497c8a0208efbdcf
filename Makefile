# Every target does its own set-up, once, in .venv. TORCH_INDEX=<url> takes torch from another wheel index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TESTS ?= tests

export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1
export RAY_USAGE_STATS_ENABLED := 0
export DS_ACCELERATOR ?= $(if $(shell command -v nvidia-smi),cuda,cpu)

.PHONY: setup check test test-all quickstart clean

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	TORCH_INDEX="$(TORCH_INDEX)" sh .ci/install $(BIN)
	touch $@

check: setup  ## Format, lint, types and the fast tests: two minutes; the aim is one.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n 2 --dist worksteal -m "not slow and not soak" $(TESTS)

test: setup  ## Everything real but short.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n 2 --dist worksteal -m "not soak" -rs --durations=20 $(TESTS)

test-all: setup  ## Also soaks, browsers and load.
	$(BIN)/pytest -q -rs $(TESTS)

quickstart: setup  ## From problems to a better model, on this machine.
	$(BIN)/rl-train quickstart

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
