# `make dev` and `make test` are all you need; `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

BIN := .venv/bin
# What pip tells, as one short line per package.
PROGRESS = sed -un 's/^Collecting \([A-Za-z0-9._-]*\).*/  \1/p'
# Which Python makes the environments: the first that is new enough.
FIND_PYTHON = for one in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; one=; done; \
	test -n "$$one" || { echo "Python 3.11 or newer is missing: sudo apt-get install python3" >&2; exit 1; }; \
	"$$one" -c 'import ensurepip, venv' 2>/dev/null \
	|| { echo "$$one has no venv: sudo apt-get install python3-venv" >&2; exit 1; }

.PHONY: help install dev skills sdk test lint format bench schema docs clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.installed ## Make .venv with skilld and all its tools

.venv/.installed: pyproject.toml
	@$(FIND_PYTHON); echo "Installing into .venv with $$("$$one" --version), about a minute"; \
	test -x $(BIN)/python || "$$one" -m venv .venv
	@# `--group` needs pip 25.1; Debian's is older.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --editable . --group dev | $(PROGRESS)
	@touch $@

skills: install ## Build the example Skills
	@echo "Building the example Skills (skills/), some 10 s the first time"
	@$(BIN)/python scripts/build_skills.py skills

dev: skills ## Serve namespaces/ and the example Skills on 127.0.0.1:8081
	@$(BIN)/python scripts/dev.py

sdk: .venv-sdk/.installed ## Make .venv-sdk with the public SDK, for tests and benchmarks

# The SDK says it wants Python 3.11. It builds the same components with newer ones.
.venv-sdk/.installed:
	@$(FIND_PYTHON); echo "Installing the public SDK into .venv-sdk"; \
	test -x .venv-sdk/bin/python || "$$one" -m venv .venv-sdk
	@.venv-sdk/bin/python -m pip install --disable-pip-version-check --ignore-requires-python \
		'pharia-skill==0.20.*' | $(PROGRESS)
	@touch $@

test: install ## Run all tests that need no root; ARGS are pytest's
	@$(MAKE) sdk || echo "The public SDK can't be installed: tests that need it are skipped" >&2
	@echo "Building Skills for the tests, about two minutes the first time"
	@if test -e .venv-sdk/.installed; then $(BIN)/python scripts/build_skills.py; \
	else $(BIN)/python scripts/build_skills.py skills tests/skills_worlds; fi
	$(BIN)/pytest $(ARGS)

lint: install ## Check style, types, imports, sizes, and that tests mirror the package
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/tests_mirror.py
	$(BIN)/python scripts/sizes.py
	$(BIN)/skilld validate namespaces

format: install ## Format the code, fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install sdk ## Measure, against stated baselines; prints a table, writes JSON
	@$(BIN)/python scripts/build_skills.py
	$(BIN)/python -m bench $(ARGS)

schema: install ## Write the JSON Schema of namespace.toml, for editors
	$(BIN)/skilld schema > namespaces/namespace.schema.json

docs: install ## Write the tables of docs/ that come from the code
	$(BIN)/python scripts/docs_tables.py

clean: ## Remove both environments and all that was built
	rm -rf .venv .venv-sdk build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find skill_build_cache -mindepth 1 ! -name README.md -delete
