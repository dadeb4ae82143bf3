# Everything is done inside .venv, made on first use by tools/setup (which says what it installs).
#
#   make demo  [DICOM=folder]     the whole life of a few studies, in under a minute
#   make test  [TESTS=path]       the tests
#   make bench [CORPUS=folder]    speed beside other programs; writes docs/benchmarks.md
#   make format | lint | types | docs
#
# CI=true or YES=1 answers the questions of the first run; PYTHON=… chooses the interpreter.

.DEFAULT_GOAL := help
.PHONY: help demo test bench format lint types docs clean
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
TESTS ?= tests
SOURCES := $(wildcard retention tests benchmarks)
INSTALLED_BY := tools/setup tools/ceph tools/debian-packages.txt pyproject.toml constraints.txt

# A stamp a purpose: the second run of any target installs nothing.
.venv/.ready-%: $(INSTALLED_BY)
	@tools/setup $*
	@touch $@

.PRECIOUS: .venv/.ready-%

help:
	@sed -n 's/^#   //p' Makefile

demo: .venv/.ready-run
	@$(BIN)/retention demo $(if $(DICOM),--dicom "$(DICOM)")

test: .venv/.ready-test
	@$(BIN)/python -m pytest -n auto $(TESTS)

bench: .venv/.ready-bench
	@$(BIN)/python -m benchmarks $(if $(CORPUS),--corpus "$(CORPUS)")

format: .venv/.ready-test
	@$(BIN)/ruff check --quiet --fix --select I $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

lint: .venv/.ready-test
	@failed=; \
	$(BIN)/ruff format --check --output-format concise $(SOURCES) || failed=1; \
	$(BIN)/ruff check $(SOURCES) || failed=1; \
	$(BIN)/lint-imports --no-logo || failed=1; \
	[ -z "$$failed" ]

types: .venv/.ready-test
	@$(BIN)/mypy

# The documents are tested against the code: links, error codes, modules named, the settings example.
docs: .venv/.ready-test
	@$(BIN)/python -m pytest tests/documents

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
