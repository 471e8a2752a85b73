# SPDX-License-Identifier: Apache-2.0
"""Layer descriptors: written from tiles, read back as measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.bus import ByteArray
from lineconv.layer import OutputType
from lineconv.packing import row_stride
from lineconv.presets import Array
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Kind
from lineconv.tile import Tile
from lineconv.tiling import Tiling

__all__ = ["INPUT_UNSIGNED", "DescriptorRun", "RunReport", "TileAddresses", "descriptor", "results"]

INPUT_UNSIGNED = 1  # bit of the descriptor's flags

_CLAMP = {OutputType.INT8: (-128, 127), OutputType.UINT8: (0, 255), OutputType.INT32: (0, 0)}


@dataclass(frozen=True)
class TileAddresses:
    """Where the engine finds what a tile works on.

    Attributes:
        image: the packed image of the tile's input channels, all rows and columns of the layer.
        weights: the weight stream.
        result: the packed image of the tile's output channels, all rows and columns.
    """

    image: int
    weights: int
    result: int


def descriptor(
    tile: Tile,
    tiling: Tiling,
    addresses: TileAddresses,
    *,
    input_unsigned: bool,
    beat_bytes: int,
) -> npt.NDArray[np.void]:
    """The descriptor of a tile, shape (), with the result block zero.

    Args:
        tile: one of the tiles of `tiling`.
        addresses: all multiples of beat_bytes.
        input_unsigned: the image holds uint8; the layer's zero point still is that of int8.
    """
    layer = tiling.layer
    channels = len(tile.in_channels)
    image_row = row_stride(layer.in_width * channels, beat_bytes)
    column_bytes = tile.pixel_bytes // tile.pixels
    result_row = row_stride(tiling.result_width * column_bytes, beat_bytes)
    (pad_top, pad_bottom), (pad_left, pad_right) = tile.padding
    raw = tile.output_type is OutputType.INT32
    clamp = _CLAMP[tile.output_type] if raw or layer.clamp is None else layer.clamp
    fields: dict[str, int] = {
        "kind": Kind.CONV,
        "output_type": tile.output_type,
        "rounding": layer.rounding,
        "overflow": layer.overflow,
        "flags": INPUT_UNSIGNED if input_unsigned else 0,
        "input_address": addresses.image
        + tile.in_rows.start * image_row
        + tile.in_columns.start * channels,
        "weights_address": addresses.weights,
        "output_address": addresses.result
        + tile.out_rows.start * result_row
        + tile.out_columns.start * column_bytes,
        "input_height": len(tile.in_rows),
        "input_width": len(tile.in_columns),
        "input_channels": channels,
        "output_channels": tile.output_channels,
        "input_row_stride": tile.in_rows.step * image_row,
        "input_pixel_stride": channels,
        "output_row_stride": result_row,
        "output_pixel_stride": tile.pixel_bytes,
        "output_height": len(tile.out_rows),
        "output_width": tile.output_width,
        "kernel_height": len(tile.kernel_rows),
        "kernel_width": tile.kernel_width,
        "stride_height": tile.stride[0],
        "stride_width": tile.stride[1],
        "dilation_height": tile.dilation[0],
        "dilation_width": tile.dilation[1],
        "pad_top": pad_top,
        "pad_bottom": pad_bottom,
        "pad_left": pad_left,
        "pad_right": pad_right,
        "input_zero_point": layer.x_zero_point,
        "output_zero_point": 0 if raw else layer.y_zero_point,
        "clamp_min": clamp[0],
        "clamp_max": clamp[1],
        "groups_per_pass": tile.groups_per_pass,
        "row_slots": tile.row_slots,
        "segment_words": tile.segment_words,
    }
    out = np.zeros((), DESCRIPTOR)
    for name, value in fields.items():
        out[name] = value
    return out


@dataclass(frozen=True)
class DescriptorRun:
    """What the engine measured while it ran one descriptor.

    Attributes:
        macs: multiply-accumulates that the layer needed from it.
        cycles: from the fetch of the descriptor to its last write response.
        mac_cycles: the array was fed.
        stall_input, stall_weights, stall_output: the array waited for this.
        read_beats, write_beats: traffic on the memory ports, in beats of the array.
    """

    macs: int
    cycles: int
    mac_cycles: int
    stall_input: int
    stall_weights: int
    stall_output: int
    read_beats: int
    write_beats: int


_MEASURED = (
    "cycles",
    "mac_cycles",
    "stall_input",
    "stall_weights",
    "stall_output",
    "read_beats",
    "write_beats",
)


@dataclass(frozen=True)
class RunReport:
    """One run of a program.

    Attributes:
        device: name of the device that ran it.
        array: sizes of its engine.
        clock_hz: clock of its engine; of a simulated one, the clock that it stands for.
        cycles: from start to done; 0 from a device that does not count cycles.
        descriptors: in the order of the program.
    """

    device: str
    array: Array
    clock_hz: float
    cycles: int
    descriptors: tuple[DescriptorRun, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return self._total("macs")

    @property
    def mac_cycles(self) -> int:
        """Cycles in which the array was fed."""
        return self._total("mac_cycles")

    @property
    def stall_input(self) -> int:
        """Cycles in which the array waited for input rows."""
        return self._total("stall_input")

    @property
    def stall_weights(self) -> int:
        """Cycles in which the array waited for weights."""
        return self._total("stall_weights")

    @property
    def stall_output(self) -> int:
        """Cycles in which the array waited for room on the output side."""
        return self._total("stall_output")

    @property
    def read_beats(self) -> int:
        """Beats read from memory."""
        return self._total("read_beats")

    @property
    def write_beats(self) -> int:
        """Beats written to memory."""
        return self._total("write_beats")

    @property
    def utilisation(self) -> float | None:
        """MACs done / MACs that the array could have done; None if cycles are not counted."""
        return self.macs / (self.cycles * self.array.macs_per_cycle) if self.cycles else None

    @property
    def seconds(self) -> float | None:
        """Duration at the engine's clock; None if cycles are not counted."""
        return self.cycles / self.clock_hz if self.cycles else None

    def _total(self, name: str) -> int:
        return sum(getattr(run, name) for run in self.descriptors)


def results(program: ByteArray, macs: Sequence[int]) -> tuple[DescriptorRun, ...]:
    """The measurements in a program that has run; `macs` are those of its descriptors."""
    blocks: npt.NDArray[Any] = program[: len(macs) * DESCRIPTOR_BYTES].view(DESCRIPTOR)
    return tuple(
        DescriptorRun(count, **{name: int(block[name]) for name in _MEASURED})
        for count, block in zip(macs, blocks, strict=True)
    )
