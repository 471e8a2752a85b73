# SPDX-License-Identifier: Apache-2.0
"""Named configurations of the engine: size of the array, memory behind it, clock.

This table is the only place where they are written down; the RTL parameters, the model of the
board's memory and what the compiler tiles for are all derived from it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from lineconv.errors import InvalidInputError

__all__ = ["BEAT_BYTES", "PRESETS", "Array", "MemoryModel", "Preset", "memory_of", "preset"]

BEAT_BYTES = (8, 16)  # widths of the memory path that can be built
MAX_INPUT_LANES = 32
MAX_LANES = 0xFFF8  # fields of the registers LANES and VECTOR
MAX_WEIGHT_WORDS = 0xFFFF  # field of the register MEMORY


def _require(name: str, value: int, low: int, high: int | None) -> None:
    if value < low or (high is not None and value > high):
        allowed = f"{low} or more" if high is None else f"{low}..{high}"
        raise InvalidInputError(f"{name} is {value}, allowed is {allowed}")


@dataclass(frozen=True)
class Array:
    """Sizes that are fixed when the engine is built.

    Attributes:
        input_lanes: input bytes multiplied per cycle.
        output_lanes: output channels that the MAC array computes together (one group), a multiple
            of beat_bytes.
        vector_lanes: channels that the vector unit computes together (one group), a multiple of
            beat_bytes.
        weight_words: depth of the weight buffer, in words: input_lanes x output_lanes bytes of the
            MAC array, vector_lanes bytes of the vector unit.
        line_buffer_beats: capacity of the line buffer, in beats; the RTL needs a power of two.
        beat_bytes: bytes of a beat on both AXI ports, 8 or 16; also the channels of a slice, which
            leave the array together and whose weights are one beat.

    Raises:
        InvalidInputError: a size is out of range.
    """

    input_lanes: int
    output_lanes: int
    vector_lanes: int
    weight_words: int
    line_buffer_beats: int
    beat_bytes: int = 8

    def __post_init__(self) -> None:
        if self.beat_bytes not in BEAT_BYTES:
            allowed = " and ".join(map(str, BEAT_BYTES))
            raise InvalidInputError(f"beat_bytes is {self.beat_bytes}, allowed are {allowed}")
        _require("input_lanes", self.input_lanes, 1, MAX_INPUT_LANES)
        for name in ("output_lanes", "vector_lanes"):
            lanes = getattr(self, name)
            _require(name, lanes, self.beat_bytes, MAX_LANES)
            if lanes % self.beat_bytes:
                raise InvalidInputError(
                    f"{name} is {lanes}, allowed are multiples of {self.beat_bytes}"
                )
        most_slices = max(self.num_slices, self.vector_slices)
        _require("weight_words", self.weight_words, most_slices, MAX_WEIGHT_WORDS)
        _require("line_buffer_beats", self.line_buffer_beats, 1, None)

    @property
    def num_slices(self) -> int:
        """Beats of weights per input byte; slices of beat_bytes channels per group of CONV."""
        return self.output_lanes // self.beat_bytes

    @property
    def vector_slices(self) -> int:
        """Slices of beat_bytes channels per group of the vector unit."""
        return self.vector_lanes // self.beat_bytes

    @property
    def parameter_slices(self) -> int:
        """Slices whose bias and multiplier fit on chip."""
        return self.weight_words

    @property
    def parameter_groups(self) -> int:
        """Groups of CONV whose bias and multiplier fit on chip."""
        return self.parameter_slices // self.num_slices

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates of a fully used cycle."""
        return self.input_lanes * self.output_lanes

    @property
    def rtl_parameters(self) -> dict[str, int]:
        """Parameters of the RTL top: the same words, spelled as SystemVerilog does.

        Without the width of a beat, which is in a package.
        """
        return {
            "".join(word.capitalize() for word in name.split("_")): value
            for name, value in asdict(self).items()
            if name != "beat_bytes"
        }


