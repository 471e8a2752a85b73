# SPDX-License-Identifier: Apache-2.0
"""Copies and other work of the vector unit on each element by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lineconv.compiler.lowering import HostOnlyError, Lowering, formats
from lineconv.compiler.view import View
from lineconv.layer import ConvLayer
from lineconv.packing import ceil_div
from lineconv.presets import Array
from lineconv.regs import Kind

__all__ = ["copy", "elementwise_views", "windows"]

_FULL = 0.9  # share of the lanes that is as good as all
_MOST_CHANNELS = 1024  # of a merged pixel: the engine loads parameters for each


def copy(
    ctx: Lowering, source: View, target: View, table: npt.NDArray[np.uint8] | None = None
) -> None:
    """The elements of one view, each maybe through a table, to another of the same shape."""
    choices = [elementwise_views((source, target), ctx.array)]
    if not source.adjacent:
        # The engine reads whole rows: if each pixel is one, only what is copied.
        pixels = source.height * source.width
        rows = [view.with_rows(pixels, ctx.array.beat_bytes) for view in (source, target)]
        if rows[0] is not None and rows[1] is not None:
            choices.append(elementwise_views((rows[0], rows[1]), ctx.array))
    trials = []
    for shaped, place in choices:
        trial = ctx.trial()
        _copy(trial, shaped, place, table)
        trials.append(trial)
    ctx.operations += min(trials, key=lambda trial: trial.cycles).operations


def _copy(ctx: Lowering, source: View, target: View, table: npt.NDArray[np.uint8] | None) -> None:
    output, zero_point = formats(source.dtype)
    channels = source.channels
    layer = ConvLayer(
        channels, channels, source.height, source.width, (1, 1),
        groups=channels, y_zero_point=zero_point, output=output,
    )  # fmt: skip
    ctx.emit(
        Kind.MAX_POOL, layer, [source], target, np.ones(layer.weight_shape, np.int8),
        np.zeros(channels, np.int32), np.ones(channels, np.float32), table,
    )  # fmt: skip


def windows(
    ctx: Lowering,
    kind: Kind,
    layer: ConvLayer,
    source: View,
    target: View,
    weights: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    scale: npt.NDArray[np.float32],
) -> None:
    """A depthwise convolution or a maximum, with the table of the job. Where the rows under its
    kernel are too large for the line buffer, some channels at a time are first copied together.

    Raises:
        HostOnlyError: it does not fit even then.
    """
    groups = ceil_div(layer.out_channels, ctx.array.vector_lanes)
    for parts in range(1, groups + 1):
        size = ceil_div(groups, parts) * ctx.array.vector_lanes
        trial = ctx.trial()
        try:
            for start in range(0, layer.out_channels, size):
                part = range(start, min(start + size, layer.out_channels))
                count = len(part)
                piece = source.channel_part(part)
                if parts > 1:
                    dense = ctx.memory.scratch(piece)
                    copy(trial, piece, dense)
                    piece = dense
                trial.emit(
                    kind, replace(layer, in_channels=count, out_channels=count, groups=count),
                    [piece], target.channel_part(part), weights[start : part.stop],
                    bias[start : part.stop], scale[start : part.stop], ctx.table,
                )  # fmt: skip
        except HostOnlyError as error:
            problem = error
            continue
        ctx.operations += trial.operations
        return
    raise problem


def elementwise_views(views: tuple[View, ...], array: Array) -> tuple[View, ...]:
    """Views of one shape as others of one shape, which take the engine less time: one image, and
    so many pixels as one that their channels fill the lanes."""
    stacked = [view.stacked() for view in views]
    if all(view is not None for view in stacked):
        views = tuple(view for view in stacked if view is not None)
    if not all(view.adjacent for view in views):
        return views
    width, channels = views[0].width, views[0].channels
    most = max(1, _MOST_CHANNELS // channels)
    choices = [pixels for pixels in range(1, most + 1) if width % pixels == 0]
    shares = [_used_lanes(channels * pixels, array) for pixels in choices]
    enough = min(_FULL, max(shares))
    pixels = next(n for n, share in zip(choices, shares, strict=True) if share >= enough)
    return tuple(view.merged(pixels) for view in views)


def _used_lanes(channels: int, array: Array) -> float:
    """Share of the vector lanes that work on channels."""
    lanes = ceil_div(channels, array.vector_lanes) * array.vector_lanes
    return channels / lanes
