# SPDX-License-Identifier: Apache-2.0
"""conv_to_byte against exact integers and fractions, in every mode."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded
from conv_requantize_lane import pack_format
from lineconv.layer import OutputType, Overflow, Rounding
from requantize_vectors import Format

CONFIGURATIONS = [{}]  # type: list[dict[str, int]]

LATENCY = 7
LOWEST, HIGHEST = 1 << 46, (1 << 48) - 1  # products of two mantissas
Value = tuple[int, int, int]  # sign, product (0 for the value 0), exponent


def expected(form: Format, value: Value) -> int:
    """The byte of a value: rounded to 24 bits, then to an integer, then into the output range."""
    sign, product, exponent = value
    unit = 1 << max(product.bit_length() - 24, 0)
    magnitude = Fraction(round(Fraction(product, unit)) * unit) * Fraction(2) ** exponent
    exact = -magnitude if sign else magnitude
    if form.rounding is Rounding.HALF_EVEN:
        rounded = round(exact)  # of a Fraction: ties to even
    else:
        rounded = floor(exact + Fraction(form.rounding is Rounding.HALF_UP) / 2)
    total = rounded + form.zero_point
    base = 0 if form.output_type is OutputType.UINT8 else -128
    if form.overflow is Overflow.WRAP:
        total = (total - base) % 256 + base
    low, high = form.clamp
    if form.overflow is Overflow.SATURATE_SYMMETRIC:
        low = min(max(low, -127), high)
    return min(max(total, low), high) & 0xFF


def random_value(rng: np.random.Generator) -> Value:
    """Near and at ties of both roundings, carries, 0, the ends of the exponent, anything."""
    sign, exponent = int(rng.integers(2)), int(rng.integers(-50, -34))
    near = int(rng.integers(-2, 3))
    kind = rng.integers(5)
    if kind == 0:  # half integers, and their neighbours among the float32 values
        product = int(rng.integers(1, 1200)) << 37
        exponent = product.bit_length() - 48 - 38
        product = (product << 48 - product.bit_length()) + (near << 24)
    elif kind == 1:  # middle between two float32 values; large, so that wrapping shows the last bit
        product = (int(rng.integers(1 << 23, 1 << 24)) << 24) + (1 << 23) + near
        exponent = int(rng.integers(-30, -14))
    elif kind == 2:  # all ones: rounding carries up to the next power of two
        product = ((1 << 48) - (1 << int(rng.integers(20, 48)))) + near
    elif kind == 3:
        product, exponent = int(rng.integers(LOWEST, HIGHEST + 1)), int(rng.integers(-173, 115))
    else:
        product = 0 if rng.random() < 0.2 else int(rng.integers(LOWEST, HIGHEST + 1))
    product >>= int(rng.integers(2))  # either place of the top bit
    return sign, min(max(product, LOWEST), HIGHEST) if product else 0, exponent


@cocotb.test()
@cocotb.parametrize(
    rounding=list(Rounding),
    overflow=list(Overflow),
    output_type=[OutputType.INT8, OutputType.UINT8],
)
async def equals_model(
    dut: Any, rounding: Rounding, overflow: Overflow, output_type: OutputType
) -> None:
    rng = seeded(f"{rounding.name} {overflow.name} {output_type.name}")
    Clock(dut.clk_i, 10, "ns").start()
    for _ in range(4):
        form = Format.random(rng, output_type, rounding, overflow)
        dut.format_i.value = pack_format(form)
        await RisingEdge(dut.clk_i)
        values = [random_value(rng) for _ in range(500)]
        for cycle in range(len(values) + LATENCY):
            sign, product, exponent = values[min(cycle, len(values) - 1)]
            dut.sign_i.value, dut.exponent_i.value = sign, exponent
            dut.zero_i.value = int(product == 0)
            dut.product_i.value = product or int(rng.integers(1 << 48))
            await ReadOnly()
            if cycle >= LATENCY:
                value = values[cycle - LATENCY]
                got, right = int(dut.byte_o.value), expected(form, value)
                assert got == right, f"{form}, {value}: {got} instead of {right}"
            await RisingEdge(dut.clk_i)
