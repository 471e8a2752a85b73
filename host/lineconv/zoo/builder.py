# SPDX-License-Identifier: Apache-2.0
"""Writes down a network layer by layer and gets an ONNX model.

A node, its output tensor and its weights share one name: the convolution `layer1.0.conv1` has the
parameters `layer1.0.conv1.weight` and `layer1.0.conv1.bias`. A node that is not named is called
after its input: `layer1.0.conv1.relu`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.errors import InvalidInputError
from lineconv.extras import require

__all__ = ["Builder", "Numbers", "Tensor"]

OPSET = 17
IR_VERSION = 8  # the one that goes with opset 17; older runtimes refuse newer ones

Numbers = int | tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """A value in the network: its name and shape, batch first, then channels."""

    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """Size of axis 1."""
        return self.shape[1]


class Builder:
    """A network in the making, with random weights.

    Weights are those of He et al. 2015: normal, variance `gain / fan_in`, which keeps the second
    moment of the activations through any number of ReLUs. Each output channel is scaled by a
    factor of its own and has a bias, as a BatchNorm leaves them that was folded into the layer.
    """

    def __init__(self, name: str, input_shape: tuple[int, ...], seed: int) -> None:
        if min(input_shape) < 1:
            raise InvalidInputError(f"{name}: input shape is {input_shape}, sizes must be >= 1")
        self._onnx = require("onnx", "onnx")
        self._name = name
        self._rng = np.random.default_rng(seed)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self.input = Tensor("input", input_shape)

    # --- layers with weights --------------------------------------------------------------------

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: Numbers,
        *,
        name: str,
        stride: Numbers = 1,
        padding: Numbers = 0,
        dilation: Numbers = 1,
        groups: int = 1,
        gain: float = 2.0,
    ) -> Tensor:
        """Convolution over all axes after the channels.

        `padding` is one number for all sides, or ONNX pads: all beginnings, then all ends. `gain`
        is 2 before a ReLU, 1 where no activation follows.
        """
        rank = len(x.shape) - 2
        kernel, stride, dilation = (_each(value, rank) for value in (kernel, stride, dilation))
        pads = _each(padding, 2 * rank)
        taps = math.prod(kernel) * (x.channels // groups)
        weight = self._weights((channels, x.channels // groups, *kernel), taps, gain, axis=0)
        size = self._window(name, x, kernel, stride, pads, dilation)
        return self._add(
            "Conv", [x], (x.shape[0], channels, *size), name,
            {"weight": weight, **self._bias(channels)},
            kernel_shape=kernel, strides=stride, pads=pads, dilations=dilation, group=groups,
        )  # fmt: skip

    def conv_transpose(
        self,
        x: Tensor,
        channels: int,
        kernel: int,
        *,
        name: str,
        stride: int = 1,
        padding: int = 0,
        gain: float = 2.0,
    ) -> Tensor:
        """Transposed convolution: `(size - 1) * stride - 2 * padding + kernel` outputs."""
        rank = len(x.shape) - 2
        size = tuple((n - 1) * stride - 2 * padding + kernel for n in x.shape[2:])
        # An output meets only every stride-th tap of an axis.
        taps = x.channels * max(kernel // stride, 1) ** rank
        weight = self._weights((x.channels, channels, *(kernel,) * rank), taps, gain, axis=1)
        return self._add(
            "ConvTranspose", [x], (x.shape[0], channels, *size), name,
            {"weight": weight, **self._bias(channels)}, kernel_shape=_each(kernel, rank),
            strides=_each(stride, rank), pads=_each(padding, 2 * rank),
        )  # fmt: skip

    def linear(self, x: Tensor, features: int, *, name: str, gain: float = 2.0) -> Tensor:
        """Fully connected layer on (N, C)."""
        weight = self._weights((features, x.channels), x.channels, gain, axis=0)
        constants = {"weight": weight, **self._bias(features)}
        return self._add("Gemm", [x], (x.shape[0], features), name, constants, transB=1)

    # --- layers without -------------------------------------------------------------------------

    def relu(self, x: Tensor) -> Tensor:
        """max(x, 0)."""
        return self._add("Relu", [x], x.shape)

    def relu6(self, x: Tensor) -> Tensor:
        """min(max(x, 0), 6)."""
        bounds = {"min": np.float32(0), "max": np.float32(6)}
        return self._add("Clip", [x], x.shape, None, bounds)

    def leaky_relu(self, x: Tensor, slope: float) -> Tensor:
        """x where positive, else slope * x."""
        return self._add("LeakyRelu", [x], x.shape, alpha=slope)

    def tanh(self, x: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        return self._add("Tanh", [x], x.shape)

    def max_pool(
        self, x: Tensor, kernel: int, *, stride: int, padding: Numbers = 0, ceil_mode: bool = False
    ) -> Tensor:
        """Maximum over windows; `ceil_mode` keeps a last window that sticks out, as Caffe does."""
        rank = len(x.shape) - 2
        kernels, strides, pads = _each(kernel, rank), _each(stride, rank), _each(padding, 2 * rank)
        size = self._window(f"{x.name}.max_pool", x, kernels, strides, pads, ceil_mode=ceil_mode)
        return self._add(
            "MaxPool", [x], (*x.shape[:2], *size),
            kernel_shape=kernels, strides=strides, pads=pads, ceil_mode=int(ceil_mode),
        )  # fmt: skip

    def global_average_pool(self, x: Tensor) -> Tensor:
        """Mean of each channel; the other axes keep size 1."""
        return self._add("GlobalAveragePool", [x], (*x.shape[:2], *(1,) * (len(x.shape) - 2)))

    def flatten(self, x: Tensor) -> Tensor:
        """(N, ...) to (N, C)."""
        return self._add("Flatten", [x], (x.shape[0], math.prod(x.shape[1:])), axis=1)

    def add(self, a: Tensor, b: Tensor, *, name: str) -> Tensor:
        """Sum of two tensors of one shape."""
        return self._add("Add", [a, b], a.shape, name)

    def concat(self, tensors: Sequence[Tensor], *, name: str) -> Tensor:
        """Join along the channels."""
        channels = sum(x.channels for x in tensors)
        shape = (tensors[0].shape[0], channels, *tensors[0].shape[2:])
        return self._add("Concat", tensors, shape, name, axis=1)

    def upsample(self, x: Tensor, factor: int, *, name: str) -> Tensor:
        """Repeat each pixel `factor` times along each axis."""
        rank = len(x.shape) - 2
        scales = np.array([1, 1, *(factor,) * rank], np.float32)
        return self._add(
            "Resize", [x], (*x.shape[:2], *(n * factor for n in x.shape[2:])), name,
            {"": None, "scales": scales}, mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip

    # --- the model ------------------------------------------------------------------------------

    def model(self, outputs: Sequence[Tensor]) -> Any:
        """The network as a checked `onnx.ModelProto`."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [self._value(self.input)],
            [self._value(x) for x in outputs],
            self._constants,
        )
        model = helper.make_model(
            graph,
            producer_name="lineconv.zoo",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        self._onnx.checker.check_model(model)
        return model

    def _value(self, x: Tensor) -> Any:
        float32 = self._onnx.TensorProto.FLOAT
        return self._onnx.helper.make_tensor_value_info(x.name, float32, x.shape)

    def _add(
        self,
        op_type: str,
        inputs: Sequence[Tensor],
        shape: tuple[int, ...],
        name: str | None = None,
        constants: dict[str, Any] | None = None,
        **attributes: Any,
    ) -> Tensor:
        """Append a node; its constants follow the inputs, an empty name leaves an input out."""
        name = name or f"{inputs[0].name}.{_SUFFIXES[op_type]}"
        names = [x.name for x in inputs]
        for suffix, value in (constants or {}).items():
            names.append(suffix and f"{name}.{suffix}")
            if suffix:
                tensor = self._onnx.numpy_helper.from_array(np.asarray(value), names[-1])
                self._constants.append(tensor)
        self._nodes.append(self._onnx.helper.make_node(op_type, names, [name], name, **attributes))
        return Tensor(name, shape)

    def _weights(
        self, shape: tuple[int, ...], taps: int, gain: float, axis: int
    ) -> npt.NDArray[np.float32]:
        """Normal weights; `axis` is that of the output channels."""
        weight = self._rng.standard_normal(shape, dtype=np.float32)
        factor = self._rng.uniform(0.5, 1.5, shape[axis]) * math.sqrt(gain / taps / (1 + 1 / 12))
        weight *= factor.astype(np.float32).reshape(
            [-1 if i == axis else 1 for i in range(len(shape))]
        )
        return weight

    def _bias(self, channels: int) -> dict[str, npt.NDArray[np.float32]]:
        return {"bias": self._rng.standard_normal(channels, dtype=np.float32) * np.float32(0.1)}

    @staticmethod
    def _window(
        name: str,
        x: Tensor,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        pads: tuple[int, ...],
        dilation: tuple[int, ...] | None = None,
        ceil_mode: bool = False,
    ) -> tuple[int, ...]:
        """Sizes behind a sliding window."""
        rank = len(kernel)
        extents = [d * (k - 1) + 1 for d, k in zip(dilation or (1,) * rank, kernel, strict=True)]
        steps = [n + pads[i] + pads[i + rank] - extents[i] for i, n in enumerate(x.shape[2:])]
        if min(steps) < 0:
            raise InvalidInputError(
                f"{name}: its input is {x.shape[2:]} and its kernel {tuple(extents)}; "
                "use a larger input size"
            )
        round_up = [s - 1 if ceil_mode else 0 for s in stride]
        return tuple((n + up) // s + 1 for n, up, s in zip(steps, round_up, stride, strict=True))


_SUFFIXES = {
    "Relu": "relu",
    "Clip": "relu6",
    "LeakyRelu": "leaky_relu",
    "Tanh": "tanh",
    "MaxPool": "max_pool",
    "GlobalAveragePool": "global_average_pool",
    "Flatten": "flatten",
}


def _each(value: Numbers, count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else value
