# SPDX-License-Identifier: Apache-2.0
"""Memory model of the virtual board: timing, bandwidth, errors and protocol check, by itself."""

from __future__ import annotations

import ctypes
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from lineconv.errors import DeviceError
from lineconv.presets import MemoryModel
from lineconv.virtual_board import toolchain
from lineconv.virtual_board.interface import Fault, Timing

try:
    COMPILER = toolchain.find().compiler
except DeviceError as error:
    pytest.skip(str(error), allow_module_level=True)

SOURCES = Path(__file__).resolve().parents[1] / "host" / "lineconv" / "virtual_board"
BASE = 0x1000_0000
BYTES = 64 << 10
IDEAL = MemoryModel(bytes_per_cycle=1024.0, read_latency=1, write_latency=1)
OKAY, SLVERR, DECERR, NEVER = 0, 2, 3, 4


class AddressChannel(ctypes.Structure):
    _fields_ = (
        ("valid", ctypes.c_bool),
        ("id", ctypes.c_uint8),
        ("address", ctypes.c_uint32),
        ("length", ctypes.c_uint8),
        ("size", ctypes.c_uint8),
        ("burst", ctypes.c_uint8),
    )


class WriteChannel(ctypes.Structure):
    _fields_ = (
        ("valid", ctypes.c_bool),
        ("data", ctypes.c_uint64),
        ("strobe", ctypes.c_uint8),
        ("last", ctypes.c_bool),
    )


class Master(ctypes.Structure):
    _fields_ = (
        ("read", AddressChannel),
        ("write", AddressChannel),
        ("data", WriteChannel),
        ("read_ready", ctypes.c_bool),
        ("response_ready", ctypes.c_bool),
    )


