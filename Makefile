# Needs make and Python 3.11 or newer; each target makes .venv when it is absent and
# installs again when its requirements file changed.
PYTHON ?= python3
PORT ?= 7860
PY := .venv/bin/python

.PHONY: help app test test-all quality bench screenshots

help:
	@echo "make app       the hub, on http://127.0.0.1:$(PORT)  (PORT=8000 make app for another port)"
	@echo "make test      the quick tests: about 3 minutes on two quiet cores, no network"
	@echo "make test-all  all tests: browser, load, faults and several processes too"
	@echo "make quality   ruff"
	@echo "make bench     the figures of the README"
	@echo "make screenshots  the pictures of the hub in docs/ (needs chromium)"
	@echo "PYTHON=python3.12 make ... chooses the interpreter of a new .venv"

app: .venv/.ready-requirements
	PORT=$(PORT) $(PY) app.py

test: .venv/.ready-requirements-dev
	$(PY) -m pytest

test-all: .venv/.ready-requirements-dev
	$(PY) -m pytest -m ""

quality: .venv/.ready-requirements-dev
	$(PY) -m ruff check .

bench: .venv/.ready-requirements-dev
	$(PY) -m tests.bench
	$(PY) -m tests.bench style
	$(PY) -m tests.bench colorize
	$(PY) -m tests.bench upscale
	$(PY) -m tests.bench load

screenshots: .venv/.ready-requirements-dev
	$(PY) -m docs.screenshots

# One stamp per requirements file, in one .venv. What installs the development list has installed the
# runtime list with it, so both stamps are new then.
.venv/.ready-%: %.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: PYTHON=python3.12 make ...")'
	@test -x .venv/bin/pip || { echo "Making .venv and installing $<: minutes, the first time."; $(PYTHON) -m venv .venv; }
	$(PY) -m pip install --disable-pip-version-check -q -r $<
	@touch .venv/.ready-requirements $@

.venv/.ready-requirements-dev: requirements.txt
