# SPDX-License-Identifier: Apache-2.0
"""Random programs of all layer kinds on parts of tensors, for everything that runs programs.

Operations read and write parts of tensors (some channels, every second column, ...) full of random
bytes, and read what earlier operations have written. Every program comes from its seed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from programs import Program, place

from lineconv.compiler.operation import Operation
from lineconv.compiler.view import View
from lineconv.errors import InvalidLayerError
from lineconv.layer import ConvLayer, OutputType, Overflow, Rounding
from lineconv.packing import ELEMENT_TYPES, ceil_div
from lineconv.presets import Array
from lineconv.regs import Kind
from lineconv.tiling import Tiling

__all__ = ["random_bytes", "random_program"]

_MAX_DESCRIPTORS = 24  # of an operation
_ALIGNMENT = 64


def random_program(
    seed: int,
    array: Array,
    *,
    operations: int = 4,
    kinds: tuple[Kind, ...] = tuple(Kind),
    max_words: int = 3000,
    parts: bool = True,
) -> Program:
    """A program of some operations.

    Args:
        kinds: of the operations.
        max_words: that an operation costs the engine at least, in cycles.
        parts: operations may work on parts of tensors.
    """
    draw = _Draw(np.random.default_rng(seed), array, max_words, parts)
    return draw.program(operations, kinds)


def random_bytes(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """All of int8, half of them values that overflow first; now and then nothing but -128."""
    if rng.random() < 0.1:
        return np.full(shape, -128, np.int8)
    values = rng.integers(-128, 128, shape)
    extremes = rng.choice([-128, -128, -1, 0, 127], shape)
    return np.where(rng.random(shape) < 0.5, values, extremes).astype(np.int8)


class _Draw:
    """Draws operations, and the tensors that they work on."""

    def __init__(self, rng: np.random.Generator, array: Array, max_words: int, parts: bool) -> None:
        self._rng = rng
        self._array = array
        self._max_words = max_words
        self._parts = parts
        self._nbytes = 0
        self._results: list[View] = []  # that another operation can read

    def program(self, operations: int, kinds: tuple[Kind, ...]) -> Program:
        drawn = [Kind(self._pick(*kinds)) for _ in range(operations)]
        tasks = [self._operation(index, kind) for index, kind in enumerate(drawn)]
        tensors = random_bytes(self._rng, (self._reserve(0),)).view(np.uint8)
        return place(tasks, tensors, self._array)

    def _pick(self, *values: int) -> int:
        return int(self._rng.choice(values))

    def _chance(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)

    def _reserve(self, nbytes: int) -> int:
        start = ceil_div(self._nbytes, _ALIGNMENT) * _ALIGNMENT
        self._nbytes = start + nbytes
        return start

    def _operation(self, index: int, kind: Kind) -> Operation:
        while True:
            nbytes = self._nbytes
            try:
                operation = self._try(index, kind)
                tiling = operation.tiling(self._array)
            except InvalidLayerError:  # no room in the buffers, or no such layer
                self._nbytes = nbytes
                continue
            small = self._words(tiling) <= self._max_words
            if small and len(tiling.tiles) <= _MAX_DESCRIPTORS:
                self._results.append(operation.output)
                return operation
            self._nbytes = nbytes

    def _words(self, tiling: Tiling) -> int:
        return sum(
            len(tile.out_rows) * tile.output_width * tile.groups(self._array) * tile.group_words
            for tile in tiling.tiles
        )

    def _try(self, index: int, kind: Kind) -> Operation:
        """Any operation.

        Raises:
            InvalidLayerError: the numbers that were drawn make no layer.
        """
        source = None
        readable = [view for view in self._results if view.dtype != np.int32]
        if readable and self._chance(0.5):
            source = readable[self._pick(*range(len(readable)))]
        layer, digits = self._layer(kind, source)
        whole = not self._parts or self._chance(0.4)
        if source is None:
            shape = (1, layer.in_height, layer.in_width, layer.in_channels)
            image = self._view(shape, np.uint8 if self._chance(0.3) else np.int8, whole)
        else:
            image = source
        output_shape = (1, layer.out_height, layer.out_width, layer.out_channels)
        table = None
        if layer.output is not OutputType.INT32 and self._chance(0.4):
            table = self._rng.integers(0, 256, 256).astype(np.uint8)
        shape_of_weights = (2, digits) if kind is Kind.ADD else layer.weight_shape
        weights = random_bytes(self._rng, shape_of_weights)
        span = 2 ** self._pick(*range(1, 32))
        return Operation(
            name=f"{index}: {kind.name}",
            kind=kind,
            layer=layer,
            inputs=(image, self._beside(image)) if kind is Kind.ADD else (image,),
            output=self._view(output_shape, ELEMENT_TYPES[layer.output], whole),
            weights=weights,
            bias=self._rng.integers(-span, span, layer.out_channels).astype(np.int32),
            scale=self._scale(kind, weights, layer),
            table=table,
        )

    def _scale(
        self, kind: Kind, weights: npt.NDArray[np.int8], layer: ConvLayer
    ) -> npt.NDArray[np.float32]:
        """Around the values that make results fill eight bits."""
        if layer.output is OutputType.INT32:
            return np.ones(layer.out_channels, np.float32)
        sums = 1 if kind is Kind.MAX_POOL else np.sqrt(weights[0].size)
        if kind is Kind.ADD:
            sums = 256.0 ** (weights.shape[1] - 1)
        exponents = self._rng.normal(-7, 2, layer.out_channels)
        signs = self._rng.choice([1, 1, 1, -1], layer.out_channels)
        return np.asarray(signs * 2.0**exponents / sums, np.float32)

    def _layer(self, kind: Kind, source: View | None) -> tuple[ConvLayer, int]:
        """A layer that reads `source`, and digits of ADD."""
        pick = self._pick
        if kind is Kind.CONV and source is None and self._chance(0.1):
            return self._deep_layer(), 1
        sizes = self._sizes(kind, source)
        if kind is Kind.ADD:
            return ConvLayer(kernel=(1, 1), **sizes, **self._numbers()), pick(1, 2, 3)
        kernel = (pick(1, 1, 2, 3, 3, 5, 9), pick(1, 1, 2, 3, 3, 5, 9))
        dilation = (pick(1, 1, 1, 2, 3), pick(1, 1, 1, 2, 3))
        spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        pads = [(pick(*range(min(span, 4))), pick(*range(min(span, 4)))) for span in spans]
        layer = ConvLayer(
            kernel=kernel,
            stride=(pick(1, 1, 2, 3, 8), pick(1, 1, 2, 3, 8)),
            dilation=dilation,
            padding=(pads[0], pads[1]),
            x_zero_point=pick(-128, 127, 0, *range(-128, 128)),
            **sizes,
            **self._numbers(),
        )
        return layer, 1

    def _sizes(self, kind: Kind, source: View | None) -> dict[str, Any]:
        """Channels, groups and image of a layer."""
        pick, array = self._pick, self._array
        if source is not None:
            _, height, width, channels = source.shape
            groups = pick(*[n for n in (1, 2, 3, 4, 6) if channels % n == 0])
        else:
            height, width = pick(1, 2, 5, 9, 14), pick(1, 2, 5, 9, 14, 30)
            groups = pick(1, 1, 1, 2, 3, 4, 6, 12)
            channels = groups * pick(1, 1, 2, 3, 5, 8, 17, 64)
            if kind is not Kind.CONV:
                channels = pick(1, 7, 16, array.vector_lanes, 2 * array.vector_lanes + 3)
        lanes = [array.output_lanes // parts for parts in (1, 2, 4, 8)]  # groups that fill them
        outputs = groups * pick(1, 1, 2, 4, 9, 20, *lanes)
        if kind is not Kind.CONV:
            groups = outputs = channels
        return {
            "in_channels": channels,
            "out_channels": outputs,
            "in_height": height,
            "in_width": width,
            "groups": groups,
        }

    def _deep_layer(self) -> ConvLayer:
        """One whose weights do not fit the weight buffer, but for single kernel rows."""
        array, pick = self._array, self._pick
        return ConvLayer(
            in_channels=array.weight_words * array.input_lanes // 9 + pick(3, 40),
            out_channels=pick(1, 5, array.output_lanes + 1),
            in_height=3,
            in_width=3,
            kernel=(3, 3),
            padding=((pick(0, 0, 1), 0), (0, pick(0, 0, 1))),
            x_zero_point=pick(-128, 127),
            **self._numbers(),
        )

    def _numbers(self) -> dict[str, Any]:
        """Number formats of a layer."""
        rng = self._rng
        output = OutputType(self._pick(*[OutputType.INT8] * 3, *[OutputType.UINT8] * 2, 2))
        formats: dict[str, Any] = {
            "output": output,
            "rounding": Rounding(self._pick(*Rounding)),
            "overflow": Overflow(self._pick(*Overflow)),
        }
        if output is OutputType.INT32:
            return formats
        low = -128 if output is OutputType.INT8 else 0
        clamp = sorted(int(value) for value in rng.integers(low, low + 256, 2))
        return formats | {
            "y_zero_point": int(rng.integers(low, low + 256)),
            "clamp": (clamp[0], clamp[1]) if self._chance(0.3) else None,
        }

    def _view(self, shape: tuple[int, int, int, int], dtype: npt.DTypeLike, whole: bool) -> View:
        """A part of a larger tensor, or a whole one, at any byte that its elements allow."""
        batch, height, width, channels = shape
        element = np.dtype(dtype).itemsize
        if whole:
            rows, columns, part = range(height), range(width), range(channels)
        else:
            steps = (self._pick(1, 1, 2, 3), self._pick(1, 1, 2, 3))
            firsts = (self._pick(0, 1, 2), self._pick(0, 1, 2), self._pick(0, 1, 3, 8))
            rows = range(firsts[0], firsts[0] + (height - 1) * steps[0] + 1, steps[0])
            columns = range(firsts[1], firsts[1] + (width - 1) * steps[1] + 1, steps[1])
            part = range(firsts[2], firsts[2] + channels)
        behind = 0 if whole else self._pick(0, 0, 5)
        tensor = (batch, rows.stop, columns.stop, part.stop + behind)
        view = View.dense("block", tensor, dtype, self._array.beat_bytes)
        skip = self._pick(0, 0, *range(self._array.beat_bytes)) // element * element
        view = replace(view, offset=self._reserve(view.nbytes + skip) + skip)
        return view.spatial_part(rows, columns).channel_part(part)

    def _beside(self, image: View) -> View:
        """Another tensor, which lies in its beats as the first does."""
        beat_bytes = self._array.beat_bytes
        start = self._reserve(image.nbytes + beat_bytes)
        return replace(image, offset=start + image.offset % beat_bytes)
