# SPDX-License-Identifier: Apache-2.0
"""Random tensors for layers that run as one program, and what golden says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv import golden
from lineconv.layer import ConvLayer, OutputType
from lineconv.operands import Operands

__all__ = ["expected", "random_operands"]


def random_operands(
    layer: ConvLayer,
    rng: np.random.Generator,
    *,
    name: str = "conv2d",
    x: npt.NDArray[Any] | Operands | None = None,
    batch: int = 1,
) -> Operands:
    """Random tensors, int8 x unless it is given, with a scale that makes results fill 8 bits."""
    if x is None:
        shape = (batch, layer.in_channels, layer.in_height, layer.in_width)
        x = rng.integers(-128, 128, shape, dtype=np.int8)
    w = rng.integers(-128, 128, layer.weight_shape, dtype=np.int8)
    bias = rng.integers(-1000, 1000, layer.out_channels, dtype=np.int32)
    # Both operands spread evenly over int8: a sum of n products has a spread of 74 * 74 * sqrt(n).
    spread = 74 * 74 * np.sqrt(np.prod(layer.weight_shape[1:]))
    scale = (rng.uniform(30, 60, layer.out_channels) / spread).astype(np.float32)
    if layer.output is OutputType.INT32:
        scale = np.ones(layer.out_channels, np.float32)
    return Operands(layer, x, w, bias, scale, name)


def expected(layers: Sequence[Operands]) -> list[npt.NDArray[Any]]:
    """The result of each layer by golden, whose input is golden's as well."""
    results: dict[Operands, npt.NDArray[Any]] = {}
    for operands in layers:
        x = results[operands.x] if isinstance(operands.x, Operands) else operands.x
        signed = (x ^ 0x80).view(np.int8) if operands.unsigned else x.astype(np.int8)
        scale = None if operands.layer.output is OutputType.INT32 else operands.scale
        results[operands] = golden.conv2d(signed, operands.w, operands.bias, scale, operands.layer)
    return list(results.values())
