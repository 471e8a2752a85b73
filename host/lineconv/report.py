# SPDX-License-Identifier: Apache-2.0
"""What the engine measured while it ran a program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

from lineconv.bus import ByteArray
from lineconv.presets import Array
from lineconv.regs import DESCRIPTOR

__all__ = ["DescriptorRun", "LayerRun", "RunReport", "results"]


@dataclass(frozen=True)
class DescriptorRun:
    """What the engine measured while it ran one descriptor.

    Attributes:
        cycles: from the completion of the descriptor before, or the start of the run, to its own
            completion, when its last write is acknowledged.
        mac_cycles: the array was fed.
        stall_input, stall_weights, stall_output: the array waited for this.
        read_beats, write_beats: traffic on the memory ports in these cycles, in beats of the array.
            Descriptor and weights of the next layer are read ahead, and count here.
    """

    cycles: int
    mac_cycles: int
    stall_input: int
    stall_weights: int
    stall_output: int
    read_beats: int
    write_beats: int


_MEASURED = tuple(field.name for field in fields(DescriptorRun))


class _Totals(ABC):
    """Sums over descriptors."""

    @property
    @abstractmethod
    def descriptors(self) -> tuple[DescriptorRun, ...]:
        """In the order of the program."""

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

    def _total(self, name: str) -> int:
        return sum(getattr(run, name) for run in self.descriptors)


@dataclass(frozen=True)
class LayerRun(_Totals):
    """One layer's part of a run.

    Attributes:
        name: of the layer.
        macs: multiply-accumulates that it needed.
        runs: one or more per image.
    """

    name: str
    macs: int
    runs: tuple[DescriptorRun, ...]

    @property
    def descriptors(self) -> tuple[DescriptorRun, ...]:
        """In the order of the program."""
        return self.runs

    @property
    def cycles(self) -> int:
        """Those of its descriptors; 0 from a device that does not count cycles."""
        return self._total("cycles")


@dataclass(frozen=True)
class RunReport(_Totals):
    """One run of a program.

    Attributes:
        device: name of the device that ran it.
        array: sizes of its engine.
        clock_hz: clock of its engine; of a simulated one, the clock that it stands for.
        cycles: from start to done; 0 from a device that does not count cycles.
        layers: in the order of the program.
    """

    device: str
    array: Array
    clock_hz: float
    cycles: int
    layers: tuple[LayerRun, ...]

    @property
    def descriptors(self) -> tuple[DescriptorRun, ...]:
        """In the order of the program."""
        return tuple(run for layer in self.layers for run in layer.runs)

    @property
    def macs(self) -> int:
        """Multiply-accumulates that the layers needed."""
        return sum(layer.macs for layer in self.layers)

    @property
    def utilisation(self) -> float | None:
        """MACs done / MACs that the array could have done; None if cycles are not counted."""
        return self.macs / (self.cycles * self.array.macs_per_cycle) if self.cycles else None

    @property
    def seconds(self) -> float | None:
        """Duration at the engine's clock; None if cycles are not counted."""
        return self.cycles / self.clock_hz if self.cycles else None


def results(program: ByteArray) -> tuple[DescriptorRun, ...]:
    """The measurements in the descriptors of a program that has run."""
    blocks = program.view(DESCRIPTOR)
    return tuple(DescriptorRun(*block) for block in blocks[list(_MEASURED)].tolist())
