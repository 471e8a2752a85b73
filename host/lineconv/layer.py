# SPDX-License-Identifier: Apache-2.0
"""What one convolution layer is: shapes, strides, padding and number formats.

`ConvLayer` holds canonical values only; the shorter forms that people write (one number for both
axes, 'same', ...) are turned into them here and nowhere else.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex, TypeAlias, TypeGuard

from lineconv.errors import InvalidLayerError
from lineconv.regs import OutputType, Overflow, Rounding

__all__ = [
    "MAX_KERNEL_HEIGHT",
    "MAX_KERNEL_WIDTH",
    "MAX_STRIDE",
    "ConvLayer",
    "OutputType",
    "Overflow",
    "Padding",
    "PaddingLike",
    "Pair",
    "PairLike",
    "Rounding",
    "as_clamp",
    "as_kernel",
    "as_number",
    "as_pair",
    "normalize_padding",
]

MAX_KERNEL_HEIGHT = 16
MAX_KERNEL_WIDTH = 64
MAX_STRIDE = 8

Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = tuple[Pair, Pair]
PairLike: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
PaddingLike: TypeAlias = (
    SupportsIndex
    | Sequence[SupportsIndex]
    | Sequence[Sequence[SupportsIndex]]
    | Literal["same", "valid"]
)

_OUTPUT_RANGES = {
    OutputType.INT8: (-128, 127),
    OutputType.UINT8: (0, 255),
    OutputType.INT32: (-(2**31), 2**31 - 1),
}


@dataclass(frozen=True)
class ConvLayer:
    """One 2-D convolution, in the terms of ONNX and PyTorch.

    Tensors are NCHW, weights OIHW. The input is int8 with `x_zero_point`; padding inserts that
    zero point. Scales are not part of the layer: they come with the weights.

    Attributes:
        kernel, stride, dilation: (height, width); kernels up to (16, 64), stride 1..8,
            dilation >= 1.
        padding: ((top, bottom), (left, right)) in input pixels, each >= 0.
        groups: divides both channel counts; `groups == in_channels` is depthwise.
        x_zero_point: -128..127.
        y_zero_point: in the range of `output`; 0 for INT32.
        clamp: (low, high) applied last, in the range of `output`; None for INT32.

    Raises:
        InvalidLayerError: a value is out of range or contradicts another.
    """

    in_channels: int
    out_channels: int
    in_height: int
    in_width: int
    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: Padding = ((0, 0), (0, 0))
    groups: int = 1
    x_zero_point: int = 0
    y_zero_point: int = 0
    output: OutputType = OutputType.INT8
    rounding: Rounding = Rounding.HALF_EVEN
    overflow: Overflow = Overflow.SATURATE
    clamp: Pair | None = None

    def __post_init__(self) -> None:
        # NumPy integers and lists are stored as plain ints and tuples, so that equal layers
        # compare, hash and print alike.
        for name in ("in_channels", "out_channels", "in_height", "in_width", "groups"):
            self._set(name, as_number(name, getattr(self, name), 1))
        self._set("kernel", as_kernel("kernel", self.kernel))
        self._set("stride", as_pair("stride", self.stride, 1, MAX_STRIDE))
        self._set("dilation", as_pair("dilation", self.dilation, 1))
        self._set("padding", _explicit_padding(self.padding))
        self._check_geometry()
        self._check_numbers()

    @classmethod
    def from_shapes(
        cls,
        x_shape: Sequence[int],
        w_shape: Sequence[int],
        *,
        stride: PairLike = 1,
        padding: PaddingLike = 0,
        dilation: PairLike = 1,
        groups: int = 1,
        x_zero_point: int = 0,
        y_zero_point: int = 0,
        output: OutputType = OutputType.INT8,
        rounding: Rounding = Rounding.HALF_EVEN,
        overflow: Overflow = Overflow.SATURATE,
        clamp: Pair | None = None,
    ) -> ConvLayer:
        """The layer that convolves x (N, C, H, W) with w (O, C / groups, kH, kW).

        `stride`, `padding` and `dilation` take every form that `as_pair` and
        `normalize_padding` know.

        Raises:
            InvalidLayerError: a value is not allowed, or the two shapes do not fit.
        """
        if len(x_shape) != 4:
            raise InvalidLayerError(f"x must have 4 axes (N, C, H, W), got shape {tuple(x_shape)}")
        if len(w_shape) != 4:
            raise InvalidLayerError(
                f"w must have 4 axes (O, C/groups, kH, kW), got shape {tuple(w_shape)}"
            )
        groups = as_number("groups", groups, 1)
        _, in_channels, in_height, in_width = x_shape
        out_channels, group_channels, *kernel = w_shape
        if in_channels != group_channels * groups:
            raise InvalidLayerError(
                f"x has {in_channels} channels but w expects {group_channels} in each of "
                f"{groups} group(s)"
            )
        kernel_pair = as_kernel("kernel", kernel)
        stride_pair = as_pair("stride", stride, 1, MAX_STRIDE)
        dilation_pair = as_pair("dilation", dilation, 1)
        return cls(
            in_channels=in_channels,
            out_channels=out_channels,
            in_height=in_height,
            in_width=in_width,
            kernel=kernel_pair,
            stride=stride_pair,
            dilation=dilation_pair,
            padding=normalize_padding(
                padding, kernel_pair, stride_pair, dilation_pair, (in_height, in_width)
            ),
            groups=groups,
            x_zero_point=x_zero_point,
            y_zero_point=y_zero_point,
            output=output,
            rounding=rounding,
            overflow=overflow,
            clamp=clamp,
        )

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(out_channels, in_channels / groups, kernel height, kernel width)."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel)

    @property
    def out_height(self) -> int:
        """Rows of the result."""
        return self._out_size(0, self.in_height)

    @property
    def out_width(self) -> int:
        """Columns of the result."""
        return self._out_size(1, self.in_width)

    @property
    def output_range(self) -> Pair:
        """Smallest and largest value of the output type."""
        return _OUTPUT_RANGES[self.output]

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image, those on padding included."""
        _, group_channels, kernel_height, kernel_width = self.weight_shape
        pixels = self.out_height * self.out_width
        return pixels * self.out_channels * group_channels * kernel_height * kernel_width

    def _out_size(self, axis: int, in_size: int) -> int:
        span = _kernel_span(self.kernel[axis], self.dilation[axis])
        return (in_size + sum(self.padding[axis]) - span) // self.stride[axis] + 1

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the way into a frozen dataclass

    def _check_geometry(self) -> None:
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise InvalidLayerError(
                    f"{name} must be divisible by groups={self.groups}, got {getattr(self, name)}"
                )
        sizes = (self.in_height, self.in_width)
        for axis, label in enumerate(("height", "width")):
            span = _kernel_span(self.kernel[axis], self.dilation[axis])
            padded = sizes[axis] + sum(self.padding[axis])
            if span > padded:
                raise InvalidLayerError(
                    f"kernel {label} {self.kernel[axis]} with dilation {self.dilation[axis]} "
                    f"spans {span} pixels, more than the padded input {label} {padded}"
                )

    def _check_numbers(self) -> None:
        for name, kind in (("output", OutputType), ("rounding", Rounding), ("overflow", Overflow)):
            if not isinstance(getattr(self, name), kind):
                allowed = ", ".join(f"{kind.__name__}.{member.name}" for member in kind)
                raise InvalidLayerError(
                    f"{name} must be one of {allowed}, got {getattr(self, name)!r}"
                )
        self._set("x_zero_point", as_number("x_zero_point", self.x_zero_point, -128, 127))
        low, high = self.output_range
        raw = self.output is OutputType.INT32
        if raw and (self.y_zero_point != 0 or self.clamp is not None):
            raise InvalidLayerError(
                "INT32 output needs y_zero_point=0 and clamp=None, got "
                f"y_zero_point={self.y_zero_point!r} and clamp={self.clamp!r}"
            )
        self._set("y_zero_point", as_number("y_zero_point", self.y_zero_point, low, high))
        if self.clamp is None:
            return
        self._set("clamp", as_clamp(self.clamp, low, high))


