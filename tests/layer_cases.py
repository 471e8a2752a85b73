# SPDX-License-Identifier: Apache-2.0
"""Random calls of the layer methods, with what ONNX Runtime or plain NumPy say to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from qdq_builder import QdqBuilder

from lineconv.driver import Accelerator
from lineconv.errors import InvalidLayerError
from lineconv.onnx_session import run_tensors

AnyArray = npt.NDArray[Any]
Numbers = tuple[Any, AnyArray]  # scale and zero point

__all__ = ["CASES", "Call", "Draw", "quantised_node", "random_bytes"]


@dataclass(frozen=True)
class Call:
    """One call of a method, and its result.

    Attributes:
        refusal: what the error says if the engine may have no numbers for these; else empty.
    """

    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    expected: AnyArray
    refusal: str = ""

    def check(self, accelerator: Accelerator) -> bool:
        """Every bit, type and shape; False if it was refused."""
        try:
            y = getattr(accelerator, self.method)(*self.arguments, **self.options)
        except InvalidLayerError as error:
            if self.refusal and self.refusal in str(error):
                return False
            raise
        assert y.dtype == self.expected.dtype, self.options
        np.testing.assert_array_equal(y, self.expected, str(self.options))
        return True


class Draw:
    """Random arguments of one element type."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)

    def size(self, low: int, high: int) -> int:
        """low..high."""
        return int(self.rng.integers(low, high + 1))

    def pair(self, low: int, high: int) -> tuple[int, int]:
        return (self.size(low, high), self.size(low, high))

    def bytes(self, *shape: int, dtype: Any = None) -> AnyArray:
        return random_bytes(self.rng, shape, dtype or self.dtype)

    def image(self, most: int = 12, channels: int = 40) -> AnyArray:
        """(N, C, H, W), or (C, H, W)."""
        shape = (self.size(1, 3), self.size(1, channels), self.size(5, most), self.size(5, most))
        return self.bytes(*(shape[1:] if self.rng.random() < 0.3 else shape))

    def zero_point(self, dtype: Any = None) -> AnyArray:
        limits = np.iinfo(dtype or self.dtype)
        ends = [limits.min, limits.max, *self.rng.integers(limits.min, limits.max + 1, 4)]
        zero_point: AnyArray = np.asarray(self.rng.choice(ends), dtype or self.dtype)
        return zero_point

    def numbers(self, low: float = -5, high: float = -1) -> Numbers:
        """Scale and zero point."""
        return np.float32(np.exp(self.rng.uniform(low, high))), self.zero_point()

    def formats(self, channels: int, terms: int) -> dict[str, Any]:
        """Number formats of a layer with weights: raw accumulators now and then."""
        given: dict[str, Any] = {"x_zero_point": int(self.zero_point())}
        if self.rng.random() < 0.3:
            return given
        output = np.dtype(self.rng.choice(["int8", "uint8"]))
        spread = self.rng.uniform(20, 80, channels) / (74 * 74 * terms**0.5)
        return given | {
            "scale": spread.astype(np.float32) if self.rng.random() < 0.7 else float(spread[0]),
            "output_type": str(output),
            "y_zero_point": int(self.zero_point(output)),
        }


