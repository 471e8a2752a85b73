# SPDX-License-Identifier: Apache-2.0
"""The one shared bench: parameters, clock, reset, seeds, stall patterns, valid/ready streams.

Every module uses the ports clk_i and rst_ni; signals are driven right after a rising edge and
sampled right before the next one, as registers do.
"""

from __future__ import annotations

import ast
import logging
import os
import random
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from lineconv.presets import Array

# Bytes of a beat in this build: BeatBytes of its configuration, which is no RTL parameter but
# chooses a package.
BEAT_BYTES: int = ast.literal_eval(os.environ.get("PARAMETERS", "{}")).get("BeatBytes", 8)

# Probability of a stall per cycle on (source, sink): a test axis of every streaming bench.
STALLS = [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.5, 0.5), (0.9, 0.1), (0.1, 0.9)]


def parameters(configurations: list[dict[str, int]]) -> dict[str, int]:
    """The RTL parameters of this build; without a build, those of the first configuration."""
    chosen: dict[str, int] = ast.literal_eval(os.environ.get("PARAMETERS", repr(configurations[0])))
    return chosen


def engine_array(parameters: dict[str, int]) -> Array:
    """The array that the RTL parameters of a build describe.

    A module that does not know the vector unit gets the narrowest.
    """
    return Array(
        parameters["InputLanes"],
        parameters["OutputLanes"],
        parameters.get("VectorLanes", BEAT_BYTES),
        parameters["WeightWords"],
        parameters["LineBufferBeats"],
        BEAT_BYTES,
    )


def seeded(name: str) -> np.random.Generator:
    """Generator for one test; prints its seed, SEED=n in the environment repeats a run."""
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 31)))
    logging.getLogger("cocotb.test").warning("%s: SEED=%d", name, seed)
    return np.random.default_rng(seed)


async def start(dut: Any, **inputs: int) -> None:
    """Start the clock, drive `inputs` (others 0 by the caller), hold reset for a few cycles."""
    for name, value in inputs.items():
        getattr(dut, name).value = value
    dut.rst_ni.value = 0
    Clock(dut.clk_i, 10, "ns").start()
    await cycles(dut, 4)
    dut.rst_ni.value = 1
    await cycles(dut, 2)


async def cycles(dut: Any, count: int) -> None:
    """Wait for `count` rising edges."""
    for _ in range(count):
        await RisingEdge(dut.clk_i)


def stalls(rng: np.random.Generator, probability: float) -> Iterator[bool]:
    """Endless stall decisions; True = stall."""
    while True:
        yield from (rng.random(256) < probability).tolist()


class Source:
    """Drives a valid/ready stream: `await source.send(values)`.

    `payload` names the data ports; a value is one integer, or a tuple in the order of the ports.
    """

    def __init__(
        self, dut: Any, valid: str, ready: str, payload: list[str], stall: Iterator[bool]
    ) -> None:
        self._clock = dut.clk_i
        self._valid, self._ready = getattr(dut, valid), getattr(dut, ready)
        self._payload = [getattr(dut, name) for name in payload]
        self._stall = stall
        self._valid.value = 0

    async def send(self, values: list[Any]) -> None:
        """Send all values in order; returns in the cycle after the last one was taken."""
        for value in values:
            while next(self._stall):
                await RisingEdge(self._clock)
            for port, item in zip(self._payload, _tuple(value), strict=True):
                port.value = int(item)
            self._valid.value = 1
            while True:
                await ReadOnly()
                taken = bool(self._ready.value)
                await RisingEdge(self._clock)
                if taken:
                    break
            self._valid.value = 0


class Sink:
    """Collects a valid/ready stream into `received` and checks that it is stable while stalled."""

    def __init__(
        self, dut: Any, valid: str, ready: str, payload: list[str], stall: Iterator[bool]
    ) -> None:
        self._clock = dut.clk_i
        self._valid, self._ready = getattr(dut, valid), getattr(dut, ready)
        self._payload = [getattr(dut, name) for name in payload]
        self._stall = stall
        self.received: list[Any] = []
        self._ready.value = 0
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        waiting: Any = None
        while True:
            ready = not next(self._stall)
            self._ready.value = int(ready)
            await ReadOnly()
            value: Any = None
            if self._valid.value == 1:
                items = tuple(int(port.value) for port in self._payload)
                value = items[0] if len(items) == 1 else items
            assert waiting is None or value == waiting, (
                f"changed while stalled: {waiting} -> {value}"
            )
            waiting = None
            if value is not None:
                if ready:
                    self.received.append(value)
                else:
                    waiting = value
            await RisingEdge(self._clock)

    async def wait(self, count: int, limit: int = 1_000_000) -> list[Any]:
        """Wait until `count` values came; fails after `limit` cycles."""
        for _ in range(limit):
            if len(self.received) >= count:
                return self.received
            await RisingEdge(self._clock)
        raise AssertionError(f"{len(self.received)} of {count} values after {limit} cycles")


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
