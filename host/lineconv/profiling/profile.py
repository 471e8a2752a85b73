# SPDX-License-Identifier: Apache-2.0
"""What the engine and the host measured while a network ran."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lineconv.compiler.network import Network, Segment
from lineconv.report import LayerRun, RunReport

__all__ = ["NetworkProfile", "StepRun"]


@dataclass(frozen=True)
class StepRun:
    """What one step of a network took.

    Attributes:
        host_s: duration as the host saw it; of a segment on a simulated device, the simulation.
        cycles: of a segment, from start to done; 0 where cycles are not counted.
        layers: of a segment, as the engine measured them.
    """

    host_s: float
    cycles: int = 0
    layers: tuple[LayerRun, ...] = ()


@dataclass(frozen=True)
class NetworkProfile:
    """Runs of a network.

    Attributes:
        network: what ran.
        device: name of the device.
        simulated: no hardware is behind it.
        clock_hz: of its engine; of a simulated one, the clock that it stands for.
        images: for each run, one entry for each step of the network.
    """

    network: Network
    device: str
    simulated: bool
    clock_hz: float
    images: tuple[tuple[StepRun, ...], ...]

    @property
    def report(self) -> RunReport:
        """Of the engine, over all runs."""
        layers = [layer for step in self.images[0] for layer in step.layers]
        descriptors = [[*layer.runs] for layer in layers]
        for image in self.images[1:]:
            later = (layer for step in image for layer in step.layers)
            for runs, layer in zip(descriptors, later, strict=True):
                runs += layer.runs
        return RunReport(
            self.device,
            self.network.array,
            self.clock_hz,
            sum(step.cycles for image in self.images for step in image),
            tuple(
                LayerRun(layer.name, layer.macs * len(self.images), tuple(runs))
                for layer, runs in zip(layers, descriptors, strict=True)
            ),
        )

    @property
    def seconds(self) -> float | None:
        """Duration of all runs; None if cycles are not counted.

        On a simulated device the engine's part is its cycles at the clock that it stands for.
        """
        if not self.counts_cycles:
            return None
        return sum(
            seconds for index in range(len(self.images)) for seconds in self.durations(index)
        )

    @property
    def counts_cycles(self) -> bool:
        """All programs have told their cycles."""
        return all(
            run.cycles
            for image in self.images
            for step, run in zip(self.network.steps, image, strict=True)
            if isinstance(step, Segment)
        )

    def durations(self, image: int) -> Iterator[float]:
        """Of each step of one run, in seconds."""
        for step, run in zip(self.network.steps, self.images[image], strict=True):
            simulated = self.simulated and isinstance(step, Segment)
            yield run.cycles / self.clock_hz if simulated else run.host_s
