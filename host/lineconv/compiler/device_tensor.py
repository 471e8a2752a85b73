# SPDX-License-Identifier: Apache-2.0
"""Tensors of a graph in the device's memory, and the way in and out for the host."""

from __future__ import annotations

from dataclasses import dataclass

from lineconv import packing
from lineconv.bus import ByteArray
from lineconv.compiler.view import View
from lineconv.graph.layers import AnyArray, Tensor

__all__ = ["DeviceTensor"]


@dataclass(frozen=True)
class DeviceTensor:
    """A tensor, and where its elements lie.

    In the order of the ONNX axes the elements are (outer, channels, inner); in memory each pixel
    has its channels side by side: (outer, inner, channels), where outer x inner are the pixels
    of the view, in order. For (N, C, H, W) `outer` is N; for a tensor whose last axis holds the
    channels, such as the input of a matrix product, it is all pixels. So reshaping never moves a
    byte.

    Attributes:
        tensor: shape and type.
        view: where it lies.
        outer: see above; divides the pixels of the view.
    """

    tensor: Tensor
    view: View
    outer: int

    @property
    def inner(self) -> int:
        """Pixels that follow each other before the channel changes, in the order of ONNX."""
        return self.view.pixels // self.outer

    def write(self, array: AnyArray, memory: ByteArray) -> None:
        """Put the values of the tensor, shaped as it is, into memory."""
        channels = self.view.channels
        pixels = self.view.array(memory)
        if self.outer == self.view.batch and self.view.dtype.itemsize == 1:
            planes = array.reshape(self.outer, channels, self.view.height, self.view.width)
            packing.interleave(planes, pixels.view("u1"))
            return
        by_pixel = array.reshape(self.outer, channels, self.inner).swapaxes(1, 2)
        pixels[...] = by_pixel.reshape(self.view.shape)

    def read(self, memory: ByteArray) -> AnyArray:
        """The values of the tensor, shaped as it is; a copy."""
        by_pixel = self.view.array(memory).reshape(self.outer, self.inner, self.view.channels)
        return by_pixel.swapaxes(1, 2).reshape(self.tensor.shape).copy()
