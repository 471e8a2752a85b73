# SPDX-License-Identifier: Apache-2.0
"""Tensors in memory as the images that a layer with a window sees."""

from __future__ import annotations

from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.lowering import HostOnlyError, Lowering
from lineconv.compiler.memory import Shape, default_shape
from lineconv.compiler.view import View
from lineconv.graph.layers import Tensor

__all__ = ["OTHER_ORDER", "read_images", "view_images", "window"]

OTHER_ORDER = "its input has its bytes in another order in memory"


def read_images(ctx: Lowering, tensor: Tensor) -> View:
    """A tensor (N, C, H, W) or (N, C, W) as images.

    Raises:
        HostOnlyError: its bytes are in another order.
    """
    shape = default_shape(tensor.shape)
    return view_images(ctx, ctx.memory.read(tensor, shape), shape)


def view_images(ctx: Lowering, x: DeviceTensor, shape: Shape) -> View:
    """The same for a shape (batch, height, width, channels) that the layer names."""
    batch, height, width, channels = shape
    view = x.view.as_images(batch) if x.outer == batch else None
    view = view and view.with_rows(height, ctx.array.beat_bytes)
    if view is None or view.shape != (batch, height, width, channels):
        raise HostOnlyError(OTHER_ORDER)
    return view


def window(
    outputs: range, size: int, span: int, stride: int, before: int
) -> tuple[range, tuple[int, int]]:
    """The pixels along an axis that the windows of some outputs meet, and the padding on the two
    sides of those; of outputs which read nothing else, no pixels.

    Args:
        outputs: consecutive.
        size: of the axis.
        span: pixels under a window.
        stride: from one window to the next.
        before: padding of the whole axis.
    """
    first = outputs.start * stride - before
    last = (outputs.stop - 1) * stride - before + span
    pixels = range(min(max(first, 0), size), max(min(last, size), 0))
    return pixels, (pixels.start - first, last - pixels.stop)
