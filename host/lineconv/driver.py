# SPDX-License-Identifier: Apache-2.0
"""The accelerator as Python sees it: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.aligned import AlignedBuffer
from lineconv.block import Block
from lineconv.bus import Allocator, RegisterBus, Wait
from lineconv.compiler.feed import Feed
from lineconv.compiler.network import Network
from lineconv.control import Control, Progress
from lineconv.errors import DeviceError, InvalidInputError, NetworkMismatchError
from lineconv.graph import Graph
from lineconv.graph.layers import AnyArray
from lineconv.identity import read_array
from lineconv.methods import LayerMethods
from lineconv.methods.compiled import CompiledGraphs
from lineconv.operands import Operands
from lineconv.presets import Array, MemoryModel, Preset, memory_of
from lineconv.profiling.profile import NetworkProfile
from lineconv.report import RunReport
from lineconv.runtime import LoadedNetwork

__all__ = ["Accelerator"]


class Accelerator(LayerMethods):
    """One engine.

    Attributes:
        name: of the device.
        array: sizes of the engine, as it reports them.
        clock_hz: clock of the engine, for durations.
        simulated: no hardware is behind it.
        memory_model: timing of a virtual board's memory; None on a board.
        last_run: measurements of the last run that succeeded; None before the first, and after a
            network ran without `profile`.
        last_profile: those of the last network that ran with `profile`, step by step, or None.
    """

    def __init__(
        self,
        bus: RegisterBus,
        allocator: Allocator,
        *,
        clock_hz: float,
        wait: Wait | None = None,
        name: str = "lineconv",
        timeout_s: float = 10.0,
        simulated: bool = False,
        memory_model: MemoryModel | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        """Drive the engine whose registers are at `bus`.

        Args:
            wait: waits for the interrupt; without it the driver polls.
            close: gives the device back.

        Raises:
            BitstreamMismatchError: this package cannot drive what answers on the bus.
        """
        self.array: Array = read_array(bus)
        self.name = name
        self.clock_hz = clock_hz
        self.simulated = simulated
        self.memory_model = memory_model
        self.last_run: RunReport | None = None
        self.last_profile: NetworkProfile | None = None
        self._control = Control(bus, wait, name, timeout_s)
        self._allocator = allocator
        self._networks: dict[Network, LoadedNetwork] = {}  # in the order of loading
        preset = Preset(name, self.array, memory_model or memory_of(self.array), int(clock_hz), "")
        self._compiled = CompiledGraphs(preset)
        self._close = close

    @property
    def timeout_s(self) -> float:
        """How long a run may take without completing a descriptor, in seconds."""
        return self._control.timeout_s

    @timeout_s.setter
    def timeout_s(self, value: float) -> None:
        self._control.timeout_s = value

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the device back; it cannot be used after that. Closing twice does nothing."""
        for network in [*self._networks]:
            self.unload(network)
        close, self._close = self._close, None
        if close is not None:
            close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {self.array}>"

    def load(self, network: Network) -> None:
        """Put the programs and weights of a network into the device's memory, where they stay.

        Raises:
            NetworkMismatchError: it was compiled for another array than the device has.
            MemoryError: the device has too little memory; see `unload`.
        """
        if network.array != self.array:
            raise NetworkMismatchError(
                f"{network.name} was compiled for {network.target}: {network.array}; "
                f"{self.name} has {self.array}"
            )
        loaded = self._networks.pop(network, None)
        loaded = loaded or LoadedNetwork(network, self._control, self._allocator)
        self._networks[network] = loaded

    def unload(self, network: Network) -> None:
        """Free the memory of a network; one that is not loaded is no error."""
        loaded = self._networks.pop(network, None)
        if loaded is not None:
            loaded.free()

    def run(
        self,
        network: Network,
        x: Feed,
        *,
        progress: Progress | None = None,
        profile: bool = False,
    ) -> AnyArray | dict[str, AnyArray]:
        """Run a network, image by image; it is loaded first unless it is already.

        Args:
            x: the input, or a dict of all inputs by name. Shapes and types are those of
                `network.inputs`; the first axis may be longer, a multiple of what the input has.
            progress: called now and then while the engine works, with the multiply-accumulates
                that are done.
            profile: measure each layer and step: `last_run`, `last_profile`.

        Returns:
            The output, or a dict of all outputs by name; those of several images are joined along
            the first axis.

        Raises:
            InvalidTensorError: names, shapes, types or values of inputs do not fit; nothing ran.
            NetworkMismatchError, MemoryError: see `load`.
            ProgramError, RunTimeoutError: see `conv2d`.
            InvalidInputError: a layer on the host needs ONNX Runtime, which is not installed.
        """
        self.load(network)
        self.last_run = self.last_profile = None
        y, steps = self._networks[network].run(x, progress=progress, profile=profile)
        if profile:
            self.last_profile = NetworkProfile(
                network, self.name, self.simulated, self.clock_hz, steps
            )
            self.last_run = self.last_profile.report
        return y

    def tensors(self, network: Network) -> dict[str, AnyArray]:
        """All tensors of the last image that a network ran, by name, those between layers too.

        Raises:
            InvalidInputError: it was not compiled with `keep`, or is not loaded.
        """
        if network not in self._networks:
            raise InvalidInputError(f"{network.name} is not loaded on {self.name}")
        return self._networks[network].tensors()

    def predict(self, x: Feed, *, profile: bool = False) -> Any:
        """Run the network that was loaded last, as the overlays of hls4ml do.

        Returns:
            What `run` returns; with `profile`, (that, seconds, images per second). On a simulated
            device the engine's part of the seconds is its cycles at the clock it stands for.

        Raises:
            DeviceError: no network is loaded, or `profile` on a device that does not count cycles.
            Others: see `run`.
        """
        if not self._networks:
            raise DeviceError(f"{self.name}: no network is loaded")
        network = next(reversed(self._networks))
        y = self.run(network, x, profile=profile)
        if not profile:
            return y
        assert self.last_profile is not None
        seconds = self.last_profile.seconds
        if seconds is None:
            raise DeviceError(f"{self.name} does not count cycles")
        count = len(self.last_profile.images) * network.inputs[0].shape[0]
        return y, seconds, count / seconds

    def run_graph(self, graph: Graph, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        """Run a graph on the engine alone; the layer methods do that with graphs of one layer.

        What it was compiled to is kept for the next call with an equal graph, on the host.

        Args:
            inputs: one array for each input, by name, of its shape and type.

        Returns:
            The outputs by name.

        Raises:
            InvalidTensorError: names, shapes or types of inputs do not fit; nothing was run.
            InvalidLayerError: the engine cannot compute a layer; the message says why.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        network = self._compiled.network(graph)
        loaded = LoadedNetwork(network, self._control, self._allocator)
        try:
            y, steps = loaded.run(inputs, profile=True)
        finally:
            loaded.free()
        profile = NetworkProfile(network, self.name, self.simulated, self.clock_hz, steps)
        self.last_run, self.last_profile = profile.report, None
        return y if isinstance(y, dict) else {network.outputs[0].name: y}

    def run_layers(
        self, layers: Sequence[Operands], *, progress: Progress | None = None
    ) -> list[npt.NDArray[np.integer[Any]]]:
        """Run layers as one program: one start, one interrupt.

        A layer whose `x` is an earlier one reads its result in the device's memory.

        Args:
            layers: in the order in which they run, at least one.
            progress: called now and then while the engine works, with the multiply-accumulates
                of the descriptors that are done.

        Returns:
            The result of each layer, (N, O, H', W').

        Raises:
            InvalidTensorError, InvalidLayerError: a layer cannot read the result of another;
                nothing was run.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        image = Block(layers, self.array)
        done = [0, *accumulate(image.macs)]
        buffer = AlignedBuffer(self._allocator, image.nbytes)
        try:
            image.write(buffer.array, buffer.address)
            buffer.flush()
            cycles = self._control.run(
                buffer.address,
                image.count,
                range(buffer.address, buffer.address + image.nbytes),
                progress and (lambda completed: progress(done[completed])),
            )
            buffer.invalidate()
            runs = image.measurements(buffer.array)
            self.last_run = RunReport(self.name, self.array, self.clock_hz, cycles, runs)
            return image.read(buffer.array)
        finally:
            buffer.free()
