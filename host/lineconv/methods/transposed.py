# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions, from the arguments of PyTorch to a layer of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.arguments import as_bias, as_factors
from lineconv.errors import InvalidLayerError
from lineconv.graph.layers import AnyArray, TransposedConvolution
from lineconv.layer import (
    ConvLayer,
    PaddingLike,
    Pair,
    PairLike,
    as_kernel,
    as_number,
    as_pair,
    normalize_padding,
)
from lineconv.methods.runner import tensor
from lineconv.packing import ELEMENT_TYPES

__all__ = ["transposed_layer"]


def transposed_layer(
    x: AnyArray,
    w: npt.NDArray[np.int8],
    bias: AnyArray | None,
    *,
    stride: PairLike,
    padding: PaddingLike,
    output_padding: PairLike,
    groups: int,
    dilation: PairLike,
    scale: npt.ArrayLike | None,
    numbers: dict[str, Any],
) -> tuple[TransposedConvolution, tuple[slice, slice]]:
    """The layer, and the rows and columns that are left of its result where the padding takes
    away more than the kernel adds; see `Accelerator.conv_transpose2d`.

    Args:
        x: (N, C, H, W).
        w: (C, O / groups, kH, kW).
        numbers: from `number_formats`.

    Raises:
        InvalidTensorError, InvalidLayerError: an argument is not allowed.
    """
    groups = as_number("groups", groups, 1)
    channels = x.shape[1]
    if len(w) != channels:
        raise InvalidLayerError(f"x has {channels} channels but w expects {len(w)}")
    if channels % groups:
        raise InvalidLayerError(f"in_channels must be divisible by groups={groups}, got {channels}")
    kernel = as_kernel("kernel", w.shape[2:])
    steps, apart = as_pair("stride", stride, 1), as_pair("dilation", dilation, 1)
    more = as_pair("output_padding", output_padding, 0)
    if isinstance(padding, str):
        raise InvalidLayerError(f"padding must be numbers, got {padding!r}")
    less = normalize_padding(padding, kernel, steps, apart, (1, 1))
    sizes = [(size - 1) * step + 1 for size, step in zip(x.shape[2:], steps, strict=True)]
    around: list[Pair] = []
    left: list[slice] = []
    for axis in (0, 1):
        if more[axis] >= max(steps[axis], apart[axis]):
            raise InvalidLayerError(
                f"output_padding must be less than stride {steps[axis]} or dilation {apart[axis]}, "
                f"got {output_padding!r}"
            )
        reach = apart[axis] * (kernel[axis] - 1)
        before = reach - less[axis][0]
        behind = reach - less[axis][1] + more[axis]
        size = sizes[axis] + before + behind - reach
        if size < 1:
            raise InvalidLayerError(f"padding {padding} leaves nothing of the result")
        around.append((max(before, 0), max(behind, 0)))
        left.append(slice(max(-before, 0), max(-before, 0) + size))
    geometry = ConvLayer(
        channels, w.shape[1] * groups, sizes[0], sizes[1], kernel, dilation=apart,
        padding=(around[0], around[1]), groups=groups, **numbers,
    )  # fmt: skip
    outputs = geometry.out_channels
    shape = (len(x), outputs, geometry.out_height, geometry.out_width)
    result = tensor("y", shape, ELEMENT_TYPES[geometry.output])
    layer = TransposedConvolution(
        name="conv_transpose2d", inputs=(tensor("x", x.shape, x.dtype),), outputs=(result,),
        layer=geometry, weights=_turned(w, groups), bias=as_bias(bias, outputs),
        scale=None if scale is None else as_factors(scale, outputs), stride=steps,
    )  # fmt: skip
    return layer, (left[0], left[1])


def _turned(w: npt.NDArray[np.int8], groups: int) -> npt.NDArray[np.int8]:
    """As the convolution has them: (O, C / groups, kH, kW), turned by half a circle."""
    by_group = w.reshape(groups, -1, *w.shape[1:]).swapaxes(1, 2)
    turned = by_group.reshape(-1, len(w) // groups, *w.shape[2:])[..., ::-1, ::-1]
    return np.ascontiguousarray(turned)
