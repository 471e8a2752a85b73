# SPDX-License-Identifier: Apache-2.0
"""conv_check against the host's model of the descriptor rules, in unbounded integers.

Random legal descriptors give the derived fields. From each, every field is moved towards both ends
of its type until the verdict changes; both sides of that edge are tried, so each limit is met
exactly.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from bench import BEAT_BYTES, cycles, engine_array, parameters, seeded, start
from layer import FIELDS, derive, element_bytes, unpack_layer
from lineconv import checker
from lineconv.checker import Window
from lineconv.packing import ceil_div
from lineconv.regs import DESCRIPTOR, Error, Kind

CONFIGURATIONS = [
    {
        "InputLanes": 26,
        "OutputLanes": 16,
        "VectorLanes": 48,
        "WeightWords": 512,
        "LineBufferBeats": 16384,
    },
    {
        "InputLanes": 4,
        "OutputLanes": 8,
        "VectorLanes": 16,
        "WeightWords": 128,
        "LineBufferBeats": 512,
    },
    {
        "InputLanes": 13,
        "OutputLanes": 24,
        "VectorLanes": 40,
        "WeightWords": 100,
        "LineBufferBeats": 1000,
    },
    {
        "InputLanes": 32,
        "OutputLanes": 32,
        "VectorLanes": 96,
        "WeightWords": 512,
        "LineBufferBeats": 16384,
        "BeatBytes": 16,
    },
]

Descriptor = dict[str, int]
INPUTS = [  # (name, lowest, highest value) of the fields that the engine reads
    (name, int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    for name, (kind, offset, *_) in dict(DESCRIPTOR.fields or {}).items()
    if offset < 128
]
# The window moves like a field; the engine gets it from registers.
MOVED = [*INPUTS, ("window_base", 0, (1 << 64) - 1), ("window_last", 0, (1 << 64) - 1)]


ARRAY = engine_array(parameters(CONFIGURATIONS))


def check(d: Descriptor) -> Error:
    """The verdict of the host's model of these rules, but that only dense CONV layers are legal."""
    record = np.zeros((), DESCRIPTOR)
    for name, _, _ in INPUTS:
        record[name] = d[name]
    fields, window = checker.Fields(record, ARRAY), Window(d["window_base"], d["window_last"])
    errors = [checker.check(fields, window)]
    if d["kind"] != Kind.CONV:
        errors.append(Error.BAD_KIND)
    if d["flags"] > 1:
        errors.append(Error.BAD_FORMAT)
    if (d["group_channels"], d["group_step"]) != (d["input_channels"], 0):
        errors.append(Error.BAD_SHAPE)
    return min(errors, key=lambda error: error or max(Error))


def span(kernel: int, dilation: int) -> int:
    return dilation * (kernel - 1) + 1


def draw(rng: np.random.Generator) -> Descriptor:
    """A random legal descriptor: small and large values of every field, tight and loose."""
    while True:
        d = _draw(rng)
        if check(d) is Error.OK:
            return d