def as_number(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """An integer in low..high.

    Raises:
        InvalidLayerError: it is not; names `name`.
    """
    try:
        number = int(operator.index(value))
    except TypeError:
        raise InvalidLayerError(f"{name} must be an integer, got {value!r}") from None
    if (low is None or low <= number) and (high is None or number <= high):
        return number
    allowed = f"at least {low}" if high is None else f"in {low}..{high}"
    raise InvalidLayerError(f"{name} must be {allowed}, got {number}")


def as_pair(name: str, value: PairLike, low: int | None = None, high: int | None = None) -> Pair:
    """One integer for both axes, or a pair, as a pair of ints in low..high.

    Raises:
        InvalidLayerError: any other form, or a value outside low..high; names `name`.
    """
    values = value if _is_sequence(value) else (value, value)
    if len(values) != 2:
        raise InvalidLayerError(f"{name} must be an integer or a pair of integers, got {value!r}")
    return (as_number(name, values[0], low, high), as_number(name, values[1], low, high))


def as_clamp(value: Pair, low: int, high: int) -> Pair:
    """(smallest, largest) value of a result, both in low..high.

    Raises:
        InvalidLayerError: they are not, or the first is larger than the second.
    """
    clamp = as_pair("clamp", value, low, high)
    if clamp[0] > clamp[1]:
        raise InvalidLayerError(f"clamp must be (low, high) with low <= high, got {value}")
    return clamp


def normalize_padding(
    padding: PaddingLike, kernel: Pair, stride: Pair, dilation: Pair, in_size: Pair
) -> Padding:
    """Any way to write padding as ((top, bottom), (left, right)).

    `padding` is one integer for the four sides; a pair (vertical, horizontal); the full
    ((top, bottom), (left, right)); 'valid' for none; or 'same': ONNX SAME_UPPER, which gives
    ceil(in_size / stride) outputs and puts the odd pixel at the bottom and right.

    Raises:
        InvalidLayerError: any other form, or a negative value.
    """
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0), (0, 0))
        if padding == "same":
            top_bottom, left_right = (
                _same_padding(kernel[axis], stride[axis], dilation[axis], in_size[axis])
                for axis in range(2)
            )
            return (top_bottom, left_right)
        raise InvalidLayerError(f"padding must be 'same' or 'valid' if a string, got {padding!r}")
    return _explicit_padding(padding)


