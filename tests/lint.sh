#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every check that needs no simulation. `make lint` runs it; PYTHON names the interpreter.
set -eu
cd "$(dirname "$0")/.."
bin=$(dirname "$(command -v "$PYTHON")")

step() { echo "lint: $1"; }

step "generated files are fresh"
"$PYTHON" rtl/regs/generate.py --check
step "ruff"
"$bin/ruff" check --quiet .
"$bin/ruff" format --quiet --check .
step "mypy --strict"
"$bin/mypy" --no-error-summary
step "Verilator, each module alone as top"
eval "$("$PYTHON" -W ignore -m lineconv.virtual_board.toolchain)"
for beat in beat64 beat128; do
    packages=$(sed -n "s,^beat64/,$beat/,; s,.*_pkg.sv$,rtl/&,p" rtl/conv.f)
    for file in rtl/conv_*.sv; do
        module=$(basename "$file" .sv)
        case $module in *_pkg) continue ;; esac
        verilator --lint-only --quiet -Wall -y rtl --top-module "$module" $packages "$file"
    done
done
step "Verible, lowRISC rules"
"$bin/verible-verilog-lint" --rules_config rtl/verible.rules $(git ls-files 'rtl/*.sv' | grep -v conv_regs_pkg)
step "clang-format"
"$bin/clang-format" --dry-run --Werror $(git ls-files '*.cpp' '*.hpp' | grep -v conv_regs.hpp)
