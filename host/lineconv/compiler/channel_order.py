# SPDX-License-Identifier: Apache-2.0
"""Other orders of channels, which dense convolutions behind take into account in their weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lineconv.graph.layers import ChannelShuffle, Concat, Convolution, Layer, Tensor
from lineconv.layer import OutputType

__all__ = ["absorb_shuffles", "shuffled_channels", "split_groups"]

_Channels: TypeAlias = npt.NDArray[np.intp]


def absorb_shuffles(layers: Sequence[Layer], outputs: set[str]) -> list[Layer]:
    """The layers without channel shuffles that only dense convolutions read.

    Args:
        outputs: names of tensors that must stay as they are.
    """
    result = list(layers)
    for shuffle in layers:
        if not isinstance(shuffle, ChannelShuffle):
            continue
        (x,), (shuffled,) = shuffle.inputs, shuffle.outputs
        if _reorder_users(result, shuffled, x, np.argsort(shuffled_channels(shuffle)), outputs):
            result.remove(shuffle)
    return result


def split_groups(layers: Sequence[Layer], outputs: set[str], lanes: int) -> list[Layer]:
    """The layers with several convolutions for one whose groups have more outputs than lanes.

    A descriptor can give each group of lanes input channels of its own, but not the same ones to
    two of them. So of the outputs of each group, as many as there are lanes go to a first
    convolution, the next to a second, ... Their results side by side are the result in another
    order of channels.

    Args:
        lanes: output lanes of the array.
    """
    result = list(layers)
    for layer in layers:
        if not isinstance(layer, Convolution) or not _is_wide(layer, lanes):
            continue
        (y,) = layer.outputs
        joined = dataclasses.replace(y, name=f"{y.name}/reordered")
        by_group = np.arange(layer.layer.out_channels).reshape(layer.layer.groups, -1, lanes)
        parts = [part.reshape(-1) for part in by_group.swapaxes(0, 1)]
        if _reorder_users(result, y, joined, np.concatenate(parts), outputs):
            place = result.index(layer)
            result[place : place + 1] = _split(layer, joined, parts)
    return result


def shuffled_channels(shuffle: ChannelShuffle) -> _Channels:
    """The input channel that each output channel is."""
    channels = shuffle.inputs[0].shape[1]
    return np.arange(channels).reshape(shuffle.groups, -1).T.reshape(-1)


def _reorder_users(
    layers: list[Layer], old: Tensor, new: Tensor, order: _Channels, outputs: set[str]
) -> bool:
    """Let all readers of a tensor read another one, whose channels are channels `order` of it.
    False, and nothing is changed, if one of them cannot."""
    users = [layer for layer in layers if old in layer.inputs]
    if old.name in outputs:
        return False
    dense = [user for user in users if isinstance(user, Convolution) and _is_dense(user, old)]
    if len(dense) < len(users):
        return False
    for user in dense:
        weights = np.ascontiguousarray(user.weights[:, order])
        layers[layers.index(user)] = dataclasses.replace(user, inputs=(new,), weights=weights)
    return True


def _is_dense(layer: Convolution, x: Tensor) -> bool:
    """It convolves all channels of images."""
    geometry = layer.layer
    whole = geometry.groups == 1 and geometry.in_channels == x.shape[1]
    return type(layer) is Convolution and whole and len(x.shape) > 2


def _is_wide(layer: Convolution, lanes: int) -> bool:
    geometry = layer.layer
    outputs = geometry.out_channels // geometry.groups
    wide = geometry.groups > 1 and outputs > lanes and outputs % lanes == 0
    return type(layer) is Convolution and wide and geometry.output is not OutputType.INT32


def _split(layer: Convolution, joined: Tensor, parts: Sequence[_Channels]) -> Iterator[Layer]:
    """Convolutions that make some output channels each, and what puts their results together."""
    assert layer.scale is not None
    pieces = []
    for index, part in enumerate(parts):
        shape = (joined.shape[0], len(part), *joined.shape[2:])
        piece = dataclasses.replace(joined, name=f"{joined.name}/{index}", shape=shape)
        yield dataclasses.replace(
            layer,
            name=f"{layer.name}/{index}",
            outputs=(piece,),
            layer=dataclasses.replace(layer.layer, out_channels=len(part)),
            weights=layer.weights[part],
            bias=layer.bias[part],
            scale=layer.scale[part],
        )
        pieces.append(piece)
    yield Concat(name=f"{layer.name}/reordered", inputs=tuple(pieces), outputs=(joined,), axis=1)
