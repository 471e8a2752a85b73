# SPDX-License-Identifier: Apache-2.0
"""Random work for benches of the whole engine: layers, their place in memory, what must come out.

Layers use all freedom of a descriptor, also what the compiler never writes: any byte address,
pixel strides with gaps, outputs smaller than possible. A layer may read what an earlier one wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.golden import conv2d, fold_zero_point
from lineconv.layer import ConvLayer, OutputType, Overflow, Rounding
from lineconv.packing import ELEMENT_TYPES, PARAMETER, ceil_div, pack_weights, row_stride
from lineconv.presets import Array
from lineconv.regs import DESCRIPTOR, Kind

Memory = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Geometry:
    """Tiling and strides of one layer; sizes in bytes."""

    flattened: bool
    segment_words: int
    group_words: int
    groups: int
    groups_per_pass: int
    row_slots: int
    out_rows: int
    out_columns: int
    input_align: int
    input_pixel_stride: int
    input_row_stride: int
    output_align: int
    output_pixel_stride: int
    output_row_stride: int


@dataclass(frozen=True)
class Work:
    """One layer with its operands; `place` puts it into memory.

    `x` holds what the engine computes with; in memory lies uint8 if `unsigned` is set. With
    `source`, it is what that layer writes.
    """

    layer: ConvLayer
    geometry: Geometry
    array: Array
    x: npt.NDArray[np.int8] = field(repr=False)
    w: npt.NDArray[np.int8] = field(repr=False)
    bias: npt.NDArray[np.int32] = field(repr=False)
    scale: npt.NDArray[np.float32] = field(repr=False)
    unsigned: bool
    source: Work | None = field(default=None, repr=False)

    @property
    def element(self) -> np.dtype[Any]:
        return ELEMENT_TYPES[self.layer.output]

    @property
    def pixel_bytes(self) -> int:
        return self.layer.out_channels * self.element.itemsize

    @property
    def row_bytes(self) -> int:
        g = self.geometry
        return (self.layer.in_width - 1) * g.input_pixel_stride + self.layer.in_channels

    @property
    def passes(self) -> int:
        return ceil_div(self.geometry.groups, self.geometry.groups_per_pass)

    @property
    def mac_cycles(self) -> int:
        """Words that the array must be fed."""
        g = self.geometry
        return g.out_rows * g.out_columns * g.groups * g.group_words

    @property
    def read_beats(self) -> int:
        """Descriptor, weights, and the input rows of each pass unless they all stay."""
        g, array = self.geometry, self.array
        row_beats = ceil_div(g.input_align + self.row_bytes, array.beat_bytes)
        loads = 1 if g.row_slots >= self.layer.in_height else self.passes
        words = g.group_words * array.input_lanes * array.num_slices
        parameters = array.output_lanes * PARAMETER.itemsize // array.beat_bytes
        weight_beats = g.groups * (parameters + words)
        return 128 // array.beat_bytes + loads * self.layer.in_height * row_beats + weight_beats

    @property
    def write_beats(self) -> int:
        """A run per row if its pixels lie side by side, otherwise one per pixel and pass."""
        g, beat_bytes = self.geometry, self.array.beat_bytes
        if self.passes == 1 and g.output_pixel_stride == self.pixel_bytes:
            return g.out_rows * ceil_div(
                g.output_align + g.out_columns * self.pixel_bytes, beat_bytes
            )
        pass_bytes = g.groups_per_pass * self.array.output_lanes * self.element.itemsize
        pixels = g.output_align + np.arange(g.out_columns) * g.output_pixel_stride
        beats = 0
        for start in range(0, self.pixel_bytes, pass_bytes):
            size = min(pass_bytes, self.pixel_bytes - start)
            beats += int((-(-((pixels + start) % beat_bytes + size) // beat_bytes)).sum())
        return g.out_rows * beats

    @cached_property
    def output_bytes(self) -> npt.NDArray[np.uint8]:
        """The result in memory, (1, bytes of a pixel, rows, columns)."""
        g, layer = self.geometry, self.layer
        scale = None if layer.output is OutputType.INT32 else self.scale
        result = conv2d(self.x, self.w, self.bias, scale, layer)[0].astype(self.element)
        result = result[:, : g.out_rows, : g.out_columns]
        by_byte = np.ascontiguousarray(result.transpose(1, 2, 0)).view(np.uint8)
        return by_byte.reshape(g.out_rows, g.out_columns, -1).transpose(2, 0, 1)[np.newaxis]

    def place(
        self, memory: Memory, base: int, address: int, expected: Memory, source_address: int = 0
    ) -> tuple[Any, int]:
        """Write operands at `address` (an index is an address minus `base`) into `memory`.

        The result goes to `expected`, a copy of the memory as it must be after the run.
        `source_address` is the output address of the source, if there is one.

        Returns:
            the descriptor and the first address behind everything.
        """
        g, layer, beat_bytes = self.geometry, self.layer, self.array.beat_bytes
        weights = pack_weights(
            self.w,
            fold_zero_point(self.w, self.bias, layer.x_zero_point),
            self.scale,
            self.array,
            flattened=g.flattened,
        )
        weights_address = row_stride(address, beat_bytes)
        input_address = weights_address + row_stride(weights.size, beat_bytes) + g.input_align
        input_end = input_address + (layer.in_height - 1) * g.input_row_stride + self.row_bytes
        output_address = row_stride(input_end, beat_bytes) + g.output_align
        if self.source is not None:
            input_address = source_address
        end = output_address + g.out_rows * g.output_row_stride + self.pixel_bytes

        pixels = self.x.view(np.uint8) ^ np.uint8(0x80 if self.unsigned else 0)
        for target in (memory, expected):
            target[weights_address - base :][: weights.size] = weights
            if self.source is None:
                where = target[input_address - base :]
                _pixels(where, g.input_row_stride, g.input_pixel_stride, pixels)
        _pixels(
            expected[output_address - base :],
            g.output_row_stride,
            g.output_pixel_stride,
            self.output_bytes,
        )
        return self._descriptor(input_address, weights_address, output_address), end

    def _descriptor(self, input_address: int, weights_address: int, output_address: int) -> Any:
        layer, g = self.layer, self.geometry
        (pad_top, pad_bottom), (pad_left, pad_right) = layer.padding
        clamp = layer.clamp or {OutputType.UINT8: (0, 255)}.get(layer.output, (-128, 127))
        values = {
            "kind": Kind.CONV,
            "output_type": layer.output,
            "rounding": layer.rounding,
            "overflow": layer.overflow,
            "flags": int(self.unsigned),
            "input_address": input_address,
            "weights_address": weights_address,
            "output_address": output_address,
            "input_height": layer.in_height,
            "input_width": layer.in_width,
            "input_channels": layer.in_channels,
            "output_channels": layer.out_channels,
            "input_row_stride": g.input_row_stride,
            "input_pixel_stride": g.input_pixel_stride,
            "output_row_stride": g.output_row_stride,
            "output_pixel_stride": g.output_pixel_stride,
            "output_height": g.out_rows,
            "output_width": g.out_columns,
            "kernel_height": layer.kernel[0],
            "kernel_width": layer.kernel[1],
            "stride_height": layer.stride[0],
            "stride_width": layer.stride[1],
            "dilation_height": layer.dilation[0],
            "dilation_width": layer.dilation[1],
            "pad_top": pad_top,
            "pad_bottom": pad_bottom,
            "pad_left": pad_left,
            "pad_right": pad_right,
            "input_zero_point": layer.x_zero_point,
            "output_zero_point": layer.y_zero_point,
            "clamp_min": clamp[0],
            "clamp_max": clamp[1],
            "groups_per_pass": g.groups_per_pass,
            "row_slots": g.row_slots,
            "segment_words": g.segment_words,
            "group_channels": layer.in_channels,
        }
        record = np.zeros((), DESCRIPTOR)
        for name, value in values.items():
            record[name] = value
        return record


def _pixels(
    target: Memory, row_bytes: int, pixel_bytes: int, pixels: npt.NDArray[np.uint8]
) -> None:
    """Write pixels (1, bytes, rows, columns), a distance apart."""
    _, size, height, width = pixels.shape
    for row in range(height):
        where = row * row_bytes + np.arange(width)[:, np.newaxis] * pixel_bytes + np.arange(size)
        target[where] = pixels[0, :, row].T


def draw(rng: np.random.Generator, array: Array, max_mac_cycles: int) -> Work:
    """A random layer that fits the array and takes at most that many words."""
    while True:
        work = _try(rng, array, max_mac_cycles, None)
        if work is not None:
            return work


def draw_chain(
    rng: np.random.Generator, array: Array, count: int, max_mac_cycles: int
) -> list[Work]:
    """Random layers; most read the bytes that the one before writes, if a layer that does fits."""
    chain: list[Work] = []
    for _ in range(count):
        tries = 100 if chain and rng.random() < 0.9 else 0
        follower = (_try(rng, array, max_mac_cycles, chain[-1]) for _ in range(tries))
        found = next((work for work in follower if work is not None), None)
        chain.append(found or draw(rng, array, max_mac_cycles))
    return chain


def place_chain(
    works: list[Work], memory: Memory, base: int, address: int, expected: Memory
) -> tuple[list[Any], int]:
    """Place layers one behind the other: their descriptors, and the first address behind all."""
    descriptors: list[Any] = []
    for work in works:
        source = int(descriptors[-1]["output_address"]) if work.source is not None else 0
        descriptor, address = work.place(memory, base, address, expected, source)
        descriptors.append(descriptor)
    return descriptors, address


def _try(
    rng: np.random.Generator, array: Array, max_mac_cycles: int, source: Work | None
) -> Work | None:
    layer = _draw_layer(rng, array, source)
    geometry = None if layer is None else _draw_geometry(rng, layer, array, source)
    if layer is None or geometry is None:
        return None
    work = _draw_operands(rng, layer, geometry, array, source)
    return work if work.mac_cycles <= max_mac_cycles else None


def _draw_layer(rng: np.random.Generator, array: Array, source: Work | None) -> ConvLayer | None:
    def size(high: int) -> int:  # every order of magnitude is as likely
        return int((high + 1) ** rng.random())

    kernel = (size(7), size(7))
    dilation = (size(3), size(3)) if rng.random() < 0.3 else (1, 1)
    span = [dilation[i] * (kernel[i] - 1) + 1 for i in range(2)]
    padding = tuple((int(rng.integers(s)), int(rng.integers(s + 2))) for s in span)
    output = OutputType(rng.integers(3))
    low, high = {OutputType.INT8: (-128, 127), OutputType.UINT8: (0, 255)}.get(output, (0, 0))
    clamp = np.sort(rng.integers(low, high + 1, 2))
    in_size = [size(20) + max(span[i] - sum(padding[i]) - 1, 0) for i in range(2)]
    in_channels = size(4 * array.input_lanes)
    if source is not None:
        in_size = [source.geometry.out_rows, source.geometry.out_columns]
        in_channels = source.pixel_bytes
    if any(in_size[i] + sum(padding[i]) < span[i] for i in range(2)):
        return None
    return ConvLayer(
        in_channels=in_channels,
        out_channels=size(5 * array.output_lanes),
        in_height=in_size[0],
        in_width=in_size[1],
        kernel=kernel,
        stride=(size(4), size(4)),
        dilation=dilation,
        padding=(padding[0], padding[1]),
        x_zero_point=int(rng.integers(-128, 128)),
        y_zero_point=int(rng.integers(low, high + 1)),
        output=output,
        rounding=Rounding(rng.integers(3)),
        overflow=Overflow(rng.integers(3)),
        clamp=None if output is OutputType.INT32 else (int(clamp[0]), int(clamp[1])),
    )


def _draw_geometry(
    rng: np.random.Generator, layer: ConvLayer, array: Array, source: Work | None
) -> Geometry | None:
    def gap(high: int) -> int:
        return int(rng.integers(1, high)) if rng.random() < 0.3 else 0

    kernel_height, kernel_width = layer.kernel
    beat_bytes = array.beat_bytes
    element = ELEMENT_TYPES[layer.output].itemsize
    input_pixel_stride = layer.in_channels + gap(9)
    input_align = int(rng.integers(beat_bytes))
    if source is not None:
        input_pixel_stride = source.geometry.output_pixel_stride
        input_align = source.geometry.output_align
    flattened = kernel_width == 1 or (
        layer.dilation[1] == 1 and input_pixel_stride == layer.in_channels
    )
    segment_bytes = layer.in_channels * (kernel_width if flattened else 1)
    segment_words = ceil_div(segment_bytes, array.input_lanes)
    group_words = kernel_height * (1 if flattened else kernel_width) * segment_words
    groups = ceil_div(layer.out_channels, array.output_lanes)
    fit = min(array.weight_words // group_words, array.parameter_groups)

    row_bytes = (layer.in_width - 1) * input_pixel_stride + layer.in_channels
    row_beats = ceil_div(input_align + row_bytes, beat_bytes)
    input_row_stride = row_stride(row_bytes, beat_bytes) + beat_bytes * gap(4)
    if source is not None:
        input_row_stride = source.geometry.output_row_stride
    needed = max(layer.dilation[0] * (kernel_height - 1) + 1, layer.stride[0])
    slots = array.line_buffer_beats // row_beats
    if fit == 0 or slots < needed:
        return None

    out_rows, out_columns = layer.out_height, layer.out_width
    if rng.random() < 0.2:
        out_rows, out_columns = int(rng.integers(out_rows)) + 1, int(rng.integers(out_columns)) + 1
    output_pixel_stride = layer.out_channels * element + gap(20)
    return Geometry(
        flattened=flattened,
        segment_words=segment_words,
        group_words=group_words,
        groups=groups,
        groups_per_pass=int(rng.integers(1, min(fit, groups + 1) + 1)),
        row_slots=int(rng.integers(needed, min(slots, max(needed, layer.in_height) + 2) + 1)),
        out_rows=out_rows,
        out_columns=out_columns,
        input_align=input_align,
        input_pixel_stride=input_pixel_stride,
        input_row_stride=input_row_stride,
        output_align=int(rng.integers(beat_bytes // element)) * element,
        output_pixel_stride=output_pixel_stride,
        output_row_stride=row_stride(out_columns * output_pixel_stride, beat_bytes)
        + beat_bytes * gap(4),
    )


def _draw_operands(
    rng: np.random.Generator,
    layer: ConvLayer,
    geometry: Geometry,
    array: Array,
    source: Work | None,
) -> Work:
    def int8(shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
        low, high = [(-128, 128), (-128, -127), (127, 128), (-3, 4)][
            rng.choice(4, p=[0.7] + [0.1] * 3)
        ]
        return rng.integers(low, high, shape).astype(np.int8)

    shape = (1, layer.in_channels, layer.in_height, layer.in_width)
    taps = layer.in_channels * layer.kernel[0] * layer.kernel[1]
    spread = 64.0 * np.sqrt(taps) * 64.0
    scale = (128.0 / spread * rng.uniform(0.1, 2.0, layer.out_channels)).astype(np.float32)
    if rng.random() < 0.2:  # ties
        scale = np.float32(2.0) ** rng.integers(-12, 2, layer.out_channels).astype(np.float32)
    bias_bits = 31 if rng.random() < 0.1 else 12
    unsigned = bool(rng.random() < 0.3)
    x = int8(shape)
    if source is not None:
        x = (source.output_bytes ^ np.uint8(0x80 if unsigned else 0)).view(np.int8)
    return Work(
        layer=layer,
        geometry=geometry,
        array=array,
        x=x,
        w=int8(layer.weight_shape),
        bias=rng.integers(-(1 << bias_bits), 1 << bias_bits, layer.out_channels).astype(np.int32),
        scale=scale.astype(np.float32),
        unsigned=unsigned,
        source=source,
    )
