# SPDX-License-Identifier: Apache-2.0
"""Random QDQ models of one operator each. `QdqBuilder` brings seed, scales and zero points."""

from __future__ import annotations

from typing import Any

import numpy as np
from qdq_builder import QdqBuilder

INT32 = np.int32


def sizes(b: QdqBuilder, low: int, high: int, count: int) -> list[int]:
    return [int(n) for n in b.rng.integers(low, high, count)]


def with_bias(b: QdqBuilder, names: list[str], channels: int, scale: Any) -> list[str]:
    """Names of inputs, and maybe an int32 bias with the scale of the accumulator."""
    if b.rng.random() < 0.3:
        return names
    if b.rng.random() < 0.2:  # ONNX Runtime quantises it
        return [*names, b.constant(b.rng.standard_normal(channels, np.float32))]
    bias = b.constant(b.rng.integers(-2000, 2000, channels).astype(INT32))
    along = {"axis": 0} if scale.ndim else {}
    return [*names, b.dequantise(bias, scale, np.zeros(scale.shape, INT32), **along)]


def spread(b: QdqBuilder, y: str, accumulator: Any, terms: int) -> str:
    """Quantised so that most results do not saturate."""
    return b.quantise(y, float(np.mean(accumulator)) * 60 * terms**0.5, b.parameters()[1])


def conv(b: QdqBuilder) -> Any:
    axes, groups = int(b.rng.integers(1, 3)), int(b.rng.choice([1, 1, 2, 3]))
    channels, results = (groups * n for n in sizes(b, 1, 6, 2))
    kernel, strides, pads = (
        sizes(b, *args) for args in ((1, 5, axes), (1, 4, axes), (0, 3, 2 * axes))
    )
    parameters = b.parameters()
    x = b.real((int(b.rng.integers(1, 3)), channels, *sizes(b, 9, 14, axes)), parameters)
    shape = (results, channels // groups, *kernel)
    w, w_scale = b.weights(shape, 0 if b.rng.random() < 0.5 else None)
    scale = parameters[0] * w_scale
    names = with_bias(b, [x, w], results, scale)
    where: dict[str, Any] = {"pads": pads}
    if b.rng.random() < 0.3:
        strides = [min(pair) for pair in zip(strides, kernel, strict=True)]
        where = {"auto_pad": str(b.rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))}
    y = b.node(
        "Conv", names, kernel_shape=kernel, strides=strides, group=groups,
        dilations=sizes(b, 1, 3, axes) if "pads" in where else [1] * axes, **where,
    )  # fmt: skip
    return b.finish(spread(b, y, scale, int(np.prod(shape[1:]))))