def random_bytes(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> AnyArray:
    """Half of them extremes, which overflow first."""
    limits = np.iinfo(dtype)
    values = rng.integers(limits.min, limits.max + 1, shape)
    extremes = rng.choice([limits.min, limits.max, limits.max // 2], shape)
    return np.where(rng.random(shape) < 0.5, values, extremes).astype(dtype)


def quantised(acc: AnyArray, given: dict[str, Any]) -> AnyArray:
    """Results of int64 accumulators (N, O, ...) in the formats of `Draw.formats`."""
    if "scale" not in given:
        return acc.astype(np.int32)
    dtype = np.dtype(given["output_type"])
    limits = np.iinfo(dtype)
    scale = np.asarray(given["scale"], np.float32)
    scale = scale.reshape(-1, *(1,) * (acc.ndim - 2)) if scale.ndim else scale
    real = np.rint(acc.astype(np.int32).astype(np.float32) * scale).astype(np.float64)
    clipped: AnyArray = np.clip(real + given["y_zero_point"], limits.min, limits.max)
    return clipped.astype(dtype)


# --- layers with weights, from their definitions ------------------------------------------------


def conv1d(draw: Draw) -> Call:
    groups = int(draw.rng.choice([1, 1, 2, 3]))
    in_group, out_group, kernel, length = (draw.size(*p) for p in ((1, 9), (1, 9), (1, 9), (9, 40)))
    stride, dilation, before, behind = (draw.size(*p) for p in ((1, 3), (1, 3), (0, 3), (0, 3)))
    before += max(0, dilation * (kernel - 1) + 1 - length)
    x = draw.bytes(draw.size(1, 3), groups * in_group, length)
    w = draw.bytes(groups * out_group, in_group, kernel, dtype=np.int8)
    bias = draw.rng.integers(-3000, 3000, len(w)).astype(np.int32)
    given = draw.formats(len(w), in_group * kernel)
    centred = np.pad(x.astype(np.int64) - given["x_zero_point"], ((0, 0), (0, 0), (before, behind)))
    count = (centred.shape[2] - dilation * (kernel - 1) - 1) // stride + 1
    acc = np.zeros((len(x), len(w), count), np.int64) + bias[:, None]
    for o, place in np.ndindex(len(w), count):
        first = o // out_group * in_group
        window = centred[:, first : first + in_group, place * stride :][:, :, ::dilation]
        acc[:, o, place] += (window[:, :, :kernel] * w[o]).sum((1, 2))
    options = {"stride": stride, "padding": (before, behind), "dilation": dilation}
    return _maybe_single("conv1d", x, (w, bias), options | {"groups": groups} | given, acc)


def conv_transpose2d(draw: Draw) -> Call:
    """Each pixel adds the weights to the result."""
    groups = int(draw.rng.choice([1, 1, 2]))
    in_group, out_group = draw.size(1, 6), draw.size(1, 6)
    kernel, stride, dilation = draw.pair(1, 5), draw.pair(1, 4), draw.pair(1, 3)
    x = draw.bytes(draw.size(1, 2), groups * in_group, *draw.pair(3, 7))
    w = draw.bytes(groups * in_group, out_group, *kernel, dtype=np.int8)
    bias = draw.rng.integers(-3000, 3000, groups * out_group).astype(np.int32)
    given = draw.formats(len(bias), in_group * 2)
    extra = tuple(draw.size(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True))
    less = (draw.pair(0, 2), draw.pair(0, 2))
    sizes = [
        (x.shape[2 + i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 + extra[i]
        for i in (0, 1)
    ]
    acc = np.zeros((len(x), len(bias), *sizes), np.int64) + bias[:, None, None]
    centred = x.astype(np.int64) - given["x_zero_point"]
    for group, ky, kx in np.ndindex(groups, *kernel):
        channels = slice(group * in_group, (group + 1) * in_group)
        outputs = slice(group * out_group, (group + 1) * out_group)
        part = np.einsum("nchw,co->nohw", centred[:, channels], w[channels, :, ky, kx].astype(int))
        top, left = ky * dilation[0], kx * dilation[1]
        rows = slice(top, top + (x.shape[2] - 1) * stride[0] + 1, stride[0])
        columns = slice(left, left + (x.shape[3] - 1) * stride[1] + 1, stride[1])
        acc[:, outputs, rows, columns] += part
    acc = acc[:, :, less[0][0] : sizes[0] - less[0][1], less[1][0] : sizes[1] - less[1][1]]
    if 0 in acc.shape:
        return conv_transpose2d(draw)
    options = {"stride": stride, "padding": less, "output_padding": extra, "dilation": dilation}
    return _maybe_single(
        "conv_transpose2d", x, (w, bias), options | {"groups": groups} | given, acc
    )


def linear(draw: Draw) -> Call:
    rows = [draw.size(1, 7) for _ in range(draw.size(0, 2))]
    terms = draw.size(1, int(draw.rng.choice([20, 700])))
    x, w = draw.bytes(*rows, terms), draw.bytes(draw.size(1, 30), terms, dtype=np.int8)
    bias = draw.rng.integers(-3000, 3000, len(w)).astype(np.int32)
    given = draw.formats(len(w), terms)
    acc = (x.astype(np.int64) - given["x_zero_point"]) @ w.T.astype(np.int64) + bias
    expected = quantised(acc.reshape(-1, len(w)), given).reshape(acc.shape)
    return Call("linear", (x, w, bias), given, expected)


def depthwise(draw: Draw) -> Call:
    """`conv2d` with a group for each channel."""
    channels, kernel, stride, pads = (
        draw.size(2, 70),
        draw.pair(1, 5),
        draw.pair(1, 2),
        draw.pair(0, 2),
    )
    x = draw.bytes(draw.size(1, 2), channels, draw.size(5, 11), draw.size(5, 11))
    w = draw.bytes(channels, 1, *kernel, dtype=np.int8)
    given = draw.formats(channels, int(np.prod(kernel)))
    centred = np.pad(
        x.astype(np.int64) - given["x_zero_point"],
        ((0, 0), (0, 0), (pads[0], pads[0]), (pads[1], pads[1])),
    )
    rows, columns = ((centred.shape[2 + i] - kernel[i]) // stride[i] + 1 for i in (0, 1))
    acc = np.zeros((len(x), channels, rows, columns), np.int64)
    for row, column in np.ndindex(rows, columns):
        top, left = row * stride[0], column * stride[1]
        window = centred[:, :, top : top + kernel[0], left : left + kernel[1]]
        acc[:, :, row, column] = (window * w[:, 0]).sum((2, 3))
    options = {"stride": stride, "padding": pads, "groups": channels}
    return _maybe_single("conv2d", x, (w,), options | given, acc)


def _maybe_single(
    method: str, x: AnyArray, more: tuple[Any, ...], options: dict[str, Any], acc: AnyArray
) -> Call:
    """Without the axis of images if there is one image."""
    expected = quantised(acc, options)
    if len(x) == 1:
        x, expected = x[0], expected[0]
    return Call(method, (x, *more), options, expected)


# --- layers that ONNX Runtime has for int8 ------------------------------------------------------


def max_pool2d(draw: Draw) -> Call:
    x = draw.image()
    options, attributes = _window(draw)
    dilation = [draw.size(1, 2) if k < 4 else 1 for k in options["kernel_size"]]
    options["dilation"] = attributes["dilations"] = dilation
    b = QdqBuilder(0, x.dtype.name)
    names = [b.input(_whole(x).shape)]
    model = b.finish(b.node("MaxPool", names, **attributes))
    return Call("max_pool2d", (x,), options, _run(model, names, [x]))


def avg_pool2d(draw: Draw) -> Call:
    """Powers of two as scales of x: their float32 sums are exact in every order."""
    x = draw.image()
    options, attributes = _window(draw)
    counted = draw.rng.random() < 0.5
    attributes["count_include_pad"] = int(counted)
    x_numbers = (np.float32(2.0 ** draw.size(-6, 0)), draw.zero_point())
    y_numbers = (np.float32(x_numbers[0] * draw.rng.uniform(0.3, 1.5)), draw.zero_point())
    expected = quantised_node("AveragePool", [(x, x_numbers)], y_numbers, **attributes)
    options |= {"count_include_pad": counted} | _options(x=x_numbers, y=y_numbers)
    return Call("avg_pool2d", (x,), options, expected, "no multiplier was found")


def global_avg_pool2d(draw: Draw) -> Call:
    x = draw.image(most=8)
    x_numbers = draw.numbers()
    y_numbers = (np.float32(x_numbers[0] * draw.rng.uniform(0.3, 1.5)), draw.zero_point())
    expected = quantised_node("GlobalAveragePool", [(x, x_numbers)], y_numbers)
    return Call("global_avg_pool2d", (x,), _options(x=x_numbers, y=y_numbers), expected)


def add(draw: Draw) -> Call:
    shape = tuple(draw.size(1, 9) for _ in range(draw.size(1, 5)))
    a, b = draw.bytes(*shape), draw.bytes(*shape)
    numbers = [draw.numbers(), draw.numbers()]
    scale = (numbers[0][0] + numbers[1][0]) * draw.rng.uniform(0.5, 1.5)
    y_numbers = (np.float32(scale), draw.zero_point())
    expected = quantised_node("Add", [(a, numbers[0]), (b, numbers[1])], y_numbers)
    options = _options(a=numbers[0], b=numbers[1], y=y_numbers)
    return Call("add", (a, b), options, expected, "no integer coefficients were found")


def concat(draw: Draw) -> Call:
    first = draw.image(channels=9)
    axis = -draw.size(1, 3)
    arrays, numbers = [first], [draw.numbers()]
    for _ in range(draw.size(0, 3)):
        shape = list(first.shape)
        shape[axis] = draw.size(1, 9)
        arrays.append(draw.bytes(*shape))
        numbers.append(draw.numbers() if draw.rng.random() < 0.7 else numbers[0])
    y_numbers = numbers[0] if draw.rng.random() < 0.5 else draw.numbers()
    parts = list(zip(arrays, numbers, strict=True))
    expected = quantised_node("Concat", parts, y_numbers, axis=axis)
    options = {
        "scales": [float(scale) for scale, _ in numbers],
        "zero_points": [int(zero_point) for _, zero_point in numbers],
    }
    return Call("concat", (arrays, axis), options | _options(y=y_numbers), expected)


def interpolate(draw: Draw) -> Call:
    x, factors = draw.image(), draw.pair(1, 3)
    b = QdqBuilder(0, x.dtype.name)
    names = [b.input(_whole(x).shape)]
    scales = b.constant(np.array([1, 1, *factors], np.float32))
    model = b.finish(
        b.node("Resize", [*names, "", scales], mode="nearest", nearest_mode="floor",
               coordinate_transformation_mode="asymmetric")
    )  # fmt: skip
    return Call("interpolate", (x, factors), {}, _run(model, names, [x]))


def table(draw: Draw) -> Call:
    x = draw.bytes(*(draw.size(1, 9) for _ in range(draw.size(0, 5))))
    entries = draw.bytes(256, dtype=str(draw.rng.choice(["int8", "uint8"])))
    expected = np.array(
        [entries[int(value) - np.iinfo(x.dtype).min] for value in x.flat], entries.dtype
    ).reshape(x.shape)
    return Call("table", (x, entries), {}, expected)


_FUNCTIONS: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
    ("requantize", "Identity", (), {}),
    ("leaky_relu", "LeakyRelu", (), {"alpha": 0.01}),
    ("leaky_relu", "LeakyRelu", (0.3,), {"alpha": 0.3}),
    ("hardsigmoid", "HardSigmoid", (), {"alpha": 1 / 6}),
    ("hardsigmoid", "HardSigmoid", (0.2, 0.4), {"alpha": 0.2, "beta": 0.4}),
    ("hardswish", "HardSwish", (), {}),
]


def function(draw: Draw) -> Call:
    method, op_type, arguments, attributes = _FUNCTIONS[draw.rng.integers(len(_FUNCTIONS))]
    every = np.arange(256).astype(np.uint8).view(draw.dtype).reshape(2, 1, 8, 16)
    x_numbers, y_numbers = draw.numbers(-4, -2), draw.numbers(-6, -3)
    expected = quantised_node(op_type, [(every, x_numbers)], y_numbers, **attributes)
    return Call(method, (every, *arguments), _options(x=x_numbers, y=y_numbers), expected)


def _window(draw: Draw) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of a pool, and attributes of the operator.

    Where windows start beyond the image in ceil_mode, ONNX Runtime leaves them out as PyTorch does.
    """
    kernel, stride = draw.pair(1, 4), draw.pair(1, 3)
    padding = [(draw.size(0, k // 2), draw.size(0, k // 2)) for k in kernel]
    ceil_mode = bool(draw.rng.random() < 0.5)
    (top, bottom), (left, right) = padding
    return (
        {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode},
        {"kernel_shape": kernel, "strides": stride, "pads": [top, left, bottom, right],
         "ceil_mode": int(ceil_mode)},
    )  # fmt: skip


def _options(**numbers: Numbers) -> dict[str, Any]:
    return {
        key: value
        for name, (scale, zero_point) in numbers.items()
        for key, value in (
            (f"{name}_scale", float(scale)), (f"{name}_zero_point", int(zero_point))
        )
    }  # fmt: skip


def quantised_node(
    op_type: str, inputs: list[tuple[AnyArray, Numbers]], y: Numbers, **attributes: Any
) -> AnyArray:
    """One operator between DequantizeLinear and QuantizeLinear."""
    arrays = [array for array, _ in inputs]
    b = QdqBuilder(0, arrays[0].dtype.name)
    rank = op_type in ("Add",)  # any shape
    names = [b.input(array.shape if rank else _whole(array).shape) for array in arrays]
    real = [b.dequantise(name, *numbers) for name, (_, numbers) in zip(names, inputs, strict=True)]
    model = b.finish(b.quantise(b.node(op_type, real, **attributes), *y))
    return _run(model, names, arrays, whole=not rank)


def _run(model: Any, names: list[str], arrays: list[AnyArray], *, whole: bool = True) -> AnyArray:
    feed = {
        name: _whole(array) if whole else array for name, array in zip(names, arrays, strict=True)
    }
    y: AnyArray
    (y,) = run_tensors(model, feed, [model.graph.output[0].name]).values()
    return y[0] if whole and arrays[0].ndim == 3 else y


def _whole(x: AnyArray) -> AnyArray:
    """With the axis of images."""
    return x[np.newaxis] if x.ndim == 3 else x


CASES: dict[str, Callable[[Draw], Call]] = {
    case.__name__: case
    for case in (
        conv1d, conv_transpose2d, linear, depthwise, max_pool2d, avg_pool2d, global_avg_pool2d,
        add, concat, interpolate, table, function,
    )
}  # fmt: skip
