# SPDX-License-Identifier: Apache-2.0
"""Random work for benches of the whole engine: layers, their place in memory, what must come out.

Layers of all kinds use all freedom of a descriptor, also what the compiler never writes: any byte
address, pixel strides with gaps, outputs smaller than possible, weights where a word reads beyond
its segment. A layer may read what an earlier one wrote. What must come out is what the functional
model of the host makes of the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lineconv.checker import MAX_DIGITS, Fields, Window, check
from lineconv.executor import NoMemoryError, run_program
from lineconv.layer import OutputType, Overflow, Rounding
from lineconv.packing import ELEMENT_TYPES, PARAMETER, ceil_div, row_stride
from lineconv.presets import Array
from lineconv.program import record
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Error, Flag, Kind

Memory = npt.NDArray[np.uint8]
WINDOW = Window(0, (1 << 32) - 1)
PROGRAM = (1 << 32) - DESCRIPTOR_BYTES  # where the model finds its descriptor, behind all memories


class Placed(NamedTuple):
    """A layer in memory: its descriptor, the same with the result block of the model, and the first
    address behind everything."""

    descriptor: Any
    expected: Any
    end: int


@dataclass(frozen=True)
class Work:
    """One layer with its operands; `place` puts it into memory.

    `values` are the fields of the descriptor; addresses tell the byte in their beat only. `inputs`
    are the input tensors from their first to their last byte, without the one that `source`
    writes; the second of ADD may be missing, then it is the first once more.
    """

    array: Array
    values: dict[str, int]
    stream: Memory = field(repr=False)
    inputs: list[Memory] = field(repr=False)
    source: Work | None = field(default=None, repr=False)

    @cached_property
    def fields(self) -> Fields:
        return Fields(record(self.values), self.array)

    @property
    def mac_cycles(self) -> int:
        """Words that a compute unit must be fed."""
        f = self.fields
        return f.output_height * f.output_width * f.groups * f.group_words

    def place(
        self, memory: Memory, base: int, address: int, expected: Memory, source_address: int = 0
    ) -> Placed:
        """Write operands at `address` (an index is an address minus `base`) into `memory`.

        The result goes to `expected`, a copy of the memory as it must be after the run.
        `source_address` is the output address of the source, if there is one.
        """
        beat_bytes = self.array.beat_bytes
        values = dict(self.values)
        places = [] if self.source is None else [source_address]
        contents = []
        for data, align in [
            (self.stream, 0),
            *((data, values["input_address"]) for data in self.inputs),
        ]:
            address = row_stride(address, beat_bytes) + align
            contents.append((address, data))
            address += data.size
        places += [where for where, _ in contents[1:]]
        values["weights_address"] = contents[0][0]
        values["input_address"] = places[0]
        if values["kind"] == Kind.ADD:
            values["second_address"] = places[-1]
        values["output_address"] += row_stride(address, beat_bytes)
        for target in (memory, expected):
            for where, data in contents:
                target[where - base :][: data.size] = data
        descriptor = record(values)
        model = _Model(expected, base, descriptor)
        outcome = run_program(model, PROGRAM, 1, WINDOW, self.array)
        assert outcome.status is Error.OK, f"{outcome}: {self}"
        end = values["output_address"] + self.fields.output_bytes
        return Placed(descriptor, model.program.view(DESCRIPTOR)[0], end)


class _Model:
    """Memory of the functional model: that of the bench, and one descriptor."""

    def __init__(self, data: Memory, base: int, descriptor: Any) -> None:
        self.program = np.frombuffer(descriptor.tobytes(), np.uint8).copy()
        self._data, self._base = data, base

    def view(self, address: int, nbytes: int) -> Memory:
        data, base = (self.program, PROGRAM) if address >= PROGRAM else (self._data, self._base)
        if not base <= address <= base + data.size - nbytes:
            raise NoMemoryError
        return data[address - base :][:nbytes]


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
) -> list[Placed]:
    """Place layers one behind the other."""
    placed: list[Placed] = []
    for work in works:
        source = int(placed[-1].descriptor["output_address"]) if work.source is not None else 0
        placed.append(work.place(memory, base, address, expected, source))
        address = placed[-1].end
    return placed


def _try(
    rng: np.random.Generator, array: Array, max_mac_cycles: int, source: Work | None
) -> Work | None:
    values = _draw_layer(rng, array, source)
    values = values | _draw_formats(rng)
    if values["output_type"] != OutputType.INT32 and rng.random() < 0.3:
        values["flags"] |= Flag.TABLE
    values = _draw_tiling(rng, array, values | _draw_strides(rng, array, values, source))
    work = Work(array, values, np.empty(0, np.uint8), [])
    f = work.fields
    if check(f, WINDOW) is not Error.OK or work.mac_cycles > max_mac_cycles:
        return None
    tensors = 1 if source is None else 0
    if f.kind == Kind.ADD and rng.random() < 0.8:
        tensors += 1
    inputs = [_random_bytes(rng, f.input_bytes) for _ in range(tensors)]
    return Work(array, values, _draw_stream(rng, f), inputs, source)


def _draw_layer(rng: np.random.Generator, array: Array, source: Work | None) -> dict[str, int]:
    """Kind, sizes and kernel."""

    def size(high: int) -> int:  # every order of magnitude is as likely
        return int((high + 1) ** rng.random())

    kind = Kind(rng.choice(list(Kind), p=[0.4, 0.2, 0.2, 0.2]))
    by_row = kind is Kind.CONV and rng.random() < 0.1
    deepest = array.weight_words * array.input_lanes // 4 if by_row else 4 * array.input_lanes
    channels = size(deepest if kind is Kind.CONV else 3 * array.vector_lanes)
    height, width = size(20), size(20)
    if source is not None:
        channels = source.fields.pixel_bytes
        height, width = source.fields.output_height, source.fields.output_width
    layer = {
        "kind": kind,
        "input_width": width,
        "input_channels": channels,
        "flags": (Flag.INPUT_UNSIGNED if rng.random() < 0.3 else 0)
        | (Flag.WEIGHTS_BY_ROW if by_row else 0),
        "input_zero_point": int(rng.integers(-128, 128)),
    }
    if kind is Kind.ADD:
        return layer | {
            "input_height": 2 * height,
            "output_height": height,
            "output_width": width,
            "output_channels": channels,
            "group_channels": array.vector_lanes,
            "group_step": array.vector_lanes,
            "kernel_height": 2,
            "kernel_width": int(rng.integers(1, MAX_DIGITS + 1)),
            "stride_height": 2,
            "stride_width": 1,
            "dilation_height": 1,
        }

    kernel = (size(7), size(7))
    dilation = (size(3), size(3)) if rng.random() < 0.3 else (1, 1)
    stride = (size(4), size(4))
    span = [dilation[i] * (kernel[i] - 1) + 1 for i in range(2)]
    pads = [(int(rng.integers(s)), int(rng.integers(s + 2))) for s in span]
    if source is None:
        height = height + max(span[0] - sum(pads[0]) - 1, 0)
        width = width + max(span[1] - sum(pads[1]) - 1, 0)
    # Without an output there is no layer; the check finds out.
    output = [
        max((sizes + sum(pads[i]) - span[i]) // stride[i] + 1, 1)
        for i, sizes in enumerate((height, width))
    ]
    if rng.random() < 0.2:
        output = [int(rng.integers(length)) + 1 for length in output]
    layer |= {
        "input_height": height,
        "input_width": width,
        "output_height": 1 if by_row else output[0],
        "output_width": 1 if by_row else output[1],
        "output_channels": channels,
        "group_channels": array.vector_lanes,
        "group_step": array.vector_lanes,
        "kernel_height": kernel[0],
        "kernel_width": kernel[1],
        "stride_height": stride[0],
        "stride_width": stride[1],
        "dilation_height": dilation[0],
        "dilation_width": dilation[1],
        "pad_top": pads[0][0],
        "pad_bottom": pads[0][1],
        "pad_left": pads[1][0],
        "pad_right": pads[1][1],
    }
    if kind is Kind.CONV:
        layer |= {"output_channels": size(5 * array.output_lanes), "group_channels": channels}
        layer["group_step"] = 0
        if rng.random() < 0.3:
            groups = ceil_div(layer["output_channels"], array.output_lanes)
            layer["group_channels"] = size(channels)
            layer["group_step"] = int(rng.integers((channels - 1) // max(groups - 1, 1) + 1))
    return layer


def _draw_formats(rng: np.random.Generator) -> dict[str, int]:
    output = OutputType(rng.integers(3))
    low, high = {OutputType.INT8: (-128, 127), OutputType.UINT8: (0, 255)}.get(output, (0, 0))
    clamp = np.sort(rng.integers(low, high + 1, 2))
    return {
        "output_type": output,
        "rounding": Rounding(rng.integers(3)),
        "overflow": Overflow(rng.integers(3)),
        "output_zero_point": int(rng.integers(low, high + 1)),
        "clamp_min": int(clamp[0]),
        "clamp_max": int(clamp[1]),
    }


def _draw_strides(
    rng: np.random.Generator, array: Array, values: dict[str, int], source: Work | None
) -> dict[str, int]:
    """Strides, and the bytes in their beats at which tensors start."""

    def gap(high: int) -> int:
        return int(rng.integers(1, high)) if rng.random() < 0.3 else 0

    beat_bytes = array.beat_bytes
    element = ELEMENT_TYPES[OutputType(values["output_type"])].itemsize
    input_pixel_stride = values["input_channels"] + gap(9)
    row_bytes = (values["input_width"] - 1) * input_pixel_stride + values["input_channels"]
    output_pixel_stride = values["output_channels"] * element + gap(20)
    strides = {
        "input_address": int(rng.integers(beat_bytes)),
        "input_pixel_stride": input_pixel_stride,
        "input_row_stride": row_stride(row_bytes, beat_bytes) + beat_bytes * gap(4),
        "output_address": int(rng.integers(beat_bytes // element)) * element,
        "output_pixel_stride": output_pixel_stride,
        "output_row_stride": row_stride(values["output_width"] * output_pixel_stride, beat_bytes)
        + beat_bytes * gap(4),
    }
    if source is not None:
        for name in ("address", "pixel_stride", "row_stride"):
            strides[f"input_{name}"] = source.values[f"output_{name}"]
    if values["kind"] == Kind.ADD:
        strides["second_address"] = strides["input_address"]
    return strides


def _draw_tiling(rng: np.random.Generator, array: Array, values: dict[str, int]) -> dict[str, int]:
    """The layer with its tiling, a bad one if there is none."""
    f = Fields(record(values), array)
    words = 1 if f.is_vector else ceil_div(f.segment_bytes, array.input_lanes)
    values = values | {"segment_words": words}
    f = Fields(record(values), array)
    most_groups = min(
        array.weight_words // f.group_words, array.parameter_slices // f.slices_per_group
    )
    needed = max(f.span_height, f.stride_height)
    slots = min(array.line_buffer_beats // f.row_beats, max(needed, f.input_height) + 2)
    return values | {
        "groups_per_pass": 1
        if f.weights_by_row
        else int(rng.integers(1, max(min(most_groups, f.groups + 1), 1) + 1)),
        "row_slots": int(rng.integers(needed, max(slots, needed) + 1)),
    }


def _random_bytes(rng: np.random.Generator, count: int) -> Memory:
    low, high = [(-128, 128), (-128, -127), (127, 128), (-3, 4)][rng.choice(4, p=[0.7] + [0.1] * 3)]
    return rng.integers(low, high, count).astype(np.int8).view(np.uint8)


def _draw_stream(rng: np.random.Generator, f: Fields) -> Memory:
    """The weight stream: [table], then parameters and words of each group."""
    table = rng.integers(256, size=f.table_bytes, dtype=np.uint8)
    taps = f.group_words * (1 if f.is_vector else f.array.input_lanes)
    if f.kind == Kind.MAX_POOL:
        taps = 1
    spread = 64.0 * 64.0 * np.sqrt(taps)
    if f.kind == Kind.ADD:
        spread *= 256.0 ** (f.kernel_width - 1)
    shape = (f.groups, f.group_lanes)
    parameters = np.zeros(shape, PARAMETER)
    parameters["multiplier"] = 128.0 / spread * rng.uniform(0.1, 2.0, shape)
    if rng.random() < 0.2:  # ties
        parameters["multiplier"] = 2.0 ** rng.integers(-12, 2, shape)
    bias_bits = 31 if rng.random() < 0.1 else 12
    parameters["bias"] = rng.integers(-(1 << bias_bits), 1 << bias_bits, shape)
    by_group = parameters.view(np.uint8).reshape(f.groups, -1)
    words = _random_bytes(rng, f.groups * (f.group_bytes - by_group.shape[1]))
    stream = np.concatenate([by_group, words.reshape(f.groups, -1)], axis=1)
    return np.concatenate([table, stream.ravel()])
