# SPDX-License-Identifier: Apache-2.0
"""What a benchmark found: figures per layer and per network, as numbers and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lineconv.bench.roofs import Roofs
from lineconv.presets import Array, MemoryModel
from lineconv.report import LayerRun, RunReport

__all__ = ["Engine", "LayerFigures", "NetworkFigures", "layer_figures"]


@dataclass(frozen=True)
class Engine:
    """What was measured on.

    Attributes:
        device: its name.
        simulated: no hardware is behind it.
        clock_hz: of the engine; of a simulated one, the clock that it stands for.
        memory: model of a virtual board's memory; None on a board.
    """

    device: str
    simulated: bool
    clock_hz: float
    array: Array
    memory: MemoryModel | None

    def __str__(self) -> str:
        array = self.array
        text = (
            f"{self.device}, {'simulated' if self.simulated else 'measured'}, "
            f"{self.clock_hz / 1e6:g} MHz, array {array.input_lanes} x {array.output_lanes} "
            f"({array.macs_per_cycle} MAC/cycle)"
        )
        if self.memory is not None:
            text += (
                f", memory {self.memory.bytes_per_cycle:g} B/cycle, "
                f"{self.memory.read_latency} cycles read latency"
            )
        return text

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "device": self.device,
            "simulated": self.simulated,
            "clock_hz": self.clock_hz,
            "array": asdict(self.array) | {"macs_per_cycle": self.array.macs_per_cycle},
            "memory": None if self.memory is None else asdict(self.memory),
        }


@dataclass(frozen=True)
class LayerFigures:
    """One layer.

    Attributes:
        macs: multiply-accumulates.
        cycles: what it took.
        mac_cycles: cycles in which the array was fed, with words that may have unused lanes.
        stall_input, stall_weights, stall_output: cycles in which the array waited for this.
        ideal_cycles: of an array without unused lanes that never waits.
        roofs: its traffic, and what the cycles can be at the best.
    """

    name: str
    macs: int
    cycles: int
    mac_cycles: int
    stall_input: int
    stall_weights: int
    stall_output: int
    ideal_cycles: float
    roofs: Roofs

    @property
    def utilisation(self) -> float:
        """MACs done / MACs that the array could have done."""
        return self.ideal_cycles / self.cycles

    @property
    def bound_utilisation(self) -> float:
        """The utilisation of a run that takes the least cycles."""
        return self.ideal_cycles / self.roofs.cycles

    @property
    def fed(self) -> float:
        """Share of the cycles in which the array got a word."""
        return self.mac_cycles / self.cycles

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self) | {
            "utilisation": self.utilisation,
            "bound_utilisation": self.bound_utilisation,
            "roofs": asdict(self.roofs) | {"cycles": self.roofs.cycles},
        }


@dataclass(frozen=True)
class NetworkFigures:
    """The convolutions of one network, run as one program.

    Attributes:
        macs: multiply-accumulates for one image.
        cycles: from start to interrupt.
        model: the predicted ones; None without a model of the memory.
        utilisation: MACs done / MACs that the array could have done in these cycles.
        fps: images per second of these layers alone, at the engine's clock.
    """

    name: str
    description: str
    macs: int
    cycles: int
    model: int | None
    utilisation: float
    fps: float
    layers: tuple[LayerFigures, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self) | {"layers": [layer.to_json() for layer in self.layers]}


def layer_figures(run: LayerRun | RunReport, name: str, array: Array, roofs: Roofs) -> LayerFigures:
    """Figures of a layer, or of a program that is one layer."""
    return LayerFigures(
        name=name,
        macs=run.macs,
        cycles=run.cycles,
        mac_cycles=run.mac_cycles,
        stall_input=run.stall_input,
        stall_weights=run.stall_weights,
        stall_output=run.stall_output,
        ideal_cycles=run.macs / array.macs_per_cycle,
        roofs=roofs,
    )
