#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What needs Vitis HLS: C simulation, synthesis, co-simulation, IP for the Vivado catalog.
# `make hls` runs it; PYTHON names the interpreter that has lineconv.
set -eu
cd "$(dirname "$0")" # paths in hls_config.cfg are relative to it

for tool in v++ vitis-run; do
    if ! command -v "$tool" > /dev/null; then
        echo "$tool of Vitis 2023.2 or newer is not on PATH: source its settings64.sh first." >&2
        echo "The C simulation alone needs no Vitis: python -m pytest -q tests/test_hls.py" >&2
        exit 2
    fi
done

"$PYTHON" ../tests/hls_case.py ../build/hls/case.bin
run() { echo "hls: $*" && "$@" --config hls_config.cfg --work_dir ../build/hls/vitis; }
run vitis-run --mode hls --csim
run v++ -c --mode hls
run vitis-run --mode hls --cosim
run vitis-run --mode hls --package