def as_kernel(name: str, value: PairLike) -> Pair:
    """Height and width of a kernel, given as `as_pair` takes them.

    Raises:
        InvalidLayerError: any other form, or a size that the engine does not have; names `name`.
    """
    height, width = as_pair(name, value)
    return (
        as_number(f"{name} height", height, 1, MAX_KERNEL_HEIGHT),
        as_number(f"{name} width", width, 1, MAX_KERNEL_WIDTH),
    )


def _explicit_padding(padding: Any) -> Padding:
    sides = padding if _is_sequence(padding) else (padding, padding)
    if len(sides) != 2:
        raise InvalidLayerError(
            "padding must be an integer, a pair, ((top, bottom), (left, right)), 'same' or "
            f"'valid', got {padding!r}"
        )
    return (as_pair("padding", sides[0], 0), as_pair("padding", sides[1], 0))


def _same_padding(kernel: int, stride: int, dilation: int, in_size: int) -> Pair:
    out_size = -(-in_size // stride)
    total = max((out_size - 1) * stride + _kernel_span(kernel, dilation) - in_size, 0)
    return (total // 2, total - total // 2)


def _kernel_span(kernel: int, dilation: int) -> int:
    """Input pixels from the first to the last tap, both included."""
    return dilation * (kernel - 1) + 1


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
