# SPDX-License-Identifier: Apache-2.0
"""conv_control_regs: every register of the map, the s_axilite protocol, interrupts, AXI4-Lite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp
from cocotbext.axi.axil_channels import (
    AxiLiteARBus,
    AxiLiteAWBus,
    AxiLiteBBus,
    AxiLiteRBus,
    AxiLiteWBus,
)

from axi_memory import Channel
from bench import Sink, Source, cycles, parameters, seeded, stalls, start
from lineconv import regs

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
]
PARAMETERS = parameters(CONFIGURATIONS)

AP_START, AP_DONE, AP_IDLE, AP_READY, AUTO_RESTART, INTERRUPT = (
    1 << bit for bit in (0, 1, 2, 3, 7, 9)
)
ACTIVE = ("CTRL", "IP_ISR")  # registers whose writes act; tested for what they do
ADDRESS_SPACE = 1 << 12
WORD = (1 << 32) - 1

IDENTITY = {
    "MAGIC": int.from_bytes(b"LCNV", "big"),
    "VERSION": regs.INTERFACE_VERSION,
    "LANES": PARAMETERS["InputLanes"] | PARAMETERS["OutputLanes"] << 16,
    "WEIGHT_WORDS": PARAMETERS["WeightWords"],
    "LINE_BUFFER_BEATS": PARAMETERS["LineBufferBeats"],
    "MEMORY": 8 | 32 << 8 | PARAMETERS["WeightWords"] << 16,
    "VECTOR": PARAMETERS["VectorLanes"],
}
RESULTS = {
    "status_i": "STATUS",
    "failed_index_i": "FAILED_INDEX",
    "completed_i": "COMPLETED",
    "cycles_i": "CYCLES",
}
ARGUMENTS = {
    "program_address_o": "PROGRAM",
    "descriptor_count_o": "DESCRIPTOR_COUNT",
    "window_base_o": "WINDOW_BASE",
    "window_last_o": "WINDOW_LAST",
    "watchdog_cycles_o": "WATCHDOG_CYCLES",
}
REGISTER = {register.name: register for register in regs.REGISTERS}


def bus(dut: Any) -> AxiLiteBus:
    """The AXI4-Lite bus under the plain port names."""

    def channel(base: Any, name: str, outward: bool, items: str) -> Any:
        """`outward`: the module sends on this channel."""
        signals = {}
        for item in [*items.split(), "valid", "ready"]:
            direction = "o" if outward != (item == "ready") else "i"
            signals[name + item] = f"axi_{name}_{item}_{direction}"
        return type(base.__name__, (base,), {"_signals": signals, "_optional_signals": []})(
            dut, None
        )

    return AxiLiteBus.from_channels(
        channel(AxiLiteAWBus, "aw", False, "addr"),
        channel(AxiLiteWBus, "w", False, "data strb"),
        channel(AxiLiteBBus, "b", True, "resp"),
        channel(AxiLiteARBus, "ar", False, "addr"),
        channel(AxiLiteRBus, "r", True, "data resp"),
    )


class Bench:
    """The registers between an AXI4-Lite master and a model of the core."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.run_cycles: Iterator[int] = iter(lambda: 20, None)
        self.runs: list[dict[str, int]] = []  # the arguments of each
        self.completed = 0
        self.soft_resets = 0
        self.axi: Any = None

    async def begin(self) -> None:
        dut = self.dut
        self.axi = AxiLiteMaster(bus(dut), dut.clk_i, dut.rst_ni, reset_active_level=False)
        await start(
            dut, idle_i=1, done_i=0, status_i=0, failed_index_i=0, completed_i=0, cycles_i=0
        )
        cocotb.start_soon(self._core())
        cocotb.start_soon(self._stable())

    def pause(self, **probability: float) -> None:
        """Stall channels (aw, w, b, ar, r) at random."""
        for name, value in probability.items():
            side = self.axi.write_if if name in ("aw", "w", "b") else self.axi.read_if
            getattr(side, f"{name}_channel").set_pause_generator(stalls(self.rng, value))

    async def _stable(self) -> None:
        """Responses stay until they are taken."""
        channels = [Channel(self.dut, "b", ["resp"]), Channel(self.dut, "r", ["data", "resp"])]
        while True:
            await ReadOnly()
            for channel in channels:
                channel.sample()
            await RisingEdge(self.dut.clk_i)

    async def _core(self) -> None:
        """Takes a start when idle, runs for a while, ends with done; obeys the soft reset."""
        dut = self.dut
        left = 0
        while True:
            await ReadOnly()
            starts = dut.start_o.value == 1
            resets = dut.soft_reset_o.value == 1
            if starts:
                assert dut.idle_i.value == 1
                self.runs.append({name: int(getattr(dut, name).value) for name in ARGUMENTS})
            await RisingEdge(dut.clk_i)
            dut.done_i.value = 0
            if resets:
                self.soft_resets += 1
                left = 0
            elif starts:
                left = next(self.run_cycles)
            elif left:
                left -= 1
                if left == 0:
                    dut.done_i.value = 1
                    self.completed += 1
            dut.idle_i.value = int(left == 0)

    async def write(self, register: str | int, value: int) -> None:
        offset = register if isinstance(register, int) else REGISTER[register].offset
        response = await self.axi.write(offset, value.to_bytes(4, "little"))
        assert response.resp == AxiResp.OKAY

    async def read(self, register: str | int) -> int:
        offset = register if isinstance(register, int) else REGISTER[register].offset
        response = await self.axi.read(offset, 4)
        assert response.resp == AxiResp.OKAY
        return int.from_bytes(response.data, "little")

    async def finish(self, runs: int) -> None:
        """Wait until `runs` runs have ended."""
        for _ in range(10_000):
            if self.completed == runs:
                await cycles(self.dut, 2)
                return
            await RisingEdge(self.dut.clk_i)
        raise AssertionError(f"{self.completed} of {runs} runs ended")


