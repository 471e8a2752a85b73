# SPDX-License-Identifier: Apache-2.0
"""Makes a list of layers shorter without a change of any value."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from lineconv.graph.arithmetic import all_values
from lineconv.graph.layers import (
    Add,
    ChannelShuffle,
    Convolution,
    Layer,
    Pad,
    Reshape,
    Table,
    Tensor,
    Transpose,
    TransposedConvolution,
)
from lineconv.graph.weighted import signed_zero_point
from lineconv.layer import Pair

__all__ = ["fuse"]

_Kind = TypeVar("_Kind", bound=Layer)


def fuse(layers: Sequence[Layer], outputs: Sequence[str]) -> tuple[Layer, ...]:
    """Clamps into convolutions, padding into convolutions, channel shuffles; without dead layers.

    Args:
        layers: in order.
        outputs: names of tensors that must stay.
    """
    editor = _Editor(list(layers), frozenset(outputs))
    editor.clamps()
    editor.pads()
    editor.shuffles()
    editor.drop_dead()
    return tuple(editor.layers)


class _Editor:
    def __init__(self, layers: list[Layer], outputs: frozenset[str]) -> None:
        self.layers = layers
        self.outputs = outputs

    def clamps(self) -> None:
        """A table that only cuts off, behind a convolution or a sum."""
        for layer in list(self.layers):
            if not isinstance(layer, Table):
                continue
            maker, clamp = self._sole_maker(layer, Layer), _clamp(layer)
            if clamp is None or not isinstance(maker, (Convolution, Add)):
                continue
            geometry = maker.layer if isinstance(maker, Convolution) else maker
            low, high = geometry.clamp or (-128, 255)  # any byte
            both = (min(max(low, clamp[0]), clamp[1]), min(max(high, clamp[0]), clamp[1]))
            merged = (
                dataclasses.replace(maker, layer=dataclasses.replace(maker.layer, clamp=both))
                if isinstance(maker, Convolution)
                else dataclasses.replace(maker, clamp=both)
            )
            merged = dataclasses.replace(merged, outputs=layer.outputs)
            self.layers[self.layers.index(maker)] = merged
            self.layers.remove(layer)

    def pads(self) -> None:
        """Padding with the zero point, of height and width, before convolutions."""
        for pad in [layer for layer in self.layers if isinstance(layer, Pad)]:
            users = self._users(pad.outputs[0])
            if pad.outputs[0].name in self.outputs or not users:
                continue
            foldable = all(_takes_pad(user, pad) for user in users)
            if not foldable:
                continue
            for user in users:
                assert isinstance(user, Convolution)
                self.layers[self.layers.index(user)] = _padded(user, pad)
            self.layers.remove(pad)

    def shuffles(self) -> None:
        """Reshape, Transpose, Reshape that deal channels out to groups."""
        for last in [layer for layer in self.layers if isinstance(layer, Reshape)]:
            turn = self._sole_maker(last, Transpose)
            first = turn and self._sole_maker(turn, Reshape)
            if turn is None or first is None:
                continue
            x, split, y = first.inputs[0], first.outputs[0].shape, last.outputs[0]
            rest = tuple(range(3, len(split)))
            is_shuffle = (
                x.shape == y.shape
                and len(split) == len(x.shape) + 1
                and split == (x.shape[0], split[1], x.shape[1] // split[1], *x.shape[2:])
                and turn.permutation == (0, 2, 1, *rest)
            )
            if not is_shuffle:
                continue
            shuffle = ChannelShuffle(
                name=turn.name, inputs=first.inputs, outputs=last.outputs, groups=split[1]
            )
            self.layers[self.layers.index(last)] = shuffle
            self.layers.remove(turn)
            self.layers.remove(first)

    def drop_dead(self) -> None:
        """Layers whose results nobody reads."""
        needed = set(self.outputs)
        kept = []
        for layer in reversed(self.layers):
            if any(tensor.name in needed for tensor in layer.outputs):
                kept.append(layer)
                needed |= {tensor.name for tensor in layer.inputs}
        self.layers = kept[::-1]

    def _users(self, tensor: Tensor) -> list[Layer]:
        names = [{x.name for x in layer.inputs} for layer in self.layers]
        return [
            layer for layer, read in zip(self.layers, names, strict=True) if tensor.name in read
        ]

    def _sole_maker(self, layer: Layer, kind: type[_Kind]) -> _Kind | None:
        """The layer that makes the input of `layer`, if nothing else reads it."""
        (x,) = layer.inputs
        if x.name in self.outputs or len(self._users(x)) > 1:
            return None
        for maker in self.layers:
            if isinstance(maker, kind) and x.name == maker.outputs[0].name:
                return maker
        return None


def _clamp(layer: Table) -> Pair | None:
    """(low, high) of a table that does nothing but clamp."""
    x, y = layer.inputs[0], layer.outputs[0]
    if x.dtype != y.dtype:
        return None
    low, high = int(layer.table.min()), int(layer.table.max())
    is_clamp = np.array_equal(layer.table, np.clip(all_values(x.dtype), low, high))
    return (low, high) if is_clamp else None


def _takes_pad(layer: Layer, pad: Pad) -> bool:
    if not isinstance(layer, Convolution) or isinstance(layer, TransposedConvolution):
        return False
    x = layer.inputs[0]
    height, width = (1, *x.shape[2:])[-2:]
    is_image = (layer.layer.in_height, layer.layer.in_width) == (height, width)
    value = dataclasses.replace(x, zero_point=pad.value)
    return (
        len(x.shape) in (3, 4)
        and is_image
        and pad.pads[:2] == ((0, 0), (0, 0))
        and signed_zero_point(value) == layer.layer.x_zero_point
    )


def _padded(layer: Convolution, pad: Pad) -> Convolution:
    """The convolution without the padding of its input, with padding of its own."""
    spatial = pad.pads[2:] if len(pad.pads) == 4 else ((0, 0), pad.pads[2])
    geometry = layer.layer
    padding = [
        (own[0] + more[0], own[1] + more[1])
        for own, more in zip(geometry.padding, spatial, strict=True)
    ]
    merged = dataclasses.replace(
        geometry,
        in_height=geometry.in_height - sum(spatial[0]),
        in_width=geometry.in_width - sum(spatial[1]),
        padding=(padding[0], padding[1]),
    )
    x = dataclasses.replace(layer.inputs[0], name=pad.inputs[0].name, shape=pad.inputs[0].shape)
    return dataclasses.replace(layer, inputs=(x,), layer=merged)
