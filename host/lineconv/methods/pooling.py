# SPDX-License-Identifier: Apache-2.0
"""Pooling as methods of an accelerator."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from lineconv.arguments import batched
from lineconv.errors import InvalidLayerError
from lineconv.graph.layers import AnyArray, AveragePool, GlobalAveragePool, MaxPool, Tensor
from lineconv.layer import (
    MAX_KERNEL_HEIGHT,
    MAX_KERNEL_WIDTH,
    MAX_STRIDE,
    PaddingLike,
    Pair,
    PairLike,
    as_kernel,
    as_pair,
    normalize_padding,
)
from lineconv.methods.runner import Runner, checked_tensor, tensor
from lineconv.packing import ceil_div

__all__ = ["PoolingMethods"]


class PoolingMethods(Runner):
    """Windows whose largest value or mean is taken, channel by channel."""

    def max_pool2d(
        self,
        x: npt.NDArray[Any],
        kernel_size: PairLike,
        stride: PairLike | None = None,
        padding: PaddingLike = 0,
        dilation: PairLike = 1,
        *,
        ceil_mode: bool = False,
    ) -> AnyArray:
        """The largest value of each window, as `torch.nn.functional.max_pool2d` has it.

        Args:
            x: int8 or uint8 (N, C, H, W) or (C, H, W).
            kernel_size: one number or (height, width), up to (16, 64).
            stride: one number or (height, width), 1..8; None is `kernel_size`, if that is allowed.
            padding: as for `conv2d`, less than what the kernel spans. It never is the largest.
            dilation: one number or (height, width).
            ceil_mode: the last windows may reach beyond the padding, but start before its end.

        Returns:
            Of the type of x, (N, C, H', W') or (C, H', W').

        Raises:
            InvalidTensorError, InvalidLayerError: an argument is not allowed, or the engine cannot
                compute the layer; nothing was run.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        x, single = batched("x", x, "N, C, H, W")
        fields, sizes = _window(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
        source = tensor("x", x.shape, x.dtype)
        result = tensor("y", (*x.shape[:2], *sizes), x.dtype)
        layer = MaxPool(name="max_pool2d", inputs=(source,), outputs=(result,), **fields)
        y = self._run_chain([layer], {"x": x})
        return y[0] if single else y

    def avg_pool2d(
        self,
        x: npt.NDArray[Any],
        kernel_size: PairLike,
        stride: PairLike | None = None,
        padding: PaddingLike = 0,
        *,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        x_scale: float = 1.0,
        x_zero_point: int = 0,
        y_scale: float | None = None,
        y_zero_point: int | None = None,
    ) -> AnyArray:
        """The mean of each window, as QLinearAveragePool of ONNX Runtime.

        y = saturate(round_half_even(mean / y_scale + y_zero_point)), where the mean is that of
        (x - x_zero_point) * x_scale, in float32. ONNX Runtime does not define the order of its
        sum. Where results depend on it there is an error, except with scales whose sums are never
        rounded, such as 1: leave the scales of x and y out if they are equal.

        Args:
            x: int8 or uint8 (N, C, H, W) or (C, H, W).
            kernel_size, stride, padding, ceil_mode: see `max_pool2d`.
            count_include_pad: padding counts as pixels that are `x_zero_point`, also what
                `ceil_mode` adds; else the mean is that of the pixels in the window.
            x_scale, y_scale: 2**-64..2**64; a `y_scale` of None is `x_scale`.
            x_zero_point, y_zero_point: in the range of x; a `y_zero_point` of None is
                `x_zero_point`.

        Returns:
            Of the type of x, (N, C, H', W') or (C, H', W').

        Raises:
            InvalidTensorError, InvalidLayerError: see `max_pool2d`.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        x, single = batched("x", x, "N, C, H, W")
        fields, sizes = _window(x.shape, kernel_size, stride, padding, 1, ceil_mode)
        source, result = _ends(x, sizes, (x_scale, x_zero_point), (y_scale, y_zero_point))
        layer = AveragePool(
            name="avg_pool2d", inputs=(source,), outputs=(result,),
            count_include_pad=count_include_pad, **fields,
        )  # fmt: skip
        y = self._run_chain([layer], {"x": x})
        return y[0] if single else y

    def global_avg_pool2d(
        self,
        x: npt.NDArray[Any],
        *,
        x_scale: float = 1.0,
        x_zero_point: int = 0,
        y_scale: float | None = None,
        y_zero_point: int | None = None,
    ) -> AnyArray:
        """The mean of each channel, as QLinearGlobalAveragePool of ONNX Runtime.

        y = saturate(round_half_even(fl32(sum(x - x_zero_point) * m)) + y_zero_point), with the
        float32 m = x_scale / y_scale / (H * W). In shape it is
        `torch.nn.functional.adaptive_avg_pool2d(x, 1)`.

        Args:
            x: int8 or uint8 (N, C, H, W) or (C, H, W).
            x_scale, x_zero_point, y_scale, y_zero_point: see `avg_pool2d`.

        Returns:
            Of the type of x, (N, C, 1, 1) or (C, 1, 1).

        Raises:
            InvalidTensorError, InvalidLayerError: see `max_pool2d`; H * W must be a product of up
                to 16 rows and 64 columns, and at most the words of the weight buffer.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        x, single = batched("x", x, "N, C, H, W")
        x = x.reshape(*x.shape[:2], *_as_kernel(x.shape[2], x.shape[3]))
        source, result = _ends(x, (1, 1), (x_scale, x_zero_point), (y_scale, y_zero_point))
        layer = GlobalAveragePool(name="global_avg_pool2d", inputs=(source,), outputs=(result,))
        y = self._run_chain([layer], {"x": x})
        return y[0] if single else y


def _ends(
    x: AnyArray,
    sizes: Pair,
    x_numbers: tuple[float, int],
    y_numbers: tuple[float | None, int | None],
) -> tuple[Tensor, Tensor]:
    """Input and output of a mean; None is the number of the input."""
    source = checked_tensor("x", x.shape, x.dtype, *x_numbers)
    y_scale, y_zero_point = y_numbers
    result = checked_tensor(
        "y", (*x.shape[:2], *sizes), x.dtype,
        source.scale if y_scale is None else y_scale,
        source.zero_point if y_zero_point is None else y_zero_point,
    )  # fmt: skip
    return source, result


def _as_kernel(height: int, width: int) -> Pair:
    """Height and width of an image with as many pixels that is no larger than a kernel can be.

    Raises:
        InvalidLayerError: there is none.
    """
    if height <= MAX_KERNEL_HEIGHT and width <= MAX_KERNEL_WIDTH:
        return height, width
    for rows in range(MAX_KERNEL_HEIGHT, 0, -1):
        columns, rest = divmod(height * width, rows)
        if not rest and columns <= MAX_KERNEL_WIDTH:
            return rows, columns
    raise InvalidLayerError(
        f"x must have as H * W a product of up to {MAX_KERNEL_HEIGHT} rows and "
        f"{MAX_KERNEL_WIDTH} columns, "
        f"got {height} x {width} pixels"
    )


def _window(
    shape: tuple[int, ...],
    kernel_size: PairLike,
    stride: PairLike | None,
    padding: PaddingLike,
    dilation: PairLike,
    ceil_mode: bool,
) -> tuple[dict[str, Any], Pair]:
    """Fields of a pool layer, and height and width of its result."""
    kernel = as_kernel("kernel_size", kernel_size)
    steps = as_pair("stride", kernel if stride is None else stride, 1, MAX_STRIDE)
    apart = as_pair("dilation", dilation, 1)
    pads = normalize_padding(padding, kernel, steps, apart, (shape[2], shape[3]))
    sizes = []
    for axis in (0, 1):
        span = apart[axis] * (kernel[axis] - 1) + 1
        size, (before, after) = shape[2 + axis], pads[axis]
        if max(before, after) >= span:
            raise InvalidLayerError(
                f"padding must be less than the {span} pixels that the kernel spans, got {padding}"
            )
        room = size + before + after - span
        if room < 0:
            raise InvalidLayerError(
                f"kernel_size {kernel[axis]} with dilation {apart[axis]} spans {span} pixels, "
                f"more than the padded input {room + span}"
            )
        count = (ceil_div(room, steps[axis]) if ceil_mode else room // steps[axis]) + 1
        # A window that would start beyond the image and the padding before it is left out.
        sizes.append(count - 1 if (count - 1) * steps[axis] >= size + before else count)
    fields = {"kernel": kernel, "stride": steps, "padding": pads, "dilation": apart}
    return fields, (sizes[0], sizes[1])
