# SPDX-License-Identifier: Apache-2.0
"""Layers for the benches of single stages: random ones, and those at the corners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layer_model import LayerModel
from lineconv.packing import row_stride
from lineconv.presets import Array
from lineconv.regs import Kind


def draw(rng: np.random.Generator, array: Array, max_words: int) -> LayerModel:
    """A random legal layer of at most that many words; tight buffers are as likely as wide ones."""
    while True:
        layer = _draw(rng, array)
        if layer.legal and layer.outputs * layer.group_words <= max_words:
            return layer


def _size(rng: np.random.Generator, high: int) -> int:
    """1 .. high, every order of magnitude is as likely."""
    return int((high + 1) ** rng.random())


def _draw(rng: np.random.Generator, array: Array) -> LayerModel:
    kind = Kind(rng.choice(list(Kind), p=[0.5, 0.2, 0.1, 0.2]))
    dense = kind == Kind.CONV
    input_channels = _size(rng, 3 * (array.input_lanes if dense else array.vector_lanes))
    layer = LayerModel(
        array=array,
        kind=kind,
        input_channels=input_channels,
        output_channels=_size(rng, 6 * array.output_lanes) if dense else input_channels,
        input_pixel_stride=input_channels + (_size(rng, 9) if rng.random() < 0.3 else 0),
        input_address=int(rng.integers(1 << 20)),
        input_zero_point=int(rng.integers(-128, 128)),
        input_unsigned=int(rng.integers(2)),
        weights_address=array.beat_bytes * int(rng.integers(1 << 20)),
        table=bool(rng.random() < 0.3),
    )
    if dense and rng.random() < 0.3:
        most = max(1, (input_channels - 1) // max(layer.groups - 1, 1))
        layer = replace(
            layer,
            group_channels=_size(rng, input_channels),
            group_step=int(rng.integers(most + 1)),
        )
    layer = _sum_of_two(rng, layer) if kind == Kind.ADD else _window(rng, layer)
    if dense and rng.random() < 0.3:
        layer = replace(layer, by_row=True, output_height=1, output_width=1)
    needed = max(layer.span_height, layer.stride_height)
    fit = array.weight_words // max(layer.unit_words, layer.slices)
    return replace(
        layer,
        input_row_stride=row_stride(layer.row_bytes, array.beat_bytes)
        + array.beat_bytes * _size(rng, 4),
        groups_per_pass=1 if layer.by_row else max(1, min(fit, _size(rng, layer.groups + 1))),
        row_slots=needed + (0 if rng.random() < 0.4 else _size(rng, layer.input_height + 2) - 1),
    )


def _sum_of_two(rng: np.random.Generator, layer: LayerModel) -> LayerModel:
    """The geometry of ADD."""
    height, width = _size(rng, 12), _size(rng, 16)
    align, beat_bytes = layer.input_align, layer.array.beat_bytes
    return replace(
        layer,
        second_address=beat_bytes * int(rng.integers(1 << 17)) + align,
        input_height=2 * height,
        input_width=width,
        kernel_height=2,
        kernel_width=int(rng.integers(1, 4)),
        stride_height=2,
        dilation_width=0,
        output_height=height,
        output_width=width,
    )


def _window(rng: np.random.Generator, layer: LayerModel) -> LayerModel:
    """The geometry of the other kinds."""

    def often(chance: float, value: int) -> int:
        return value if rng.random() < chance else 1

    layer = replace(
        layer,
        kernel_height=_size(rng, 16),
        kernel_width=_size(rng, 16),
        stride_height=_size(rng, 8),
        stride_width=_size(rng, 8),
        dilation_height=often(0.4, _size(rng, 6)),
        dilation_width=often(0.4, _size(rng, 6)),
    )
    span_width = layer.dilation_width * (layer.kernel_width - 1) + 1
    pad_top = int(rng.integers(layer.span_height)) if rng.random() < 0.6 else 0
    pad_left = int(rng.integers(span_width + 2)) if rng.random() < 0.6 else 0
    # Padding behind the image, so that some outputs lie wholly in it.
    pad_bottom = int(rng.integers(layer.span_height + 9)) if rng.random() < 0.5 else 0
    pad_right = int(rng.integers(span_width + 9)) if rng.random() < 0.5 else 0
    input_height = _size(rng, 24) + max(0, layer.span_height - pad_top - pad_bottom - 1)
    input_width = _size(rng, 16) + max(0, span_width - pad_left - pad_right - 1)
    rows = (input_height + pad_top + pad_bottom - layer.span_height) // layer.stride_height
    columns = (input_width + pad_left + pad_right - span_width) // layer.stride_width
    return replace(
        layer,
        pad_top=pad_top,
        pad_left=pad_left,
        input_height=input_height,
        input_width=input_width,
        output_height=rows + 1 if rng.random() < 0.8 else int(rng.integers(rows + 1)) + 1,
        output_width=columns + 1 if rng.random() < 0.8 else int(rng.integers(columns + 1)) + 1,
    )


def edge_layers(array: Array) -> list[LayerModel]:
    """Legal layers at the corners of the loop nest."""
    lanes, channels, vector = array.input_lanes, array.output_lanes, array.vector_lanes
    base = LayerModel(array=array, input_pixel_stride=lanes, input_channels=lanes)
    small = replace(base, input_height=7, output_height=7, input_width=5, output_width=5)
    pixel = replace(
        base,
        kind=Kind.DEPTHWISE,
        input_channels=3 * vector,
        output_channels=3 * vector,
        input_pixel_stride=3 * vector,
    )
    two = replace(
        pixel,
        kind=Kind.ADD,
        kernel_height=2,
        stride_height=2,
        dilation_width=0,
        input_height=4,
        output_height=2,
        input_width=3,
        output_width=3,
        row_slots=2,
        second_address=1 << 12,
    )
    return [
        base,  # one word
        replace(base, input_height=9, output_height=9, output_channels=3 * channels),  # 3 passes
        replace(small, output_channels=4 * channels, groups_per_pass=3, row_slots=1),
        replace(small, output_channels=2 * channels, groups_per_pass=1, row_slots=7),  # resident
        # Strides beyond the kernel: skipped rows, also at the end of a pass.
        replace(small, stride_height=3, output_height=3, row_slots=3, output_channels=2 * channels),
        replace(small, stride_height=8, output_height=1, row_slots=8, stride_width=8,
                output_width=1, output_channels=2 * channels),
        # Output rows wholly in the padding, top and bottom.
        replace(base, input_height=1, kernel_height=3, dilation_height=2, pad_top=4,
                output_height=9, row_slots=5, output_channels=2 * channels),
        replace(small, kernel_height=4, pad_top=3, output_height=13, row_slots=4,
                output_channels=2 * channels),
        # Taps of a single byte, far apart.
        replace(small, input_channels=1, kernel_width=3, dilation_width=2, output_width=1,
                pad_left=2, kernel_height=2, output_height=6, row_slots=2),
        # Groups of channels: one word each, in one pass and in three.
        pixel,
        replace(pixel, groups_per_pass=3, table=True),
        replace(pixel, kind=Kind.MAX_POOL, kernel_height=2, kernel_width=2, input_height=2,
                input_width=2, groups_per_pass=2, row_slots=2),
        two,
        replace(two, kernel_width=3, groups_per_pass=3, row_slots=4),
        # A grouped convolution, and kernel rows that are loaded one by one.
        replace(base, input_channels=3 * lanes, input_pixel_stride=3 * lanes,
                group_channels=lanes, group_step=lanes, output_channels=3 * channels),
        replace(base, input_height=5, kernel_height=5, row_slots=5, by_row=True, table=True,
                output_channels=2 * channels),
    ]  # fmt: skip