@dataclass(frozen=True)
class MemoryModel:
    """Timing of the memory behind the two AXI ports.

    Attributes:
        bytes_per_cycle: bandwidth shared by reads and writes of both ports, more than 0.
        read_latency: cycles from the acceptance of a read address to its first beat, >= 1.
        write_latency: cycles from the last write beat to its response, >= 1.
        max_outstanding: bursts that a port accepts before it has answered the first, 1..64.
        stall_probability: chance of a stall per cycle on each of the five channels, 0 <= p < 1.
        seed: of the stalls; the same seed gives the same run, cycle for cycle.

    Raises:
        InvalidInputError: a value is out of range.
    """

    bytes_per_cycle: float
    read_latency: int = 32
    write_latency: int = 16
    max_outstanding: int = 16
    stall_probability: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        # Negated, so that NaN is refused as well.
        if not 0 < self.bytes_per_cycle <= 1024:
            raise InvalidInputError(
                f"bytes_per_cycle is {self.bytes_per_cycle}, allowed is 0 < b <= 1024"
            )
        _require("read_latency", self.read_latency, 1, 1_000_000)
        _require("write_latency", self.write_latency, 1, 1_000_000)
        _require("max_outstanding", self.max_outstanding, 1, 64)
        if not 0 <= self.stall_probability < 1:
            raise InvalidInputError(
                f"stall_probability is {self.stall_probability}, allowed is 0 <= p < 1"
            )
        _require("seed", self.seed, 0, 2**64 - 1)


@dataclass(frozen=True)
class Preset:
    """One configuration of the engine on one board.

    Attributes:
        name: what the preset is called in device names such as `sim:pynq-z2`.
        array: sizes of the engine.
        memory: model of the board's memory, per clock cycle of the engine.
        clock_hz: clock that the engine is built for.
        description: one line for listings.
    """

    name: str
    array: Array
    memory: MemoryModel
    clock_hz: int
    description: str


# 16-bit DDR3-1050 is 2.1 GB/s, of which about 70 % can be used: 9.8 bytes per cycle of 150 MHz.
_PYNQ_Z2_MEMORY = MemoryModel(bytes_per_cycle=9.8, read_latency=32)

# 64-bit DDR4-2400 is 19.2 GB/s (AMD DS987, Kria K26), of which about 70 % can be used: 53.8 bytes
# per cycle of 250 MHz, more than the 32 that the two ports can read and the 16 that one can write.
# The latencies are those of the PYNQ-Z2 in nanoseconds.
_KV260_MEMORY = MemoryModel(bytes_per_cycle=53.8, read_latency=53, write_latency=27)

PRESETS: dict[str, Preset] = {
    entry.name: entry
    for entry in (
        Preset(
            name="pynq-z2",
            array=Array(
                input_lanes=26,
                output_lanes=16,
                vector_lanes=48,
                weight_words=512,
                line_buffer_beats=16384,
            ),
            memory=_PYNQ_Z2_MEMORY,
            clock_hz=150_000_000,
            description="PYNQ-Z2 (xc7z020): 416 MAC per cycle, 208 KB weights, 128 KB lines",
        ),
        Preset(
            name="kv260",
            array=Array(
                input_lanes=32,
                output_lanes=32,
                vector_lanes=96,
                weight_words=512,
                line_buffer_beats=16384,
                beat_bytes=16,
            ),
            memory=_KV260_MEMORY,
            clock_hz=250_000_000,
            description="KV260 (xck26): 1024 MAC per cycle, 512 KB weights, 256 KB lines",
        ),
        Preset(
            name="tiny",
            array=Array(
                input_lanes=4,
                output_lanes=8,
                vector_lanes=16,
                weight_words=128,
                line_buffer_beats=512,
            ),
            memory=_PYNQ_Z2_MEMORY,
            clock_hz=150_000_000,
            description="Small array that builds in seconds: 32 MAC per cycle",
        ),
    )
}


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InvalidInputError: there is none; the message lists those that exist.
    """
    try:
        return PRESETS[name]
    except KeyError:
        known = ", ".join(PRESETS)
        raise InvalidInputError(f"no preset {name!r}, there are: {known}") from None


def memory_of(array: Array) -> MemoryModel:
    """The memory behind an array, as far as it is known: that of its preset, else PYNQ-Z2's."""
    known = (entry.memory for entry in PRESETS.values() if entry.array == array)
    return next(known, _PYNQ_Z2_MEMORY)
