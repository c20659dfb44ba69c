# `make run` runs a session on the simulated rig; `make` (or `make test`) is the whole check. Both install what they need.
PYTHON ?= python3
BIN := .venv/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
DEBIAN := avr-libc binutils-avr gcc-avr libasound2-plugins libelf-dev libportaudio2 libsimavr-dev pulseaudio \
          pulseaudio-utils postgresql simavr

check: format lint types tests sim
test: check

run: .venv/rig
	$(BIN)/rig run --fast --trials 20 $(ARGS)

# --- installing -------------------------------------------------------------------------------------------------------

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/rig: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/dev: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

.venv/debian: Makefile | .venv/bin/python
	dpkg --status $(DEBIAN) >/dev/null 2>&1 || \
	  ($(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -qq -y $(DEBIAN) >/dev/null)
	touch $@

# --- the check --------------------------------------------------------------------------------------------------------

format: .venv/dev
	$(BIN)/ruff format --check .

lint: .venv/dev
	$(BIN)/ruff check .

types: .venv/dev
	$(BIN)/mypy

tests: .venv/dev .venv/debian
	$(BIN)/pytest -n 2 --dist loadscope

# Every choice from every state, deeper than the check goes: DEPTH=7 wants 20 GB.
explore: .venv/dev
	$(BIN)/python tests/explore/explorer.py --depth $(or $(DEPTH),6)

# The core beside its reference on new random trials, SECONDS of each kind; FIRST=… for the same ones again.
trials: .venv/dev
	$(BIN)/python tests/many_trials.py --seconds $(or $(SECONDS),900) $(if $(FIRST),--first $(FIRST))

# libFuzzer on the frame decoder, the table loader and whole lives, from the corpus that is kept; SECONDS of it.
fuzz: .venv/fuzz_core
	mkdir -p .venv/fuzz
	.venv/fuzz_core -max_total_time=$(or $(SECONDS),1800) -max_len=1200 -timeout=20 .venv/fuzz tests/fuzz/corpus

.venv/fuzz_core: tests/fuzz/fuzz_core.c $(wildcard firmware/core/*.[ch] firmware/boards/host/*.[ch]) | .venv/bin/python
	clang -std=c11 -g -O1 -DFUZZER -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(filter %.c,$^) -o $@

# Kills, cuts and full disks by the hundred: about a quarter of an hour.
endure: .venv/dev
	JOURNAL_KILLS=200 JOURNAL_CUTS=1000 JOURNAL_FILLS=50 RIG_KILLS=200 \
	  $(BIN)/pytest tests/test_endure.py tests/test_session.py -k 'kill or cut or disk or full or limit'

# Sessions with faults, drawn from seeds, and their judges: a minute of them, always the same; SEEDS=100000 for a night of
# new ones, SEED=… for one again.
sim: .venv/dev
	PYTHONPATH=tests $(BIN)/python -m sim $(if $(SEED),--seed $(SEED),$(if $(SEEDS),--seeds $(SEEDS),--first 1 --seeds 50)) $(if $(LONG),--long)

bench: .venv/dev .venv/debian
	for file in bench/[a-z]*.py; do $(BIN)/python $$file || exit 1; done

generated: .venv/rig
	$(BIN)/python -m rig.wiregen
	$(BIN)/rig draw cued_lever --format svg > docs/cued_lever.svg
	$(BIN)/python -m rig.experiment.manual > docs/protocols.md
	$(BIN)/python -m rig.stream.manual > docs/stream.md
	$(MAKE) -C firmware ship

.PHONY: check test run format lint types tests explore trials fuzz endure sim bench generated
.DEFAULT_GOAL := check