class Slave(ctypes.Structure):
    _fields_ = (
        ("read_address_ready", ctypes.c_bool),
        ("read_valid", ctypes.c_bool),
        ("read_id", ctypes.c_uint8),
        ("read_data", ctypes.c_uint64),
        ("read_response", ctypes.c_uint8),
        ("read_last", ctypes.c_bool),
        ("write_address_ready", ctypes.c_bool),
        ("write_data_ready", ctypes.c_bool),
        ("response_valid", ctypes.c_bool),
        ("response_id", ctypes.c_uint8),
        ("response", ctypes.c_uint8),
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    target = tmp_path_factory.mktemp("axi_memory") / "harness.so"
    sources = [Path(__file__).with_name("axi_memory_harness.cpp"), SOURCES / "axi_memory.cpp"]
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", f"-I{SOURCES}"]
    sanitize = ["-g", "-fsanitize=undefined", "-fno-sanitize-recover"]
    subprocess.run([*COMPILER, *flags, *sanitize, *map(str, sources), "-o", target], check=True)
    loaded = ctypes.CDLL(str(target))
    loaded.memory_create.restype = ctypes.c_void_p
    loaded.memory_create.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
    loaded.memory_violation.restype = ctypes.c_char_p
    return loaded


@dataclass
class Port:
    """An engine that keeps its channels as busy as they get, and notes what it sees."""

    reads: deque[tuple[int, int]] = field(default_factory=deque)  # (address, beats)
    writes: deque[tuple[int, int]] = field(default_factory=deque)
    data: deque[tuple[int, int, bool]] = field(default_factory=deque)  # (data, strobe, last)
    ready: Callable[[], bool] = lambda: True
    read_accepted: list[int] = field(default_factory=list)  # cycles
    last_accepted: list[int] = field(default_factory=list)
    received: list[tuple[int, int, int, bool]] = field(default_factory=list)  # cycle, data, ...
    responses: list[tuple[int, int]] = field(default_factory=list)  # (cycle, response)
    beat_cycles: list[int] = field(default_factory=list)  # of both directions
    beats_asked: int = 0
    responses_asked: int = 0

    def read(self, address: int, beats: int) -> None:
        self.reads.append((address, beats))
        self.beats_asked += beats

    def write(self, address: int, values: list[int], strobe: int = 0xFF) -> None:
        self.writes.append((address, len(values)))
        self.responses_asked += 1
        last = len(values) - 1
        self.data.extend((value, strobe, i == last) for i, value in enumerate(values))


class Harness:
    """Two engine ports on the memory model."""

    def __init__(self, library: ctypes.CDLL, model: MemoryModel) -> None:
        self.library = library
        self.array = np.zeros(BYTES, np.uint8)
        self.handle = ctypes.c_void_p(library.memory_create(self.array.ctypes.data, BYTES, BASE))
        library.memory_configure(self.handle, ctypes.byref(Timing(*astuple(model))))
        self.master = (Master * 2)()
        self.slave = (Slave * 2)()
        self.ports = (Port(), Port())
        self.cycle = 0

    def add_fault(self, address: int, nbytes: int, response: int) -> None:
        fault = Fault(address, address + nbytes - 1, response, True, True)
        self.library.memory_add_fault(self.handle, ctypes.byref(fault))

    @property
    def violation(self) -> str:
        text: bytes = self.library.memory_violation(self.handle)
        return text.decode()

    def step(self) -> None:
        """One clock edge with the signals as they are."""
        self.library.memory_step(self.handle, self.master, self.slave)
        self.cycle += 1

    def run(self, cycles: int) -> None:
        for _ in range(cycles):
            for port, master, slave in zip(self.ports, self.master, self.slave, strict=True):
                self._play(port, master, slave)
            self.step()

    def run_until_done(self, limit: int = 100_000) -> None:
        """Until everything asked for was answered."""
        while any(
            len(port.received) < port.beats_asked or len(port.responses) < port.responses_asked
            for port in self.ports
        ):
            self.run(1)
            assert self.cycle < limit, "no answer"
        assert self.violation == ""

    def _play(self, port: Port, master: Master, slave: Slave) -> None:
        if port.reads:
            address, beats = port.reads[0]
            master.read = AddressChannel(True, 1, address, beats - 1, 3, 1)
            if slave.read_address_ready:
                port.reads.popleft()
                port.read_accepted.append(self.cycle)
        else:
            master.read.valid = False
        if port.writes:
            address, beats = port.writes[0]
            master.write = AddressChannel(True, 1, address, beats - 1, 3, 1)
            if slave.write_address_ready:
                port.writes.popleft()
        else:
            master.write.valid = False
        if port.data:
            master.data = WriteChannel(True, *port.data[0])
            if slave.write_data_ready:
                if port.data.popleft()[2]:
                    port.last_accepted.append(self.cycle)
                port.beat_cycles.append(self.cycle)
        else:
            master.data.valid = False
        master.read_ready = port.ready()
        master.response_ready = port.ready()
        if slave.read_valid and master.read_ready:
            beat = (self.cycle, slave.read_data, slave.read_response, slave.read_last)
            port.received.append(beat)
            port.beat_cycles.append(self.cycle)
        if slave.response_valid and master.response_ready:
            port.responses.append((self.cycle, slave.response))


@pytest.fixture
def harness(library: ctypes.CDLL) -> Iterator[Callable[[MemoryModel], Harness]]:
    made: list[Harness] = []

    def make(model: MemoryModel) -> Harness:
        made.append(Harness(library, model))
        return made[-1]

    yield make
    for item in made:
        library.memory_destroy(item.handle)


Make = Callable[[MemoryModel], Harness]


@pytest.mark.parametrize("latency", [1, 2, 32, 100])
def test_latency_is_exact(harness: Make, latency: int) -> None:
    h = harness(replace(IDEAL, read_latency=latency, write_latency=latency))
    port = h.ports[1]
    for i in range(4):
        port.read(BASE + 128 * i, 16)
        port.write(BASE + 4096 + 128 * i, list(range(16)))
    h.run_until_done()
    assert port.received[0][0] == port.read_accepted[0] + latency
    # Bursts in flight overlap: nothing waits for the latency again.
    assert port.received[-1][0] == port.received[0][0] + 63
    assert [cycle for cycle, _ in port.responses] == [c + latency for c in port.last_accepted]


@pytest.mark.parametrize("bytes_per_cycle", [1.5, 4.0, 8.0, 9.8, 20.0, 1024.0])
def test_bandwidth_is_shared_and_never_exceeded(harness: Make, bytes_per_cycle: float) -> None:
    h = harness(replace(IDEAL, bytes_per_cycle=bytes_per_cycle, read_latency=8))
    cycles = 4000
    for port in h.ports:
        for i in range(cycles // 16):
            port.read(BASE + 128 * (i % 64), 16)
            port.write(BASE + 32768 + 128 * (i % 64), [0] * 16)
    h.run(cycles)
    assert h.violation == ""
    beats = np.zeros(cycles)
    for port in h.ports:
        np.add.at(beats, port.beat_cycles, 1)
    # Write beats may be paid one cycle before they move, so a window may hold one beat per port
    # and the 8 bytes of the bucket on top.
    total = 8 * np.concatenate([[0], np.cumsum(beats)])
    for length in (1, 10, 100, 1000, cycles):
        window = (total[length:] - total[:-length]).max()
        assert window <= bytes_per_cycle * (length + 1) + 8 * 3
    # After the first latency, all of the bandwidth is used that four channels can take.
    expected = min(bytes_per_cycle, 4 * 8.0)
    assert total[-1] - total[100] >= 0.99 * expected * (cycles - 100)
    shares = [len(port.received) for port in h.ports] + [
        len(port.beat_cycles) - len(port.received) for port in h.ports
    ]
    assert max(shares) - min(shares) <= 0.02 * max(shares) + 16


def test_max_outstanding(harness: Make) -> None:
    h = harness(replace(IDEAL, read_latency=500, max_outstanding=3))
    for _ in range(10):
        h.ports[0].read(BASE, 16)
    h.run(400)
    assert len(h.ports[0].read_accepted) == 3
    h.run_until_done()


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.9])
def test_random_traffic_moves_the_right_bytes(harness: Make, probability: float) -> None:
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed={seed}")
    rng = np.random.default_rng(seed)
    h = harness(MemoryModel(9.8, 5, 3, 4, probability, seed=int(rng.integers(1 << 32))))
    h.array[:] = rng.integers(0, 256, BYTES)
    expected = h.array.copy()
    for index, port in enumerate(h.ports):
        port.ready = lambda: bool(rng.random() >= probability)
        half = BASE + index * BYTES // 2
        for _ in range(60):
            beats = int(rng.integers(1, 17))
            address = half + 8 * int(rng.integers(0, BYTES // 16 - 16))
            address -= max(0, address % 4096 + 8 * beats - 4096)
            strobe = int(rng.integers(0, 256))
            values = [int(v) for v in rng.integers(0, 1 << 63, beats)]
            port.write(address, values, strobe)
            bytes_ = np.array(values, "<u8").view(np.uint8).reshape(-1, 8)
            mask = np.array([strobe >> i & 1 for i in range(8)], bool)
            view = expected[address - BASE :][: 8 * beats].reshape(-1, 8)
            view[:, mask] = bytes_[:, mask]
    h.run_until_done()
    np.testing.assert_array_equal(h.array, expected)
    for index, port in enumerate(h.ports):
        for burst in range(16):
            port.read(BASE + index * BYTES // 2 + 128 * burst, 16)
    h.run_until_done(200_000)
    for index, port in enumerate(h.ports):
        read = np.array([data for _, data, _, _ in port.received], "<u8").view(np.uint8)
        np.testing.assert_array_equal(read, expected[index * BYTES // 2 :][: read.size])
        assert [last for *_, last in port.received] == ([False] * 15 + [True]) * 16


def test_write_shows_with_its_response_only(harness: Make) -> None:
    h = harness(replace(IDEAL, read_latency=1, write_latency=50))
    port = h.ports[0]
    port.write(BASE, [7])
    h.run(20)
    port.read(BASE, 1)
    h.run(20)
    assert [data for _, data, _, _ in port.received] == [0], "read saw an unanswered write"
    h.run_until_done()
    port.read(BASE, 1)
    h.run_until_done()
    assert port.received[-1][1] == 7


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (BASE - 8, DECERR),
        (BASE, OKAY),
        (BASE + BYTES - 8, OKAY),
        (BASE + BYTES, DECERR),
        (0, DECERR),
        (0xFFFF_FFF8, DECERR),
        (BASE + 0x1000, SLVERR),
        (BASE + 0x1008, OKAY),
    ],
)
def test_responses(harness: Make, address: int, expected: int) -> None:
    h = harness(IDEAL)
    h.add_fault(BASE + 0x1004, 1, SLVERR)
    h.array[:] = 0x55
    port = h.ports[0]
    port.read(address, 1)
    port.write(address, [0])
    h.run_until_done()
    assert port.received[0][2] == expected
    assert port.responses[0][1] == expected
    assert np.count_nonzero(h.array == 0) == (8 if expected == OKAY else 0)


def test_one_bad_beat_spoils_a_write_burst_but_not_a_read_burst(harness: Make) -> None:
    h = harness(IDEAL)
    h.add_fault(BASE + 24, 8, DECERR)
    port = h.ports[0]
    port.read(BASE, 16)
    port.write(BASE, [1] * 16)
    h.run_until_done()
    assert [r for _, _, r, _ in port.received] == [DECERR if i == 3 else OKAY for i in range(16)]
    assert port.responses[0][1] == DECERR


def test_never_answers_until_repaired(harness: Make) -> None:
    h = harness(IDEAL)
    h.add_fault(BASE + 0x100, 1, NEVER)
    for address in (BASE, BASE + 0x100, BASE + 0x200):
        h.ports[0].read(address, 1)
        h.ports[1].write(address, [1])
    h.run(1000)
    assert len(h.ports[0].received) == 1
    assert len(h.ports[1].responses) == 1
    h.library.memory_clear_faults(h.handle)
    h.run(100)
    assert len(h.ports[0].received) == 3
    assert len(h.ports[1].responses) == 3


def test_same_seed_same_run(harness: Make) -> None:
    def run(seed: int) -> list[tuple[int, int, int, bool]]:
        h = harness(replace(IDEAL, stall_probability=0.5, seed=seed))
        for _ in range(20):
            h.ports[0].read(BASE, 16)
        h.run_until_done()
        return h.ports[0].received

    assert run(1) == run(1)
    assert run(1) != run(2)


def good_read() -> AddressChannel:
    return AddressChannel(True, 0, BASE, 15, 3, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"address": BASE + 0xF88}, "crosses a 4 KB boundary"),
        ({"length": 16}, "longer than 16 beats"),
        ({"address": BASE + 4}, "not aligned"),
        ({"size": 2}, "not incrementing beats of 8 bytes"),
        ({"burst": 0}, "not incrementing beats of 8 bytes"),
    ],
)
@pytest.mark.parametrize("channel", ["read", "write"])
def test_bad_burst(harness: Make, channel: str, change: dict[str, int], message: str) -> None:
    h = harness(IDEAL)
    burst = good_read()
    for name, value in change.items():
        setattr(burst, name, value)
    setattr(h.master[1], channel, burst)
    h.step()
    h.step()
    assert h.violation.startswith("gmem1, cycle ")
    assert f"{channel} burst at " in h.violation
    assert message in h.violation