def writable(register: regs.Register) -> int:
    """Mask of the bits that keep what is written."""
    if register.access != "rw":
        return 0
    if not register.fields:
        return WORD
    return sum(((1 << f.bits) - 1) << f.lsb for f in register.fields if f.access == "rw")


def words(rng: np.random.Generator, count: int) -> list[int]:
    return rng.integers(0, 1 << 32, count).tolist()  # type: ignore[no-any-return]


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def register_map(dut: Any) -> None:
    """Reset value, writable bits and read-only bits of every register; unused offsets read 0."""
    rng = seeded("register_map")
    bench = Bench(dut, rng)
    await bench.begin()
    expected = {r.offset: IDENTITY.get(r.name, r.reset) for r in regs.REGISTERS}
    expected[regs.CTRL] = AP_IDLE

    async def check() -> None:
        for offset in [*range(0, regs.REGISTER_BYTES, 4), 0x100, 0x110, 0x800, ADDRESS_SPACE - 4]:
            assert await bench.read(offset) == expected.get(offset, 0), f"offset {offset:#x}"

    await check()
    for value in (WORD, 0, *words(rng, 3)):
        for offset in range(0, ADDRESS_SPACE, 4 if value == WORD else 0x100):
            page_offset = offset % regs.REGISTER_BYTES
            if offset >= regs.REGISTER_BYTES and page_offset not in expected:
                continue  # only what would alias a register is worth a write
            register = next((r for r in regs.REGISTERS if r.offset == offset), None)
            if register is None or register.name not in (*ACTIVE, "SOFT_RESET"):
                await bench.write(offset, value)
        for register in regs.REGISTERS:
            if register.name not in ACTIVE and writable(register):
                await bench.write(register.offset, value)
                expected[register.offset] = value & writable(register)
        await check()
    assert bench.runs == []
    assert bench.soft_resets == 0


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def results_and_arguments(dut: Any) -> None:
    """Results are read from the core, arguments reach it."""
    rng = seeded("results_and_arguments")
    bench = Bench(dut, rng)
    await bench.begin()

    def parts(name: str) -> list[str]:
        return [name] if name in REGISTER else [f"{name}_1", f"{name}_2"]

    for _ in range(5):
        for port, name in RESULTS.items():
            value = [int(rng.choice(list(regs.Error)))] if name == "STATUS" else words(rng, 2)
            value = value[: len(parts(name))]
            getattr(dut, port).value = sum(v << 32 * i for i, v in enumerate(value))
            for part, expected in zip(parts(name), value, strict=True):
                await bench.write(part, WORD)
                assert await bench.read(part) == expected
        for port, name in ARGUMENTS.items():
            value = words(rng, len(parts(name)))
            for part, word in zip(parts(name), value, strict=True):
                await bench.write(part, word)
            expected = sum(v << 32 * i for i, v in enumerate(value))
            assert int(getattr(dut, port).value) == expected


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(
    pauses=[
        {},
        {"aw": 0.9},
        {"w": 0.9},
        {"b": 0.8, "r": 0.8},
        {"aw": 0.5, "w": 0.5, "b": 0.5, "ar": 0.5, "r": 0.5},
    ]
)
async def strobes(dut: Any, pauses: dict[str, float]) -> None:
    """Byte writes at random, several in flight, reads among them, channels stalled."""
    rng = seeded(f"strobes {pauses}")
    bench = Bench(dut, rng)
    await bench.begin()
    bench.pause(**pauses)
    arguments = [r for r in regs.REGISTERS if r.access == "rw" and not r.fields]
    model = bytearray(regs.REGISTER_BYTES)
    for register in arguments:
        model[register.offset : register.offset + 4] = register.reset.to_bytes(4, "little")
    for _ in range(60):
        writes = []
        for _ in range(int(rng.integers(1, 6))):
            register = arguments[int(rng.integers(len(arguments)))]
            first = int(rng.integers(4))
            data = rng.bytes(int(rng.integers(1, 5 - first)))
            address = register.offset + first
            model[address : address + len(data)] = data
            writes.append(bench.axi.init_write(address, data))
        for event in writes:
            await event.wait()
        register = arguments[int(rng.integers(len(arguments)))]
        expected = int.from_bytes(model[register.offset : register.offset + 4], "little")
        assert await bench.read(register.name) == expected
    for register in arguments:
        expected = int.from_bytes(model[register.offset : register.offset + 4], "little")
        assert await bench.read(register.name) == expected


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def throughput(dut: Any) -> None:
    """One write and one read every two cycles."""
    rng = seeded("throughput")
    await start(dut, idle_i=1, done_i=0)
    never = stalls(rng, 0)
    sources = {
        "aw": Source(dut, "axi_aw_valid_i", "axi_aw_ready_o", ["axi_aw_addr_i"], never),
        "w": Source(dut, "axi_w_valid_i", "axi_w_ready_o", ["axi_w_data_i", "axi_w_strb_i"], never),
        "ar": Source(dut, "axi_ar_valid_i", "axi_ar_ready_o", ["axi_ar_addr_i"], never),
    }
    b = Sink(dut, "axi_b_valid_o", "axi_b_ready_i", ["axi_b_resp_o"], never)
    r = Sink(dut, "axi_r_valid_o", "axi_r_ready_i", ["axi_r_data_o", "axi_r_resp_o"], never)
    count = 50
    cocotb.start_soon(sources["aw"].send([regs.DESCRIPTOR_COUNT] * count))
    cocotb.start_soon(sources["w"].send([(value, 15) for value in range(count)]))
    cocotb.start_soon(sources["ar"].send([REGISTER["MAGIC"].offset] * count))
    await cycles(dut, 2 * count + 2)
    assert b.received == [0] * count
    assert r.received == [(IDENTITY["MAGIC"], 0)] * count
    assert dut.descriptor_count_o.value == count - 1


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def start_and_done(dut: Any) -> None:
    """AP_START, AP_IDLE, AP_READY and AP_DONE through single and queued runs."""
    rng = seeded("start_and_done")
    bench = Bench(dut, rng)
    await bench.begin()
    bench.run_cycles = iter(lambda: 60, None)
    count = "DESCRIPTOR_COUNT"
    await bench.write(count, 1)
    await bench.axi.write(regs.CTRL + 1, b"\x01")  # not the byte of AP_START
    await bench.write("CTRL", 0)
    assert await bench.read("CTRL") == AP_IDLE
    await bench.write("CTRL", AP_START)
    assert await bench.read("CTRL") == AP_READY  # accepted at once, not idle any more
    assert await bench.read("CTRL") == 0
    await bench.write(count, 2)  # does not disturb the run
    await bench.write("CTRL", AP_START)  # waits for the end of the run
    await bench.write("CTRL", 0)  # takes nothing back
    assert await bench.read("CTRL") == AP_START
    await bench.finish(1)
    assert await bench.read("CTRL") == AP_DONE | AP_READY
    await bench.finish(2)
    assert await bench.read("CTRL") == AP_DONE | AP_IDLE
    assert await bench.read("CTRL") == AP_IDLE
    assert [run["descriptor_count_o"] for run in bench.runs] == [1, 2]


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def auto_restart(dut: Any) -> None:
    """Runs follow each other until AUTO_RESTART is cleared; the run in progress is the last."""
    rng = seeded("auto_restart")
    bench = Bench(dut, rng)
    await bench.begin()
    bench.run_cycles = iter(lambda: 40, None)
    await bench.write("CTRL", AP_START | AUTO_RESTART)
    await bench.finish(3)
    assert await bench.read("CTRL") == AUTO_RESTART | AP_DONE | AP_READY
    await bench.write("CTRL", 0)
    await bench.finish(4)
    await cycles(dut, 100)
    assert await bench.read("CTRL") == AP_DONE | AP_IDLE
    assert len(bench.runs) == bench.completed == 4


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def auto_restart_is_busy(dut: Any) -> None:
    """AP_IDLE stays 0 from one automatic run to the next, whenever CTRL is read."""
    rng = seeded("auto_restart_is_busy")
    bench = Bench(dut, rng)
    await bench.begin()
    bench.run_cycles = iter(lambda: int(rng.integers(1, 12)), None)
    await bench.write("CTRL", AP_START | AUTO_RESTART)
    for _ in range(200):
        assert not await bench.read("CTRL") & AP_IDLE
    assert bench.completed > 50


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def no_event_is_lost(dut: Any) -> None:
    """Starts and ends in any cycle around a read of CTRL or a write of IP_ISR are seen once."""
    rng = seeded("no_event_is_lost")
    bench = Bench(dut, rng)
    await bench.begin()
    await bench.write("IP_IER", 1)
    for length in range(1, 40):
        bench.run_cycles = iter([length, 25])  # the second one is not too short for two polls
        await bench.write("CTRL", AP_START)
        polls = [await bench.read("CTRL")]
        await bench.write("CTRL", AP_START)
        polls += [await bench.read("CTRL") for _ in range(30)]
        assert sum(bool(poll & AP_DONE) for poll in polls) == 2
        assert sum(bool(poll & AP_READY) for poll in polls) == 2
        first_idle = next(i for i, poll in enumerate(polls) if poll & AP_IDLE)
        assert any(poll & AP_DONE for poll in polls[: first_idle + 1])
        assert await bench.read("IP_ISR") == 1
        await bench.write("IP_ISR", 1)
        # A write that toggles nothing, in the cycle of the event, does not swallow it either.
        bench.run_cycles = iter([length])
        runs = bench.completed + 1
        await bench.write("CTRL", AP_START)
        await bench.write("IP_ISR", 0)
        await bench.finish(runs)
        assert await bench.read("IP_ISR") == 1
        await bench.write("IP_ISR", 1)
        await bench.read("CTRL")


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(enabled=[0, 1, 2, 3], global_enable=[0, 1])
async def interrupts(dut: Any, enabled: int, global_enable: int) -> None:
    """Bit 0 follows ap_done, bit 1 ap_ready, if enabled; the output is their OR under GIER."""
    rng = seeded(f"interrupts {enabled} {global_enable}")
    bench = Bench(dut, rng)
    await bench.begin()

    async def check(status: int) -> None:
        level = bool(status) and bool(global_enable)
        assert await bench.read("IP_ISR") == status
        assert dut.interrupt_o.value == level
        assert bool(await bench.read("CTRL") & INTERRUPT) == level

    bench.run_cycles = iter(lambda: 100, None)
    await bench.write("GIER", global_enable)
    await bench.write("IP_IER", enabled)
    for _ in range(2):
        await bench.write("CTRL", AP_START)
        await check(enabled & 2)
        await bench.finish(len(bench.runs))
        await check(enabled)
        await bench.write("IP_ISR", 3)  # toggles, so it also sets what was clear
        await check(enabled ^ 3)
        await bench.write("IP_ISR", enabled ^ 3)
        await check(0)
    await bench.axi.write(regs.IP_ISR + 1, b"\x03")
    await check(0)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def soft_reset(dut: Any) -> None:
    """Abandons run, queued start and events; arguments and interrupt enables stay."""
    rng = seeded("soft_reset")
    bench = Bench(dut, rng)
    await bench.begin()
    bench.run_cycles = iter(lambda: 1000, None)
    kept = {"PROGRAM_1": 0x1000, "WATCHDOG_CYCLES": 5, "GIER": 1, "IP_IER": 3}
    for name, value in kept.items():
        await bench.write(name, value)
    await bench.write("CTRL", AP_START | AUTO_RESTART)
    await bench.write("CTRL", AP_START | AUTO_RESTART)
    assert dut.interrupt_o.value == 1
    await bench.write("SOFT_RESET", 0)
    await bench.axi.write(regs.SOFT_RESET + 1, b"\x01")
    assert bench.soft_resets == 0
    await bench.write("SOFT_RESET", 1)
    await cycles(dut, 1)
    assert dut.interrupt_o.value == 0
    assert await bench.read("CTRL") == AP_IDLE
    assert await bench.read("IP_ISR") == 0
    assert await bench.read("SOFT_RESET") == 0
    for name, value in kept.items():
        assert await bench.read(name) == value
    assert (len(bench.runs), bench.completed, bench.soft_resets) == (1, 0, 1)
    bench.run_cycles = iter(lambda: 10, None)
    await bench.write("CTRL", AP_START)
    await bench.finish(1)
    assert await bench.read("CTRL") == AP_DONE | AP_READY | AP_IDLE | INTERRUPT
