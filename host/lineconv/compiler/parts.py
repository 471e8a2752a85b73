# SPDX-License-Identifier: Apache-2.0
"""Parts of tensors by ONNX axis, and which tensors are made as parts of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from lineconv.compiler.memory import Home
from lineconv.compiler.rewrite import Job
from lineconv.compiler.view import View
from lineconv.graph.layers import AnyArray, Concat, Pad, Tensor

__all__ = ["MAX_AXES", "concat_spans", "find_homes", "pad_spans", "part"]

MAX_AXES = 4


def part(view: View, spans: Sequence[range]) -> View:
    """The elements of a tensor with default layout that lie in a span of each axis; those of
    channels without gaps."""
    batch, channels, *sizes = (range(1), *spans) if len(spans) == 1 else spans
    rows, columns = (range(1), range(1), *sizes)[-2:]
    return view.image_part(batch).channel_part(channels).spatial_part(rows, columns)


def concat_spans(layer: Concat) -> Iterator[tuple[Tensor, list[range]]]:
    """The inputs, and where in the output they go, axis by axis."""
    start = 0
    for tensor in layer.inputs:
        spans = [range(size) for size in tensor.shape]
        spans[layer.axis] = range(start, start + tensor.shape[layer.axis])
        start += tensor.shape[layer.axis]
        yield tensor, spans


def pad_spans(layer: Pad) -> list[range]:
    """Where in the output the input goes, axis by axis."""
    sizes = layer.inputs[0].shape
    return [
        range(before, before + size) for (before, _), size in zip(layer.pads, sizes, strict=True)
    ]


def find_homes(jobs: Sequence[Job], constants: Mapping[str, AnyArray]) -> dict[str, Home]:
    """For the inputs of Concat and Pad, which can be written where the result has them."""
    homes: dict[str, Home] = {}
    # Of these the border is a constant, which lies in a buffer of their own.
    padded = {job.outputs[0].name for job in jobs if isinstance(job.layer, Pad)}
    for job in jobs:
        layer, whole = job.layer, job.outputs[0]
        if len(whole.shape) > MAX_AXES or whole.dtype not in (np.int8, np.uint8):
            continue
        if isinstance(layer, Concat):
            for tensor, spans in concat_spans(layer):
                if tensor.name not in constants and tensor.name not in padded:
                    homes.setdefault(tensor.name, Home(whole, partial(part, spans=spans)))
        elif isinstance(layer, Pad):
            (tensor,) = layer.inputs
            if tensor.name not in constants and tensor.name not in padded:
                home = Home(whole, partial(part, spans=pad_spans(layer)), layer.value)
                homes.setdefault(tensor.name, home)
    return homes
