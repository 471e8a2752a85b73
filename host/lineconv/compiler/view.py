# SPDX-License-Identifier: Apache-2.0
"""Where an activation tensor, or a part of one, lies in the device's memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from lineconv import packing
from lineconv.bus import ByteArray

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """NHWC elements at fixed distances; strides and offset count bytes.

    A whole tensor is dense: pixels side by side, rows a whole number of beats apart. Parts of it
    (channels, rows, columns, every s-th of them) are views with the strides of the whole, so that
    layers read and write them in place.

    Attributes:
        buffer: name of the memory that it lies in.
        offset: from the start of the buffer to channel 0 of column 0 of row 0 of image 0; in a
            `Network`, from the start of its block.
        dtype: int8, uint8 or int32.
    """

    buffer: str
    offset: int
    batch: int
    height: int
    width: int
    channels: int
    image_stride: int
    row_stride: int
    pixel_stride: int
    dtype: np.dtype[Any]

    @classmethod
    def dense(
        cls,
        buffer: str,
        shape: tuple[int, int, int, int],
        dtype: npt.DTypeLike,
        beat_bytes: int,
    ) -> View:
        """A whole tensor of that shape (batch, height, width, channels)."""
        batch, height, width, channels = shape
        element = np.dtype(dtype)
        pixel = channels * element.itemsize
        row = packing.row_stride(width * pixel, beat_bytes)
        return cls(
            buffer, 0, batch, height, width, channels, height * row, row, pixel, element
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, height, width, channels)."""
        return (self.batch, self.height, self.width, self.channels)

    @property
    def pixels(self) -> int:
        """How many there are in all images."""
        return self.batch * self.height * self.width

    @property
    def strides(self) -> tuple[int, int, int]:
        """(image, row, pixel)."""
        return (self.image_stride, self.row_stride, self.pixel_stride)

    @property
    def adjacent(self) -> bool:
        """Nothing lies between the pixels of a row."""
        return self.pixel_stride == self.channels * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """From its first byte to behind its last one."""
        counts = (self.batch, self.height, self.width)
        steps = zip(counts, self.strides, strict=True)
        last = sum((count - 1) * stride for count, stride in steps)
        return last + self.channels * self.dtype.itemsize

    # --- parts ----------------------------------------------------------------------------------

    def channel_part(self, part: range) -> View:
        """Consecutive channels."""
        assert part.step == 1, part
        offset = self.offset + part.start * self.dtype.itemsize
        return replace(self, offset=offset, channels=len(part))

    def spatial_part(self, rows: range, columns: range) -> View:
        """Rows and columns at distances of 1 (a crop) or more (a phase)."""
        assert min(rows.step, columns.step) > 0, (rows, columns)
        return replace(
            self,
            offset=self.offset
            + rows.start * self.row_stride
            + columns.start * self.pixel_stride,
            height=len(rows),
            width=len(columns),
            row_stride=self.row_stride * rows.step,
            pixel_stride=self.pixel_stride * columns.step,
        )  # fmt: skip

    def image_part(self, part: range) -> View:
        """Images at distances of 1 or more."""
        offset = self.offset + part.start * self.image_stride
        stride = self.image_stride * part.step
        return replace(self, offset=offset, batch=len(part), image_stride=stride)

    # --- the same bytes, seen otherwise ---------------------------------------------------------

    def stacked(self) -> View | None:
        """All images as one, below each other; None if they lie too far apart for that."""
        if self.batch == 1:
            return self
        if self.height == 1:
            step = self.image_stride
        elif self.image_stride == self.height * self.row_stride:
            step = self.row_stride
        else:
            return None
        height = self.batch * self.height
        return replace(self, batch=1, height=height, row_stride=step, image_stride=height * step)

    def as_images(self, batch: int) -> View | None:
        """The pixels in so many images; None if no strides describe that."""
        if batch == self.batch:
            return self
        height, rest = divmod(self.height, batch)
        if self.batch > 1 or rest:
            return None
        return replace(self, batch=batch, height=height, image_stride=height * self.row_stride)

    def with_rows(self, height: int, beat_bytes: int) -> View | None:
        """The pixels of each image in so many rows; None if no strides describe that."""
        width, rest = divmod(self.height * self.width, height)
        if rest:
            return None
        if height == self.height:
            return self
        if self.height == 1 or self.row_stride == self.width * self.pixel_stride:
            step = self.pixel_stride
        elif self.width == 1:
            step = self.row_stride
        else:
            return None
        if height > 1 and width * step % beat_bytes:
            return None
        row = packing.row_stride(width * step, beat_bytes)
        return replace(self, height=height, width=width, row_stride=row, pixel_stride=step)

    def merged(self, pixels: int) -> View:
        """So many pixels of a row as one with all their channels; they must be adjacent."""
        assert self.adjacent or pixels == 1, self
        assert self.width % pixels == 0, (self, pixels)
        return replace(
            self,
            width=self.width // pixels,
            channels=self.channels * pixels,
            pixel_stride=self.pixel_stride * pixels,
        )

    # --- the bytes ------------------------------------------------------------------------------

    def array(self, memory: ByteArray) -> npt.NDArray[Any]:
        """The elements (batch, height, width, channels) in the memory that `offset` counts in.

        Writing to it writes to the memory.
        """
        part = memory[self.offset : self.offset + self.nbytes]
        assert part.size == self.nbytes, (self, memory.size)
        # A view of bytes of the elements' type needs a whole number of them.
        elements: npt.NDArray[Any] = np.ndarray((1,), self.dtype, part.data)
        return as_strided(elements, self.shape, (*self.strides, self.dtype.itemsize))
