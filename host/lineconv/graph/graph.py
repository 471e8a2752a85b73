# SPDX-License-Identifier: Apache-2.0
"""A network as a list of layers, and its execution in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lineconv.errors import InvalidTensorError
from lineconv.graph.execute import run_layer
from lineconv.graph.layers import AnyArray, Layer, Tensor

__all__ = ["Graph"]


@dataclass(frozen=True, eq=False)
class Graph:
    """Layers in an order in which they can run.

    Attributes:
        inputs, outputs: as in the ONNX model.
        constants: tensors that no layer makes, by name.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    constants: Mapping[str, AnyArray] = field(default_factory=dict)

    def run(self, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        """The outputs by name.

        Args:
            inputs: one array for each input, by name, of its shape and type.

        Raises:
            InvalidTensorError: names, shapes, types or values do not fit.
            InvalidInputError: a host layer needs ONNX Runtime, which is not installed.
        """
        self._check(inputs)
        uses = {tensor.name: 1 for tensor in self.outputs}
        for layer in self.layers:
            for tensor in layer.inputs:
                uses[tensor.name] = uses.get(tensor.name, 0) + 1
        values = {**self.constants, **inputs}
        for layer in self.layers:
            values.update(run_layer(layer, values))
            for tensor in layer.inputs:  # memory of large networks
                uses[tensor.name] -= 1
                if not uses[tensor.name]:
                    values.pop(tensor.name)
        return {tensor.name: values[tensor.name] for tensor in self.outputs}

    def _check(self, inputs: Mapping[str, AnyArray]) -> None:
        wanted = {tensor.name for tensor in self.inputs}
        if set(inputs) != wanted:
            raise InvalidTensorError(f"inputs must be {sorted(wanted)}, got {sorted(inputs)}")
        for tensor in self.inputs:
            array = inputs[tensor.name]
            if not isinstance(array, np.ndarray) or array.dtype != tensor.dtype:
                got = getattr(array, "dtype", type(array).__name__)
                raise InvalidTensorError(
                    f"input {tensor.name!r} must be a NumPy array of {tensor.dtype}, got {got}"
                )
            if array.shape != tensor.shape:
                raise InvalidTensorError(
                    f"input {tensor.name!r} must have shape {tensor.shape}, got {array.shape}"
                )
            if not np.isfinite(array).all():
                raise InvalidTensorError(f"input {tensor.name!r} must be finite")