def _draw(rng: np.random.Generator) -> Descriptor:
    def size(high: int) -> int:  # every order of magnitude is as likely
        return int(high ** rng.random())

    output_type = int(rng.integers(3))
    low, high = [(-128, 127), (0, 255), (-(1 << 15), (1 << 15) - 1)][output_type]
    clamp = np.sort(rng.integers(low, high + 1, 2))
    d: Descriptor = {
        "kind": Kind.CONV,
        "output_type": output_type,
        "rounding": int(rng.integers(3)),
        "overflow": int(rng.integers(3)),
        "flags": int(rng.integers(2)),
        "input_zero_point": int(rng.integers(-128, 128)),
        "output_zero_point": int(rng.integers(low, high + 1)),
        "clamp_min": int(clamp[0]),
        "clamp_max": int(clamp[1]),
        "kernel_height": size(17),
        "kernel_width": size(65),
        "stride_height": size(9),
        "stride_width": size(256),
        "dilation_height": size(9),
        "dilation_width": size(65536) if rng.random() < 0.2 else size(9),
        "input_channels": size(ARRAY.input_lanes * 64),
        "output_channels": size(65536),
    }
    if rng.random() < 0.3:
        d["dilation_width"] = 1
    span_height = span(d["kernel_height"], d["dilation_height"])
    span_width = span(d["kernel_width"], d["dilation_width"])
    d["pad_top"] = int(rng.integers(span_height))
    d["pad_bottom"] = size(100) - 1
    d["pad_left"] = size(1000) - 1
    d["pad_right"] = size(1000) - 1
    d["input_pixel_stride"] = d["input_channels"] + (size(100) if rng.random() < 0.4 else 0)
    d["input_height"] = min(size(65536) + max(0, span_height - d["pad_top"]), 65535)
    d["input_width"] = min(size(4096) + max(0, span_width - d["pad_left"]), 65535)
    rows = d["input_height"] + d["pad_top"] + d["pad_bottom"] - span_height
    columns = d["input_width"] + d["pad_left"] + d["pad_right"] - span_width
    loose = rng.random() < 0.3
    d["output_height"] = min(rows // d["stride_height"] + 1, 65535)
    d["output_width"] = min(columns // d["stride_width"] + 1, 65535)
    if loose:
        d["output_height"] = size(max(d["output_height"], 1))
        d["output_width"] = size(max(d["output_width"], 1))
    d["row_slots"] = max(span_height, d["stride_height"]) + (size(20) if loose else 0)
    flattened = d["kernel_width"] == 1 or (
        d["dilation_width"] == 1 and d["input_pixel_stride"] == d["input_channels"]
    )
    segment_bytes = d["input_channels"] * (d["kernel_width"] if flattened else 1)
    d["group_channels"], d["group_step"] = d["input_channels"], 0
    d["second_address"] = 0
    d["segment_words"] = ceil_div(segment_bytes, ARRAY.input_lanes)
    segments = 1 if flattened else d["kernel_width"]
    group_words = d["kernel_height"] * segments * d["segment_words"]
    fit = ARRAY.weight_words // max(group_words, 1)
    d["groups_per_pass"] = min(max(fit if rng.random() < 0.5 else size(fit + 1), 1), 65535)
    d["groups_per_pass"] = min(d["groups_per_pass"], ARRAY.parameter_groups)

    pixel_bytes = d["output_channels"] * element_bytes(d)
    d["output_pixel_stride"] = pixel_bytes + (size(100) if rng.random() < 0.4 else 0)
    pixels = d["output_width"] * d["output_pixel_stride"]
    d["output_row_stride"] = BEAT_BYTES * (ceil_div(pixels, BEAT_BYTES) + size(8) - 1)
    row = (d["input_width"] - 1) * d["input_pixel_stride"] + d["input_channels"]
    d["input_row_stride"] = BEAT_BYTES * (ceil_div(row, BEAT_BYTES) + size(8) - 1)
    for name, alignment in (("input", 1), ("weights", BEAT_BYTES), ("output", element_bytes(d))):
        d[f"{name}_address"] = int(rng.integers(1 << 31)) // alignment * alignment
    addresses = [d[f"{name}_address"] for name in ("input", "weights", "output")]
    d["window_base"] = int(rng.integers(min(addresses) + 1))
    d["window_last"] = int(
        rng.integers(1 << 31, 1 << (32 if rng.random() < 0.7 else 64), dtype="u8")
    )
    return d


def packed(d: Descriptor) -> int:
    record = np.zeros((), DESCRIPTOR)
    for name, _, _ in INPUTS:
        record[name] = d[name]
    return int.from_bytes(record.tobytes()[:128], "little")


class Tester:
    """Runs descriptors through the module and compares code and layer with the model."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self.seen = dict.fromkeys(Error, 0)
        self.cycles: list[int] = []

    async def start(self) -> None:
        await start(self._dut, start_i=0, descriptor_i=0, window_base_i=0, window_last_i=0)

    async def run(self, d: Descriptor) -> None:
        dut, code = self._dut, check(d)
        dut.descriptor_i.value = packed(d)
        dut.window_base_i.value = d["window_base"]
        dut.window_last_i.value = d["window_last"]
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        began = cocotb.utils.get_sim_time("ns")
        await RisingEdge(dut.done_o)
        self.cycles.append(int(cocotb.utils.get_sim_time("ns") - began) // 10)
        assert int(dut.error_o.value) == code, (
            f"{Error(int(dut.error_o.value)).name} instead of {code.name}: {d}"
        )
        if code is Error.OK:
            got, expected = unpack_layer(int(dut.layer_o.value)), derive(d, ARRAY)
            for name, bits in FIELDS:
                assert got[name] == expected[name] & ((1 << bits) - 1), (
                    f"{name} is {got[name]} instead of {expected[name]}: {d}"
                )
        await cycles(dut, 2)
        assert dut.done_o.value == 0
        self.seen[code] += 1


def edges(d: Descriptor, name: str, low: int, high: int) -> list[Descriptor]:
    """`d` with `name` just before and just after the verdict changes, below and above its value."""
    found = []
    for end in (low, high):
        near, far = d[name], end
        if check({**d, name: far}) is Error.OK:
            found.append({**d, name: far})
            continue
        while abs(far - near) > 1:
            middle = (near + far) // 2
            if check({**d, name: middle}) is Error.OK:
                near = middle
            else:
                far = middle
        found += [{**d, name: near}, {**d, name: far}]
    return found


@cocotb.test()
async def legal(dut: Any) -> None:
    rng = seeded("legal")
    tester = Tester(dut)
    await tester.start()
    for _ in range(800):
        await tester.run(draw(rng))
    assert tester.seen[Error.OK] == 800
    dut._log.info("%.0f cycles in the mean, %d at most", np.mean(tester.cycles), max(tester.cycles))


@cocotb.test()
async def every_limit(dut: Any) -> None:
    rng = seeded("every_limit")
    tester = Tester(dut)
    await tester.start()
    for _ in range(30):
        d = draw(rng)
        for name, low, high in MOVED:
            for moved in edges(d, name, low, high):
                await tester.run(moved)
    dut._log.info("%s", {code.name: count for code, count in tester.seen.items()})
    for code in Error:
        if code not in (Error.READ_ERROR, Error.WRITE_ERROR, Error.WATCHDOG):
            assert tester.seen[code] >= 30, f"{code.name} came up {tester.seen[code]} times"


@cocotb.test()
async def several_fields_broken(dut: Any) -> None:
    rng = seeded("several_fields_broken")
    tester = Tester(dut)
    await tester.start()
    for _ in range(1500):
        d = draw(rng)
        for index in rng.integers(len(MOVED), size=int(rng.integers(1, 6))):
            name, low, high = MOVED[index]
            choices = [
                low,
                high,
                0,
                1,
                d[name] + 1,
                d[name] - 1,
                d[name] ^ 1 << int(rng.integers(16)),
            ]
            value = int(choices[rng.integers(len(choices))])
            d[name] = min(max(value, low), high)
        await tester.run(d)
