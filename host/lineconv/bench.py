# SPDX-License-Identifier: Apache-2.0
"""Cycles and utilisation of typical CNN layers: `python -m lineconv.bench [--device NAME]`.

Random data; whole layers, from start to done. `of array` counts the MACs of the layer, `array fed`
the cycles in which the array got a word, which may have unused lanes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import lineconv
from lineconv.report import RunReport

__all__ = ["LAYERS", "LayerShape", "main", "measure"]


@dataclass(frozen=True)
class LayerShape:
    """A square convolution layer."""

    kernel: int
    stride: int
    padding: int
    in_channels: int
    out_channels: int
    size: int

    def __str__(self) -> str:
        return (
            f"{self.kernel}x{self.kernel} s{self.stride} p{self.padding} "
            f"{self.in_channels}->{self.out_channels} {self.size}x{self.size}"
        )


LAYERS = (
    LayerShape(3, 1, 1, 64, 64, 56),
    LayerShape(3, 2, 1, 64, 128, 56),
    LayerShape(1, 1, 0, 256, 64, 56),
    LayerShape(1, 1, 0, 512, 2048, 7),
    LayerShape(7, 2, 3, 3, 64, 224),
    LayerShape(5, 1, 2, 48, 128, 27),
    LayerShape(11, 4, 0, 3, 96, 227),
    LayerShape(3, 1, 1, 3, 64, 224),
    LayerShape(3, 1, 1, 3, 16, 416),
    LayerShape(3, 1, 1, 512, 512, 14),
    LayerShape(3, 1, 1, 1, 1, 480),
)


COUNTS = (
    "macs",
    "cycles",
    "mac_cycles",
    "utilisation",
    "stall_input",
    "stall_weights",
    "stall_output",
)


def measure(accelerator: lineconv.Accelerator, shape: LayerShape) -> RunReport:
    """Run a layer with random data.

    Raises:
        DeviceError: the device failed, or does not count cycles.
    """
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (shape.in_channels, shape.size, shape.size), dtype=np.int8)
    weights = (shape.out_channels, shape.in_channels, shape.kernel, shape.kernel)
    w = rng.integers(-128, 128, weights, dtype=np.int8)
    scale = np.full(shape.out_channels, 2.0**-12, np.float32)
    accelerator.conv2d(x, w, stride=shape.stride, padding=shape.padding, scale=scale)
    run = accelerator.last_run
    if run is None or not run.cycles:
        raise lineconv.errors.DeviceError(f"{accelerator.name} does not count cycles")
    return run


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, one line per layer as it is measured."""
    parser = argparse.ArgumentParser(prog="lineconv.bench", description=__doc__)
    parser.add_argument("--device", default="sim:pynq-z2")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args(arguments)
    results = []
    with lineconv.open(options.device) as accelerator:
        mark = "simulated" if accelerator.simulated else "measured"
        print(f"{accelerator.name}, {accelerator.array.macs_per_cycle} MAC/cycle, {mark}")
        print(f"{'layer':<28}{'cycles':>10}{'of array':>10}{'array fed':>11}", end="")
        print(f"{'wait input':>12}{'weights':>10}{'output':>10}{'ms':>9}")
        for shape in LAYERS:
            run = measure(accelerator, shape)
            results.append({"layer": str(shape)} | {name: getattr(run, name) for name in COUNTS})
            print(f"{shape!s:<28}{run.cycles:>10,}{run.utilisation:>10.1%}", end="")
            print(f"{run.mac_cycles / run.cycles:>11.1%}{run.stall_input:>12,}", end="")
            print(f"{run.stall_weights:>10,}{run.stall_output:>10,}", end="")
            print(f"{run.cycles / accelerator.clock_hz * 1e3:>9.3f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