def conv_transpose(b: QdqBuilder) -> Any:
    axes, groups = int(b.rng.integers(1, 3)), int(b.rng.choice([1, 1, 2]))
    channels, results = (groups * n for n in sizes(b, 1, 6, 2))
    kernel, strides, dilations = (sizes(b, 1, n, axes) for n in (5, 4, 3))
    pads = [
        min(n, d * (k - 1))
        for n, d, k in zip(sizes(b, 0, 3, 2 * axes), dilations * 2, kernel * 2, strict=True)
    ]
    extra = [int(b.rng.integers(0, s)) for s in strides]
    parameters = b.parameters()
    x = b.real((2, channels, *sizes(b, 2, 8, axes)), parameters)
    per_channel = b.rng.random() < 0.5
    w, w_scale = b.weights((channels, results // groups, *kernel), 1 if per_channel else None)
    scale = parameters[0] * (np.tile(w_scale, groups) if per_channel else w_scale)
    y = b.node(
        "ConvTranspose", with_bias(b, [x, w], results, scale), kernel_shape=kernel, pads=pads,
        strides=strides, dilations=dilations, output_padding=extra, group=groups,
    )  # fmt: skip
    return b.finish(spread(b, y, scale, channels * 2))


def conv_relu(b: QdqBuilder) -> Any:
    """ReLU that saturation does not replace: ONNX Runtime convolves in float32."""
    parameters = b.parameters()
    x = b.real((1, 5, 9, 7), parameters)
    w, w_scale = b.weights((6, 5, 3, 3), 0)
    y = b.node("Relu", [b.node("Conv", [x, w])])
    scale = float(parameters[0] * w_scale.mean()) * 400
    return b.finish(b.quantise(y, scale, np.asarray(np.iinfo(b.dtype).max - 90, b.dtype)))


def gemm(b: QdqBuilder) -> Any:
    (rows, terms, results), turned = sizes(b, 1, 40, 3), int(b.rng.integers(2))
    parameters = b.parameters()
    x = b.real((rows, terms), parameters)
    shape = (results, terms) if turned else (terms, results)
    w, w_scale = b.weights(shape, None if b.rng.random() < 0.5 else 1 - turned)
    names = with_bias(b, [x, w], results, parameters[0] * w_scale)
    return b.finish(spread(b, b.node("Gemm", names, transB=turned), parameters[0] * w_scale, terms))


def mat_mul(b: QdqBuilder) -> Any:
    terms, results, *rows = sizes(b, 1, 30, int(b.rng.integers(3, 5)))
    parameters = b.parameters()
    x = b.real((*rows, terms), parameters)
    w, w_scale = b.weights((terms, results), 1 if b.rng.random() < 0.5 else None)
    return b.finish(spread(b, b.node("MatMul", [x, w]), parameters[0] * w_scale, terms))


def _pool(b: QdqBuilder, op_type: str, **given: Any) -> Any:
    axes = int(b.rng.integers(1, 3))
    kernel, strides = sizes(b, 1, 5, axes), sizes(b, 1, 4, axes)
    automatic = str(b.rng.choice(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if automatic != "NOTSET":  # ONNX Runtime pads by less than nothing if strides skip pixels
        strides = [min(pair) for pair in zip(strides, kernel, strict=True)]
    else:
        given |= {"pads": [int(b.rng.integers(0, k)) for k in kernel * 2]}
        # Sizes so that no window of ceil_mode lies outside; onnx and ONNX Runtime disagree there.
        given |= {"ceil_mode": int(max(strides) <= min(kernel) and not any(given["pads"]))}
    parameters = b.parameters()
    x = b.real((2, int(b.rng.integers(1, 5)), *sizes(b, 8, 14, axes)), parameters)
    y = b.node(op_type, [x], kernel_shape=kernel, strides=strides, auto_pad=automatic, **given)
    return b.finish(b.quantise(y, *(parameters if b.rng.random() < 0.5 else b.parameters())))


def max_pool(b: QdqBuilder) -> Any:
    return _pool(b, "MaxPool")


def average_pool(b: QdqBuilder) -> Any:
    return _pool(b, "AveragePool", count_include_pad=int(b.rng.integers(2)))


def global_average_pool(b: QdqBuilder) -> Any:
    scale, zero_point = b.parameters()
    x = b.real((2, int(b.rng.integers(1, 9)), *sizes(b, 1, 9, 2)), (scale, zero_point))
    y = b.node("GlobalAveragePool", [x])
    return b.finish(b.quantise(y, scale * b.rng.uniform(0.3, 1), b.parameters()[1]))


def _binary(b: QdqBuilder, op_type: str) -> Any:
    """Equal shapes, a value per channel, per column or for all; either side may be constant."""
    full = (2, 3, *sizes(b, 1, 20, 2))
    other = [full, (1, 3, 1, 1), (1,), full[-1:]][b.rng.integers(4)]
    first, second = b.parameters(), b.parameters()
    constant = b.rng.random() < 0.3
    names = [b.real(full, first)]
    names.append(b.real_constant(other, second) if constant else b.real(other, second))
    y = b.node(op_type, names if b.rng.random() < 0.5 else names[::-1])
    scale = first[0] + second[0] if op_type == "Add" else first[0] * second[0] * 60
    return b.finish(b.quantise(y, scale * b.rng.uniform(0.5, 1.5), b.parameters()[1]))


def add(b: QdqBuilder) -> Any:
    return _binary(b, "Add")


def mul(b: QdqBuilder) -> Any:
    return _binary(b, "Mul")


def concat(b: QdqBuilder) -> Any:
    parameters = [b.parameters() for _ in range(3)]
    names = [b.real((1, int(b.rng.integers(1, 5)), 3, 5), p) for p in parameters[:2]]
    names.append(b.real_constant((1, 2, 3, 5), parameters[2]))
    return b.finish(b.quantise(b.node("Concat", names, axis=1), *parameters[0]))


FUNCTIONS: list[tuple[str, dict[str, Any]]] = [
    *(("Relu", {}), ("LeakyRelu", {"alpha": 0.1}), ("HardSwish", {}), ("HardSigmoid", {})),
    *(("Sigmoid", {}), ("Tanh", {}), ("Elu", {}), ("Softplus", {}), ("Abs", {}), ("Erf", {})),
]


def function(b: QdqBuilder) -> Any:
    """One element; now and then multiplied by its own argument, as SiLU is."""
    op_type, given = FUNCTIONS[b.rng.integers(len(FUNCTIONS))]
    shape = tuple(sizes(b, 1, 12, int(b.rng.integers(1, 5))))
    x = b.real(shape, (np.float32(b.rng.uniform(0.01, 0.1)), b.parameters()[1]))
    y = b.node(op_type, [x], **given)
    if b.rng.random() < 0.3:
        y = b.node("Mul", [x, y])
    return b.finish(b.quantise(y, b.rng.uniform(0.005, 0.03), b.parameters()[1]))


def clip(b: QdqBuilder) -> Any:
    low, high = sorted(b.rng.uniform(-3, 3, 2).astype(np.float32))
    y = b.node("Clip", [b.real((1, 3, 5, 7)), b.constant(low), b.constant(high)])
    return b.finish(b.quantise(y, *b.parameters()))


def host(b: QdqBuilder) -> Any:
    x = b.real((1, 8, 6, 4))
    vectors = [b.constant(b.rng.uniform(0.5, 1, 8).astype(np.float32)) for _ in range(4)]
    y = [
        lambda: b.node("Softmax", [x], axis=1),
        lambda: b.node("LRN", [x], size=3),
        lambda: b.node("BatchNormalization", [x, *vectors]),
        lambda: b.node("Sub", [x, b.real((1, 8, 1, 1))]),
        lambda: b.node("ReduceMean", [x], axes=[2, 3]),
    ][b.rng.integers(5)]()
    if b.rng.random() < 0.3:
        return b.finish(b.node("Softmax", [y], axis=-1))
    return b.finish(b.quantise(y, 1 / 256, b.parameters()[1]))


def conv_integer(b: QdqBuilder) -> Any:
    w, zero_point = b.constant(b.bytes((6, 2, 3, 2), np.int8)), b.constant(np.int8(0))
    names = [b.input((2, 4, 9, 7)), w, b.constant(b.parameters()[1]), zero_point]
    return b.finish(b.node("ConvInteger", names, group=2, strides=[1, 2], pads=[1, 0, 2, 1]))


def mat_mul_integer(b: QdqBuilder) -> Any:
    w, zero_point = b.constant(b.bytes((7, 5), np.int8)), b.constant(np.int8(0))
    names = [b.input((3, 7)), w, b.constant(b.parameters()[1]), zero_point]
    return b.finish(b.node("MatMulInteger", names))
