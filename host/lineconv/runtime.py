# SPDX-License-Identifier: Apache-2.0
"""Networks in the memory of a device, and their runs; see docs/run.md."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from itertools import accumulate, islice

import numpy as np

from lineconv.aligned import AlignedBuffer
from lineconv.bus import Allocator
from lineconv.compiler.feed import Feed, Values, images, joined
from lineconv.compiler.network import Network, Pack, Segment, Unpack
from lineconv.control import Control, Progress
from lineconv.errors import InvalidInputError, ProgramError
from lineconv.graph.execute import run_layer
from lineconv.graph.layers import AnyArray
from lineconv.profiling.profile import StepRun
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Kind
from lineconv.report import LayerRun, results

__all__ = ["LoadedNetwork"]

_ADDRESSES = ("input_address", "weights_address", "output_address")


class LoadedNetwork:
    """A network whose programs and weights lie in the device's memory.

    Args:
        array: of the engine is that of the network.

    Raises:
        MemoryError: the device has too little memory.
    """

    def __init__(self, network: Network, control: Control, allocator: Allocator) -> None:
        self._network = network
        self._control = control
        self._values: dict[str, AnyArray] = {}  # of the host, if they are kept
        self._buffer = AlignedBuffer(allocator, network.nbytes)
        memory, size = self._buffer.array, network.image.size
        memory[:size] = network.image
        for segment in network.segments:
            program = memory[_program(segment)].view(DESCRIPTOR)
            for name in _ADDRESSES:
                program[name] += self._buffer.address
            program["second_address"][program["kind"] == Kind.ADD] += self._buffer.address
        self._buffer.flush(0, size)

    def free(self) -> None:
        """Give the memory back."""
        self._buffer.free()

    def run(
        self, x: Feed, *, progress: Progress | None = None, profile: bool = False
    ) -> tuple[AnyArray | dict[str, AnyArray], tuple[tuple[StepRun, ...], ...]]:
        """See `Accelerator.run`; with `profile` also what each step took, image by image."""
        network = self._network
        macs = sum(layer.macs for layer in network.layers)
        results: list[Values] = []
        steps: list[tuple[StepRun, ...]] = []
        for image, feed in enumerate(images(network.inputs, x)):
            taken: list[StepRun] | None = [] if profile else None
            report = progress and partial(_add, progress, image * macs)
            values = self._run_image(feed, progress=report, profile=taken)
            results.append({tensor.name: values[tensor.name] for tensor in network.outputs})
            steps.append(tuple(taken or ()))
        return joined(network.outputs, results), tuple(steps)

    def _run_image(
        self,
        inputs: Values,
        *,
        progress: Progress | None = None,
        profile: list[StepRun] | None = None,
    ) -> dict[str, AnyArray]:
        """Host values after all steps, by tensor name: inputs, outputs and what lies between.

        Args:
            inputs: one array for each input, of its shape and type.
            progress: called while the engine works, with the multiply-accumulates that are done.
            profile: gets what each step took.
        """
        values: dict[str, AnyArray] = {**self._network.constants, **inputs}
        memory, macs = self._buffer.array, 0
        for step in self._network.steps:
            started = time.perf_counter()
            cycles = 0
            if isinstance(step, Segment):
                cycles = self._start(step, progress and _by_descriptor(progress, step, macs))
                macs += sum(layer.macs for layer in step.layers)
                if progress is not None:
                    progress(macs)
            elif isinstance(step, Pack):
                tensor, view = step.target.tensor, step.target.view
                step.write(values[tensor.name], memory, self._network.array.beat_bytes)
                self._buffer.flush(view.offset, view.offset + view.nbytes)
            elif isinstance(step, Unpack):
                values[step.source.tensor.name] = self._read(step)
            else:
                values.update(run_layer(step.layer, values))
            if profile is not None:
                host_s = time.perf_counter() - started
                layers = self._measurements(step) if isinstance(step, Segment) else ()
                profile.append(StepRun(host_s, cycles, tuple(layers)))
        if self._network.kept:
            self._values = values
        return values

    def tensors(self) -> dict[str, AnyArray]:
        """All tensors of the last image by name, those between layers too.

        Raises:
            InvalidInputError: the network was not compiled to keep them.
        """
        if not self._network.kept:
            raise InvalidInputError(
                f"{self._network.name} keeps no tensors: compile it with keep=True"
            )
        made = (layer.output for layer in self._network.layers)
        return self._values | {output.tensor.name: self._read(Unpack(output)) for output in made}

    def _read(self, step: Unpack) -> AnyArray:
        view = step.source.view
        self._buffer.invalidate(view.offset, view.offset + view.nbytes)
        return step.source.read(self._buffer.array)

    def _start(self, segment: Segment, progress: Progress | None) -> int:
        address = self._buffer.address
        window = range(address, address + self._network.nbytes)
        try:
            return self._control.run(address + segment.offset, segment.count, window, progress)
        except ProgramError as error:
            layer = _layer_at(segment, error.index)
            raise ProgramError(error.code, error.name, error.index, layer) from None

    def _measurements(self, segment: Segment) -> Iterator[LayerRun]:
        place = _program(segment)
        self._buffer.invalidate(place.start, place.stop)
        runs = iter(results(self._buffer.array[place]))
        for layer in segment.layers:
            yield LayerRun(layer.name, layer.macs, tuple(islice(runs, layer.descriptors)))


def _add(progress: Progress, before: int, done: int) -> None:
    progress(before + done)


def _program(segment: Segment) -> slice:
    return slice(segment.offset, segment.offset + segment.count * DESCRIPTOR_BYTES)


def _layer_at(segment: Segment, descriptor: int) -> str:
    ends = accumulate(layer.descriptors for layer in segment.layers)
    names = (
        layer.name for layer, end in zip(segment.layers, ends, strict=True) if descriptor < end
    )
    return next(names, "")


def _by_descriptor(progress: Progress, segment: Segment, before: int) -> Progress:
    """Told of descriptors, tells of multiply-accumulates; those of a layer are spread evenly."""
    per_descriptor = np.repeat(
        [layer.macs / max(1, layer.descriptors) for layer in segment.layers],
        [layer.descriptors for layer in segment.layers],
    )
    done = before + np.concatenate([[0], np.cumsum(per_descriptor)])
    return lambda completed: progress(round(done[completed]))
