# Everything here does its own set-up: the Python environment in .venv, and a Docker engine where
# none answers and we are root.
VENV := .venv
# Python keeps what it compiled: tests start it thousands of times.
export PYTHONDONTWRITEBYTECODE :=
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
ENGINE := forky
FAST := -m "not lab and not torch and not gang and not patient"
# Several at once, each with whole files: fixtures of a file are dear. The lab's tests have this
# computer for themselves: most of them wait for Docker, so three labs keep two cores busy. Files are
# taken in their order, in which tests/lab/conftest.py has the long ones first.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile
LABS := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test test-all test-fast test-lab faults estimates resume soak soak-hour recipes screens families twins bench-loading bench-padding bench-launching bench-noop bench-tokenising bench-gpu check format engine clean always
help:
	@echo 'make demo       two simulated Sparks, one swarm, one LoRA run, all given back'
	@echo 'make test       lint, types, and tests: fast, torch, lab'
	@echo 'make test-all   the same with every case of the dear ones (make test draws a sample)'
	@echo 'make test-fast  what needs neither Docker nor torch nor patience'
	@echo 'make test-lab ENGINE=trixie  the lab alone, with Docker 26.1 (forky 28.5, bookworm 20.10)'
	@echo 'make faults     every fault at every point of up and down; writes docs/reliability.md'
	@echo 'make estimates  memory as estimated, beside peaks of models of a gigabyte and more'
	@echo 'make resume     a training stopped 20 times ends with the same weights'
	@echo 'make soak       15 minutes of training in the lab: memory, files and threads stay; soak-hour: an hour'
	@echo 'make families MODELS=DIR [ONLY=REGEX] [WRITE=1]  every checkpoint of DIR, beside transformers and peft'
	@echo 'make twins MODELS=DIR  tiny checkpoints of many families to try that with'
	@echo 'make recipes    every shipped recipe in the lab, with a tiny twin of its base'
	@echo 'make screens    every command in a terminal of 80 and of 160 columns; writes docs/screens/'
	@echo 'make bench-loading  what loading takes, beside accelerate; writes docs/benchmarks.md'
	@echo 'make bench-padding  what padding costs; writes docs/benchmarks.md'
	@echo 'make bench-launching  from the command to the first step, beside launchers by hand'
	@echo 'make bench-noop  a cluster up with nothing to do, beside Ansible and pyinfra'
	@echo 'make bench-tokenising  data to tokens, once and again, beside datasets.map; writes docs/benchmarks.md'
	@echo 'make bench-gpu [BEFORE=DIR] [UNSLOTH=DIR]  on one GPU, beside trl and Unsloth; writes docs/benchmarks.md'
	@echo 'make check      lint, types and shellcheck alone'
	@echo 'make clean      remove labs, their images, and the environment'

demo: $(VENV)/.controller engine
	PATH="$(abspath $(VENV))/bin:$$PATH" sh examples/demo.sh

test: $(VENV)/.complete engine check
	$(PY) -m pytest $(SIDE_BY_SIDE) -m "not lab"
	$(PY) -m pytest $(LABS) --durations=15 tests/lab

test-all: export SPARKCTL_TEST_ALL := 1
test-all: test

test-lab: $(VENV)/.complete engine
	SPARKCTL_TEST_ENGINE=$(ENGINE) $(PY) -m pytest $(LABS) --durations=15 tests/lab

test-fast: export HYPOTHESIS_PROFILE ?= few
test-fast: $(VENV)/.complete
	$(PY) -m pytest $(SIDE_BY_SIDE) $(FAST)

faults: $(VENV)/.controller engine
	$(PY) -m tests.faults --write

estimates: $(VENV)/.complete
	SPARKCTL_TEST_ALL=1 SPARKCTL_TEST_LARGE=1 $(PY) -m pytest -n 0 -s tests/training/plan/test_estimate_measured.py

resume: $(VENV)/.complete
	SPARKCTL_TEST_STOPS=20 $(PY) -m pytest tests/training/loop/test_resume.py -k random

soak: $(VENV)/.complete engine
	SPARKCTL_TEST_SOAK_SECONDS=900 $(PY) -m pytest -v tests/lab/test_soak.py

soak-hour: $(VENV)/.complete engine
	SPARKCTL_TEST_SOAK_SECONDS=3600 $(PY) -m pytest -v tests/lab/test_soak.py

families: $(VENV)/.complete
	$(PY) -m tests.families '$(MODELS)' --only '$(ONLY)' $(if $(WRITE),--write)

twins: $(VENV)/.complete
	$(PY) -m tests.families.twins '$(MODELS)'

recipes: $(VENV)/.complete engine
	SPARKCTL_TEST_ALL=1 $(PY) -m pytest -v tests/lab/test_recipes.py

screens: $(VENV)/.controller engine
	$(PY) -m tests.screens --write

bench-loading: $(VENV)/.complete
	$(PY) -m benchmarks.loading --write
	$(PY) -m benchmarks.loading --sizes experts,wrapper --ranks 2 --write

bench-padding: $(VENV)/.complete
	$(PY) -m benchmarks.padding --write

bench-launching: $(VENV)/.complete engine
	$(PY) -m benchmarks.launching --write

bench-noop: $(VENV)/.controller engine
	$(PY) -m benchmarks.noop --write

bench-tokenising: $(VENV)/.complete
	$(PY) -m benchmarks.tokenising --write

# On a machine with a GPU, with the Python that has torch for it; nothing is installed.
bench-gpu:
	python3 -m benchmarks.gpu --write $(if $(BEFORE),--before '$(BEFORE)') $(if $(UNSLOTH),--unsloth '$(UNSLOTH)')

check: $(VENV)/.complete
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) -m tests.support.shellcheck

format: $(VENV)/.complete
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

engine:
	.ci/engine

# Looked at every time; newer than what was installed only when the environment was made anew.
$(VENV)/.python: always
	@.ci/python $(VENV)
always:

# A demo needs only the controller. The tests also run the training code, and torch comes first: a
# bare `torch` requirement would bring a CUDA build of several GB on some machines.
$(VENV)/.controller: pyproject.toml training/requirements.txt $(VENV)/.python
	$(PIP) install --quiet --editable .
	touch $@

$(VENV)/.complete: $(VENV)/.controller tests/requirements.txt training/trackers.txt
	$(PIP) install --quiet torch==2.13.0
	$(PIP) install --quiet --editable '.[train,trackers,dev]'
	touch $@

clean:
	-$(VENV)/bin/sparkctl lab down --name demo --images
	rm -rf $(VENV) .demo
