# SPDX-License-Identifier: Apache-2.0
"""The tensors of a network in the device's memory, in buffers that have no address yet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from lineconv.bus import ByteArray
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.network import Pack
from lineconv.compiler.view import View
from lineconv.fold import fold_layer
from lineconv.graph.layers import AnyArray, Tensor
from lineconv.layer import ConvLayer

__all__ = ["Buffer", "Home", "Memory", "Shape", "default_shape"]

Shape: TypeAlias = tuple[int, int, int, int]  # batch, height, width, channels


@dataclass(eq=False)
class Buffer:
    """Memory for one tensor and all its parts.

    Attributes:
        nbytes: size.
        content: what lies in it when the network is loaded, and stays where nothing is written;
            None for activations.
    """

    nbytes: int
    content: ByteArray | None = None


@dataclass(frozen=True)
class Home:
    """Where a tensor goes that is a part of another one, as the inputs of Concat are.

    Attributes:
        whole: the other tensor.
        part: takes its view.
        fill: value of the elements of `whole` that nothing writes; None if there are none.
    """

    whole: Tensor
    part: Callable[[View], View]
    fill: int | None = None


@dataclass
class Memory:
    """Which tensors are where.

    Attributes:
        beat_bytes: of the array.
        constants: of the graph, by name.
        homes: by the name of the part.
        host: names of values that the host has.
        tensors: those in the device's memory, by name.
        buffers: by name.
        wholes: tensors that are made in parts, by name.
        packs: what the host writes before the next program.
        engine_has_run: there was a program before. The host sees no results between its own bytes,
            and would write old ones over them; from then on it packs into buffers of its own.
    """

    beat_bytes: int
    constants: Mapping[str, AnyArray]
    homes: Mapping[str, Home]
    host: set[str]
    tensors: dict[str, DeviceTensor] = field(default_factory=dict)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    wholes: dict[str, View] = field(default_factory=dict)
    packs: list[Pack] = field(default_factory=list)
    engine_has_run: bool = False

    def copy(self) -> Memory:
        """As it is now, so that what follows can be undone."""
        return replace(
            self,
            host=set(self.host),
            tensors=dict(self.tensors),
            buffers=dict(self.buffers),
            wholes=dict(self.wholes),
            packs=list(self.packs),
        )

    # --- tensors to read ------------------------------------------------------------------------

    def read(self, tensor: Tensor, shape: Shape | None = None) -> DeviceTensor:
        """A tensor in memory; the host packs it if it is not there yet.

        Args:
            shape: (batch, height, width, channels) that suits the reader best.
        """
        found = self.tensors.get(tensor.name)
        on_host = tensor.name in self.host or tensor.name in self.constants
        if found is not None and (shape is None or found.outer == shape[0] or not on_host):
            return replace(found, tensor=tensor)
        shape = shape or default_shape(tensor.shape)
        if tensor.name in self.constants or self.engine_has_run:
            view = self._new(tensor.name, shape, tensor.dtype)
            made = DeviceTensor(tensor, view, shape[0])
        else:
            made = self.write(tensor, shape, shape[0])
        if tensor.name in self.constants:
            content = np.zeros(self.buffers[made.view.buffer].nbytes, np.uint8)
            made.write(self.constants[tensor.name], content)
            self.buffers[made.view.buffer] = Buffer(content.size, content)
        else:
            self.packs.append(Pack(made))
        self.tensors[tensor.name] = made
        return made

    def read_folded(self, tensor: Tensor, layer: ConvLayer, zero_point: int) -> View:
        """The folded image of a host value; `zero_point` is an element of it."""
        folded = fold_layer(layer)
        images = math.prod(tensor.shape) // (layer.in_channels * layer.in_height * layer.in_width)
        shape = (images, folded.in_height, folded.in_width, folded.in_channels)
        view = self._new(f"{tensor.name}/folded", shape, tensor.dtype)
        self.packs.append(Pack(DeviceTensor(tensor, view, images), layer, zero_point))
        return view

    def on_host_only(self, tensor: Tensor) -> bool:
        """It would have to be packed."""
        return tensor.name in self.host and tensor.name not in self.tensors

    # --- memory to write to ---------------------------------------------------------------------

    def write(self, tensor: Tensor, shape: Shape, outer: int) -> DeviceTensor:
        """A place for a tensor: its home if that has the shape, else a buffer of its own."""
        home = self.homes.get(tensor.name)
        if home is not None and outer == shape[0]:
            view = home.part(self.whole(home.whole, home.fill))
            if view.shape == shape:
                return DeviceTensor(tensor, view, outer)
        return DeviceTensor(tensor, self._new(tensor.name, shape, tensor.dtype), outer)

    def whole(self, tensor: Tensor, fill: int | None = None) -> View:
        """A place for a tensor that is made in parts; the same each time.

        Args:
            fill: value of the elements that nothing writes; None if there are none.
        """
        if tensor.name not in self.wholes:
            shape = default_shape(tensor.shape)
            if fill is None:
                view = self.write(tensor, shape, shape[0]).view
            else:
                view = self._new(tensor.name, shape, tensor.dtype)
                content = np.zeros(self.buffers[view.buffer].nbytes, np.uint8)
                view.array(content)[...] = fill
                self.buffers[view.buffer] = Buffer(content.size, content)
            self.wholes[tensor.name] = view
        return self.wholes[tensor.name]

    def scratch(self, like: View) -> View:
        """A dense copy of a view would fit there."""
        return self._new(f"{like.buffer}/copy", like.shape, like.dtype)

    def extend(self, view: View, nbytes: int) -> None:
        """Let at least so many bytes from the start of a view belong to its buffer."""
        buffer = self.buffers[view.buffer]
        missing = view.offset + nbytes - buffer.nbytes
        if missing > 0:
            content = None if buffer.content is None else np.pad(buffer.content, (0, missing))
            self.buffers[view.buffer] = Buffer(buffer.nbytes + missing, content)

    def _new(self, name: str, shape: Shape, dtype: np.dtype[Any]) -> View:
        unique = name
        while unique in self.buffers:
            unique += "'"
        view = View.dense(unique, shape, dtype, self.beat_bytes)
        self.buffers[unique] = Buffer(view.batch * view.image_stride)
        return view


def default_shape(shape: tuple[int, ...]) -> Shape:
    """(batch, height, width, channels) of a tensor whose second axis holds channels."""
    batch, channels, *sizes = (*((1,) * (2 - len(shape))), *shape)
    height, width = math.prod(sizes[:-1]), sizes[-1] if sizes else 1
    return (batch, height, width, channels)
