# SPDX-License-Identifier: Apache-2.0
"""Random convolutions and arrays, and bad descriptors, for all tests that run them somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import assume
from hypothesis import strategies as st

from lineconv import golden
from lineconv.errors import InvalidLayerError
from lineconv.layer import ConvLayer, OutputType, Overflow, Rounding
from lineconv.presets import BEAT_BYTES, PRESETS, Array

__all__ = ["BAD_FIELDS", "Convolution", "arrays", "convolutions", "convolutions_on_arrays"]

# One wrong field of a descriptor of a small layer, and the code that the engine answers with.
BAD_FIELDS = [
    ("kind", 77, "BAD_KIND"),
    ("flags", 0x80, "BAD_FORMAT"),
    ("output_height", 99, "BAD_SHAPE"),
    ("kernel_width", 0, "BAD_KERNEL"),
    ("input_row_stride", 3, "BAD_STRIDE"),
    ("row_slots", 1, "BAD_TILING"),
    ("output_address", 0x1000, "BAD_ADDRESS"),
    ("input_address", 0x2_0000_0000, "BAD_ADDRESS"),
]


@dataclass(frozen=True)
class Convolution:
    """A layer, and a seed for its tensors.

    Attributes:
        layer: with the zero point of int8.
        unsigned: x is uint8.
    """

    layer: ConvLayer
    batch: int
    unsigned: bool
    seed: int

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """x, w, bias and scale; half of the values are extremes, which overflow first."""
        rng = np.random.default_rng(self.seed)
        layer = self.layer

        def int8(*shape: int) -> npt.NDArray[np.int8]:
            values = rng.integers(-128, 128, shape)
            extremes = rng.choice([-128, -1, 0, 127], shape)
            return np.where(rng.random(shape) < 0.5, values, extremes).astype(np.int8)

        x = int8(self.batch, layer.in_channels, layer.in_height, layer.in_width)
        span = 2 ** rng.integers(1, 32)
        taps = int(np.prod(layer.weight_shape[1:]))
        return {
            "x": x.view(np.uint8) ^ 0x80 if self.unsigned else x,
            "w": int8(*layer.weight_shape),
            "bias": rng.integers(-span, span, layer.out_channels).astype(np.int32),
            # Around the value that makes the result fill eight bits.
            "scale": np.float32(2.0) ** rng.normal(-7, 3, layer.out_channels).astype(np.float32)
            / np.float32(np.sqrt(taps)),
        }

    def arguments(self) -> dict[str, Any]:
        """Of `Accelerator.conv2d`."""
        layer, tensors = self.layer, self.tensors()
        if layer.output is OutputType.INT32:
            del tensors["scale"]
        return tensors | {
            "stride": layer.stride,
            "padding": layer.padding,
            "dilation": layer.dilation,
            "groups": layer.groups,
            "x_zero_point": layer.x_zero_point + (128 if self.unsigned else 0),
            "y_zero_point": layer.y_zero_point,
            "clamp": layer.clamp,
            "rounding": layer.rounding,
            "overflow": layer.overflow,
            "output_type": layer.output,
        }

    def expected(self) -> npt.NDArray[Any]:
        """What golden says."""
        tensors = self.tensors()
        x = (tensors["x"] ^ 0x80).view(np.int8) if self.unsigned else tensors["x"]
        scale = None if self.layer.output is OutputType.INT32 else tensors["scale"]
        return golden.conv2d(x, tensors["w"], tensors["bias"], scale, self.layer)


def arrays() -> st.SearchStrategy[Array]:
    """The presets, and others down to an array that holds almost nothing."""
    odd = st.builds(
        lambda slices, vector_slices, beat_bytes, **sizes: Array(
            output_lanes=slices * beat_bytes,
            vector_lanes=vector_slices * beat_bytes,
            beat_bytes=beat_bytes,
            **sizes,
        ),
        st.sampled_from([1, 2, 4]),
        st.sampled_from([1, 3, 4]),
        st.sampled_from(BEAT_BYTES),
        input_lanes=st.sampled_from([1, 3, 4, 13, 26]),
        weight_words=st.sampled_from([4, 9, 20, 128]),
        line_buffer_beats=st.sampled_from([1, 3, 16, 64, 500]),
    )
    return st.sampled_from([preset.array for preset in PRESETS.values()]) | odd


@st.composite
def convolutions(draw: st.DrawFn, *, max_macs: int = 1_000_000) -> Convolution:
    """Any legal layer of moderate size: every mode, odd sizes, pads beyond the kernel."""

    def pick(*values: int) -> int:
        return draw(st.sampled_from(values))

    groups = pick(1, 1, 1, 2, 3, 6)
    output = draw(st.sampled_from(OutputType))
    low, high = {OutputType.INT8: (-128, 127), OutputType.UINT8: (0, 255)}.get(output, (0, 0))
    within = st.integers(low, high)
    clamp = draw(st.none() | st.tuples(within, within).map(lambda pair: (min(pair), max(pair))))
    try:
        layer = ConvLayer(
            in_channels=groups * pick(1, 2, 3, 5, 8, 17),
            out_channels=groups * pick(1, 2, 4, 9, 20),
            in_height=pick(1, 2, 5, 9, 14, 30),
            in_width=pick(1, 2, 5, 9, 14, 30, 70),
            kernel=(pick(1, 1, 2, 3, 3, 5, 16), pick(1, 1, 2, 3, 3, 5, 16)),
            stride=(pick(1, 1, 2, 3, 8), pick(1, 1, 2, 3, 8)),
            dilation=(pick(1, 1, 1, 2, 3, 9), pick(1, 1, 1, 2, 3, 9)),
            padding=(
                (pick(0, 0, 1, 2, 7), pick(0, 0, 1, 2, 7)),
                (pick(0, 0, 1, 2, 7), pick(0, 0, 1, 2, 7)),
            ),
            groups=groups,
            x_zero_point=draw(st.integers(-128, 127)),
            y_zero_point=draw(within),
            output=output,
            rounding=draw(st.sampled_from(Rounding)),
            overflow=draw(st.sampled_from(Overflow)),
            clamp=None if output is OutputType.INT32 else clamp,
        )
    except InvalidLayerError:  # the kernel is larger than the padded input
        assume(False)
        raise
    batch = pick(1, 1, 3)
    assume(layer.macs * batch <= max_macs)
    return Convolution(layer, batch, draw(st.booleans()), draw(st.integers(0, 2**32 - 1)))


@st.composite
def convolutions_on_arrays(draw: st.DrawFn, *, max_macs: int) -> tuple[Convolution, Array]:
    """Both, without large layers on arrays that would cut them into millions of tiles."""
    array = draw(arrays())
    least = min(array.line_buffer_beats, array.weight_words)
    return draw(convolutions(max_macs=min(max_macs, 2000 * array.output_lanes * least))), array
