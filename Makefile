# SPDX-License-Identifier: Apache-2.0
# Every target is a command that a reader could type; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# cocotb benches of one module: make sim MODULE=conv_fifo WAVES=1
MODULE ?= conv_axi
# Array to synthesise: make resources PRESET=kv260
PRESET ?= pynq-z2

.PHONY: help setup demo test test-slow lint format regs sim hls bench resources clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## create .venv with everything the project needs
$(STAMP): pyproject.toml
	@echo "Installing the tools into $(VENV) (about two minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[sim,onnx,pynq,hls4ml,plot,dev]'
	@touch $@

demo: $(STAMP) ## photograph and CNN layer through the Verilated engine, compared value by value
	@$(BIN)/python -m lineconv.demo --output build/demo

test: $(STAMP) ## all tests that need no board (about 20 minutes on 2 cores)
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -m 'not slow'

test-slow: $(STAMP) ## the long runs: thousands of random layers and a whole network on the RTL
	@$(BIN)/python -m pytest -q -m slow

lint: $(STAMP) ## ruff, mypy, Verilator, Verible, clang-format, generated files
	@PYTHON=$(BIN)/python sh tests/lint.sh

format: $(STAMP) ## let ruff and clang-format rewrite the sources
	@$(BIN)/ruff check --quiet --fix . && $(BIN)/ruff format --quiet .
	@$(BIN)/clang-format -i $$(git ls-files '*.cpp' '*.hpp')

regs: ## write the files generated from rtl/regs/interface.toml
	@$(PYTHON) rtl/regs/generate.py

sim: $(STAMP) ## cocotb bench of one module: MODULE=conv_fifo WAVES=1
	@WAVES=$(WAVES) $(BIN)/python -m pytest -q -rA tests/test_rtl.py -k '$(MODULE)-'
	@test -z "$(WAVES)" || ls build/sim/$(MODULE)-*-waves/dump.vcd

hls: $(STAMP) ## HLS core: C simulation, synthesis, co-simulation, IP (needs Vitis)
	@PYTHON=$(CURDIR)/$(BIN)/python sh hls/vitis.sh

bench: $(STAMP) ## cycles and utilisation of networks and layers on the virtual board (simulated)
	@$(BIN)/lineconv bench --device sim:pynq-z2

resources: $(STAMP) ## LUT, FF, DSP, BRAM, URAM per module by yosys: PRESET=kv260
	@$(BIN)/python rtl/resources.py --preset $(PRESET)

clean: ## remove build products (not .venv)
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
