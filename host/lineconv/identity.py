# SPDX-License-Identifier: Apache-2.0
"""Asks the hardware what it is, and refuses what this package cannot drive."""

from __future__ import annotations

from lineconv import regs
from lineconv.bus import AP_DONE, AP_START, RegisterBus
from lineconv.errors import BitstreamMismatchError, InvalidInputError
from lineconv.presets import Array

__all__ = ["read_array"]

_EMPTY_RUN_READS = 1000  # an empty program takes a few cycles, each read of a register many more


def read_array(bus: RegisterBus) -> Array:
    """The sizes of the engine behind the bus.

    Raises:
        BitstreamMismatchError: it is no lineconv engine, has another interface, or its sizes make
            no sense; the message names what was found and what is expected.
    """
    magic = bus.read(regs.MAGIC)
    if magic == 0:
        # The HLS core writes its identity when it runs, so let it run nothing.
        _run_empty_program(bus)
        magic = bus.read(regs.MAGIC)
    if magic != regs.IDENTITY:
        raise BitstreamMismatchError(
            f"MAGIC reads {magic:#010x}, a lineconv engine has {regs.IDENTITY:#010x}"
        )
    version = bus.read(regs.VERSION)
    if version >> 16 != regs.INTERFACE_VERSION >> 16:
        raise BitstreamMismatchError(
            f"the bitstream has interface version {version >> 16}.{version & 0xFFFF}, this package "
            f"drives {regs.INTERFACE_VERSION >> 16}.x: update the older of the two"
        )
    lanes = bus.read(regs.LANES)
    memory = bus.read(regs.MEMORY)
    try:
        array = Array(
            input_lanes=lanes & 0xFFFF,
            output_lanes=lanes >> 16,
            vector_lanes=bus.read(regs.VECTOR) & 0xFFFF,
            weight_words=bus.read(regs.WEIGHT_WORDS),
            line_buffer_beats=bus.read(regs.LINE_BUFFER_BEATS),
            beat_bytes=memory & 0xFF,
        )
    except InvalidInputError as error:
        raise BitstreamMismatchError(f"the bitstream reports an impossible size: {error}") from None
    parameter_slices = memory >> 16
    if parameter_slices != array.parameter_slices:
        raise BitstreamMismatchError(
            f"the bitstream reports {parameter_slices} parameter slices, this package expects "
            f"{array.parameter_slices}"
        )
    return array


def _run_empty_program(bus: RegisterBus) -> None:
    bus.write(regs.DESCRIPTOR_COUNT, 0)
    bus.write(regs.CTRL, AP_START)
    for _ in range(_EMPTY_RUN_READS):
        if bus.read(regs.CTRL) & AP_DONE:
            return
