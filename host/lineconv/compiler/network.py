# SPDX-License-Identifier: Apache-2.0
"""A compiled network: what the runtime puts into the device's memory, and what it does then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from lineconv.bus import ByteArray
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.cycle_model import Bound
from lineconv.fold import pack_folded
from lineconv.graph.layers import AnyArray, Layer, Tensor
from lineconv.layer import ConvLayer
from lineconv.presets import Array

__all__ = ["HostStep", "LayerPlan", "Network", "Pack", "Segment", "Step", "Unpack"]


@dataclass(frozen=True)
class LayerPlan:
    """What the engine does for one layer of the graph. Predicted figures are for the target.

    Attributes:
        name: of the graph layer.
        kinds: of graph layers that it covers, in order, such as ("Convolution", "Table").
        descriptors: how many follow each other in the program of the segment.
        macs: multiply-accumulates that the layer needs; of kinds without products, input elements
            looked at.
        cycles: predicted.
        read_bytes, written_bytes: predicted memory traffic, weights and descriptors included.
        bound: what limits it, of most of its cycles.
        inputs: tensors that it reads.
        output: the tensor that it makes. Its bytes are overwritten later in the run, unless the
            network was compiled to keep them.
        remark: where ONNX Runtime computes something else, see `lineconv.graph.layers.Layer`.
    """

    name: str
    kinds: tuple[str, ...]
    descriptors: int
    macs: int
    cycles: int
    read_bytes: int
    written_bytes: int
    bound: Bound
    inputs: tuple[Tensor, ...]
    output: DeviceTensor
    remark: str


@dataclass(frozen=True)
class Pack:
    """The host writes one of its values into the device's memory.

    Attributes:
        target: the value, and where it goes.
        fold: the convolution whose folded image is written (`lineconv.fold`), which `target.view`
            then describes; None for the value as it is.
        zero_point: as an element of the value; what padding holds in a folded image.
    """

    target: DeviceTensor
    fold: ConvLayer | None = None
    zero_point: int = 0

    def write(self, array: AnyArray, memory: ByteArray, beat_bytes: int) -> None:
        """Put the value, shaped as the tensor is, into memory."""
        if self.fold is None:
            self.target.write(array, memory)
            return
        view, layer = self.target.view, self.fold
        images = array.reshape(-1, layer.in_channels, layer.in_height, layer.in_width)
        out = memory[view.offset : view.offset + view.batch * view.image_stride]
        pack_folded(images, layer, range(view.channels), self.zero_point, out, beat_bytes)


@dataclass(frozen=True)
class Segment:
    """One program: one start, one interrupt.

    Attributes:
        offset: of its first descriptor, from the start of the block.
        count: of descriptors.
        layers: what they compute, in order.
        cycles: predicted, from start to done.
    """

    offset: int
    count: int
    layers: tuple[LayerPlan, ...]
    cycles: int


@dataclass(frozen=True)
class Unpack:
    """The host reads a tensor from the device's memory."""

    source: DeviceTensor


@dataclass(frozen=True, eq=False)
class HostStep:
    """The host computes a layer, from host values to host values.

    Attributes:
        reason: why the engine does not.
    """

    layer: Layer
    reason: str


Step: TypeAlias = Pack | Segment | Unpack | HostStep


@dataclass(frozen=True, eq=False)
class Network:
    """A network for one target.

    The runtime keeps host values by tensor name. It begins with the inputs and the constants, does
    the steps in order, and ends with the outputs.

    Attributes:
        name: for reports.
        target: name of the preset.
        array: for which it was compiled.
        image: uint8; programs, weights and constants, which the runtime puts at the start of a
            block of `nbytes` bytes, whose address is a multiple of `regs.DESCRIPTOR_BYTES`.
            Descriptors hold addresses relative to it: the runtime adds the block's to
            `input_address`, `weights_address`, `output_address` and, of ADD, `second_address`.
        nbytes: of the block: the image, then activations, in which nothing need be set.
        inputs, outputs: as in the graph.
        constants: host values that host steps and `outputs` read, by name.
        steps: in order.
        kept: no bytes are used twice, so that all tensors can be read after a run.
    """

    name: str
    target: str
    array: Array
    image: ByteArray
    nbytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    constants: Mapping[str, AnyArray]
    steps: tuple[Step, ...]
    kept: bool

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The steps on the engine."""
        return tuple(step for step in self.steps if isinstance(step, Segment))

    @property
    def layers(self) -> tuple[LayerPlan, ...]:
        """The layers on the engine."""
        return tuple(layer for segment in self.segments for layer in segment.layers)

    @property
    def host_steps(self) -> tuple[HostStep, ...]:
        """The layers on the host."""
        return tuple(step for step in self.steps if isinstance(step, HostStep))

    @property
    def activation_bytes(self) -> int:
        """Memory for activations: the peak of those that are needed at the same time."""
        return self.nbytes - self.image.size
