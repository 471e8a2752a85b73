# SPDX-License-Identifier: Apache-2.0
"""The bytes of a network: descriptors, weight streams and constants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lineconv.bus import ByteArray
from lineconv.compiler.operation import Operation
from lineconv.compiler.placement import align
from lineconv.presets import Array
from lineconv.program import TileAddresses, descriptor
from lineconv.regs import Kind
from lineconv.streams import tile_stream
from lineconv.tiling import Tiling

__all__ = ["Image", "descriptors", "stream_offsets"]


class Image:
    """What is loaded, in the making.

    Attributes:
        nbytes: so far.
    """

    def __init__(self, nbytes: int) -> None:
        """Begin with so many bytes for programs."""
        self.nbytes = align(nbytes)
        self._parts: list[tuple[int, ByteArray]] = []
        self._shared: dict[bytes, int] = {}

    def append(self, content: ByteArray) -> int:
        """The offset of bytes that the engine may change."""
        offset = self.nbytes
        self._parts.append((offset, content))
        self.nbytes = align(offset + content.size)
        return offset

    def share(self, content: ByteArray) -> int:
        """The offset of bytes that nobody changes, so that equal ones are there once."""
        key = hashlib.sha256(content.data).digest()
        if key not in self._shared:
            self._shared[key] = self.append(content)
        return self._shared[key]

    def array(self) -> ByteArray:
        """All of it."""
        result = np.zeros(self.nbytes, np.uint8)
        for offset, content in self._parts:
            result[offset : offset + content.size] = content
        return result


def stream_offsets(operation: Operation, tiling: Tiling, array: Array, image: Image) -> list[int]:
    """Where the weight stream of each tile lies; adds them to the image."""
    known: dict[tuple[range, ...], int] = {}
    offsets = []
    for tile in tiling.tiles:
        key = (tile.in_channels, tile.out_channels, tile.kernel_rows, tile.kernel_columns)
        if key not in known:
            stream = tile_stream(
                tile, operation.layer, operation.weights, operation.bias, operation.scale, array,
                operation.table,
            )  # fmt: skip
            known[key] = image.share(stream)
        offsets.append(known[key])
    return offsets


def descriptors(
    operation: Operation, tiling: Tiling, streams: Sequence[int]
) -> Iterator[npt.NDArray[np.void]]:
    """In the order of the program, image by image; the views have their final offsets."""
    source, *more = operation.inputs
    output = operation.output
    for image in range(output.batch):
        for tile, stream in zip(tiling.tiles, streams, strict=True):
            addresses = TileAddresses(
                image=source.offset + image * source.image_stride,
                image_row=source.row_stride,
                weights=stream,
                result=output.offset + image * output.image_stride,
                result_row=output.row_stride,
                second_image=more[0].offset + image * more[0].image_stride
                if operation.kind is Kind.ADD
                else 0,
            )
            yield descriptor(tile, tiling, addresses, input_unsigned=operation.unsigned)
