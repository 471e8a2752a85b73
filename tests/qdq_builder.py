# SPDX-License-Identifier: Apache-2.0
"""Writes small QDQ models with random scales and zero points."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import helper, numpy_helper

AnyArray = npt.NDArray[Any]
OPSET = 17


class QdqBuilder:
    """A model in the making; the generator decides about what is left open."""

    def __init__(self, seed: int, dtype: str = "int8") -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def _name(self) -> str:
        return f"t{len(self._nodes) + len(self._constants) + len(self._inputs)}"

    def constant(self, value: Any) -> str:
        name = self._name()
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def input(self, shape: tuple[int, ...], dtype: Any = None) -> str:
        name = self._name()
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype or self.dtype))
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def node(self, op_type: str, names: list[str], outputs: int = 1, **attributes: Any) -> str:
        """Name of the first output; the others have `.1`, `.2` behind it."""
        name = self._name()
        made = [name, *(f"{name}.{i}" for i in range(1, outputs))]
        self._nodes.append(helper.make_node(op_type, names, made, name, **attributes))
        return name

    def parameters(self) -> tuple[np.float32, AnyArray]:
        """A scale and a zero point, now and then one at the end of the range."""
        limits = np.iinfo(self.dtype)
        zero = self.rng.choice(
            [limits.min, limits.max, *self.rng.integers(limits.min, limits.max, 4)]
        )
        return np.float32(np.exp(self.rng.uniform(-5, -1))), np.asarray(zero, self.dtype)

    def dequantise(self, x: str, scale: Any, zero_point: Any, **attributes: Any) -> str:
        names = [x, self.constant(np.asarray(scale, np.float32)), self.constant(zero_point)]
        return self.node("DequantizeLinear", names, **attributes)

    def quantise(self, x: str, scale: Any, zero_point: Any) -> str:
        names = [x, self.constant(np.asarray(scale, np.float32)), self.constant(zero_point)]
        return self.node("QuantizeLinear", names)

    def real(self, shape: tuple[int, ...], parameters: Any = None) -> str:
        """A quantised input behind DequantizeLinear."""
        return self.dequantise(self.input(shape), *(parameters or self.parameters()))

    def real_constant(self, shape: tuple[int, ...], parameters: Any) -> str:
        return self.dequantise(self.constant(self.bytes(shape)), *parameters)

    def bytes(self, shape: tuple[int, ...], dtype: Any = None) -> AnyArray:
        limits = np.iinfo(dtype or self.dtype)
        return self.rng.integers(limits.min, limits.max + 1, shape).astype(limits.dtype)

    def weights(self, shape: tuple[int, ...], axis: int | None) -> tuple[str, AnyArray]:
        """int8 with a scale per channel of `axis`, or for all; name, and the scales."""
        scale = np.exp(self.rng.uniform(-6, -4, () if axis is None else shape[axis]))
        scale = scale.astype(np.float32)
        array = self.bytes(shape, np.int8)
        name = self.constant(array)
        attributes = {} if axis is None else {"axis": axis}
        return self.dequantise(name, scale, np.zeros(scale.shape, np.int8), **attributes), scale

    def finish(self, output: str, *more: str) -> Any:
        """The model; types and shapes of the outputs are left to inference."""
        outputs = [helper.make_empty_tensor_value_info(name) for name in (output, *more)]
        graph = helper.make_graph(self._nodes, "small", self._inputs, outputs, self._constants)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=8)
