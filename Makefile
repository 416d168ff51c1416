# `make help` lists what there is. Everything sets itself up in .venv; a second call does not set up again.

PY = .venv/bin/python
JOBS ?= auto
ARGS ?=
SOURCES = core/src $(wildcard plugins/*/src plugins/*/tests) tests conftest.py
empty =
space = $(empty) $(empty)

unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL = help
.PHONY: help demo test check style types layers pages bench soak lab format docs lock setup ready clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Set up, then run the example: 57 targets, two of which fail
	@scripts/setup run
	@scripts/demo

test: ready ## Set up, then run every test (ARGS="-k lock" for some, JOBS=2 for the number of workers)
	$(PY) -m pytest -n $(JOBS) --maxprocesses 8 --dist loadgroup $(ARGS)

check: style types layers pages ## Style, types, layers, and whether the generated docs are up to date

style: ready
	$(PY) -m ruff check
	$(PY) -m ruff format --check

types: ready
	MYPYPATH=$(subst $(space),:,$(wildcard plugins/*/src)) $(PY) -m mypy $(SOURCES)

layers: ready
	.venv/bin/lint-imports

pages: ready
	$(if $(wildcard scripts/docs.py),$(PY) scripts/docs.py --check)

bench: ready ## Measure the engine beside its floor, in the same run
	$(PY) -m tests.bench $(ARGS)

soak: ready ## The recovery and load tests with their full numbers (hours)
	$(PY) -m pytest -m soak -s --timeout 0 $(ARGS)

lab: ready ## Start a small bank of real servers to play with
	$(PY) -m tests.lab up $(ARGS)

format: ready ## Put the code into shape
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

docs: ready ## Write the generated pages of the docs anew
	$(PY) scripts/docs.py

lock: ## Write constraints.txt and the lab's pins anew (UPGRADE=1 for the newest versions; needs uv)
	@scripts/lock

setup: ready ## Only set up .venv, for tests too

ready:
	@scripts/setup dev

clean: ## Remove .venv, caches and the demo's home
	rm -rf .venv .rota .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis core/dist plugins/*/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
