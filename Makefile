# One-command flows. VENV=, PYTHON=, EXTRAS=, N= (test workers) and ARGS= can be overridden:
#   make score ARGS="recording.nwb --align cue_time --window 0.2:0.4 --variables rule,cue"
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON      ?= $(shell command -v python3.11 || command -v python3)
VENV        ?= .venv
BIN         := $(VENV)/bin
PIP         := $(BIN)/python -m pip --disable-pip-version-check
N           ?= auto
ARGS        ?=
EXTRAS      ?=
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

.PHONY: help install score test test-slow test-peers bench lint lock clean
help:
	@sed -n 's/^## //p' Makefile

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV)

# stamp files: a failed install leaves none; an edit of the dependency lists makes them again
$(VENV)/.stamp-core: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) install -q -e .
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-core
	@$(PIP) install -q -e '.[test,networks]'
	@touch $@

$(VENV)/.stamp-peers: $(VENV)/.stamp-test
	@$(PIP) install -q -e '.[test,networks,peers]'
	@touch $@

## make install      the package in .venv (EXTRAS=networks,cluster,docs adds to it; torch is pinned)
install: $(VENV)/.stamp-core
	@$(if $(EXTRAS),$(PIP) install -q -e '.[$(EXTRAS)]')

## make score        score a recording (ARGS=...), or the embedded simulated one
score: $(VENV)/.stamp-core
	@$(BIN)/neurogeom score $(ARGS)

## make test         the fast tests
test: $(VENV)/.stamp-test
	@$(BIN)/python -m pytest -n $(N) --dist worksteal $(ARGS)

## make test-slow    every test, the slow ones too
test-slow: $(VENV)/.stamp-test
	@$(BIN)/python -m pytest -n $(N) --dist worksteal --slow $(ARGS)

## make test-peers   the comparisons with other packages (installs them)
test-peers: $(VENV)/.stamp-peers
	@$(BIN)/python -m pytest --slow -m peers $(ARGS)

## make bench        every benchmark that times something
bench: $(VENV)/.stamp-core
	@for script in benchmarks/bench_*.py; do $(BIN)/python $$script $(ARGS); done

## make lint         ruff, as pyproject.toml says
lint: $(VENV)/.stamp-test
	@$(BIN)/python -m ruff check .

## make lock         write constraints.txt again from a clean resolve
lock:
	rm -rf .lockenv && $(PYTHON) -m venv .lockenv
	PIP_CONSTRAINT= .lockenv/bin/python -m pip install -q -e '.[networks,cluster,test,docs,peers]' 'torch==2.13.0'
	.lockenv/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt
	rm -rf .lockenv

clean:
	rm -rf $(VENV) build *.egg-info