@pytest.mark.parametrize("channel", ["read", "write", "data"])
@pytest.mark.parametrize("drop", [True, False])
def test_waiting_channel_must_not_change(harness: Make, channel: str, drop: bool) -> None:
    # With no address accepted nothing is ready: a full queue for addresses, none open for data.
    h = harness(replace(IDEAL, read_latency=1000, write_latency=1000, max_outstanding=1))
    master = h.master[0]
    if channel != "data":
        setattr(master, channel, good_read())
        h.step()
        h.step()  # taken; the next one waits
        getattr(master, channel).address += 128
    else:
        master.data = WriteChannel(True, 1, 0xFF, False)
    h.step()
    assert h.violation == ""
    if drop:
        getattr(master, channel).valid = False
    elif channel == "data":
        master.data.data = 2
    else:
        getattr(master, channel).address += 128
    h.step()
    names = {"read": "AR", "write": "AW", "data": "W"}
    assert f"{names[channel]} channel changed while it waited" in h.violation


@pytest.mark.parametrize(
    ("last_at", "message"),
    [
        ({2, 3}, "WLAST is 1 at beat 3 of 4"),
        (set(), "WLAST is 0 at beat 4 of 4"),
    ],
)
def test_wlast_position(harness: Make, last_at: set[int], message: str) -> None:
    h = harness(IDEAL)
    port = h.ports[0]
    port.writes.append((BASE, 4))
    port.data.extend((0, 0xFF, i in last_at) for i in range(4))
    h.run(20)
    assert message in h.violation
