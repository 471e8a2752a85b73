# SPDX-License-Identifier: Apache-2.0
"""What the layer methods need of an accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.arguments import as_scale, as_zero_point
from lineconv.control import Progress
from lineconv.graph import Graph
from lineconv.graph.layers import AnyArray, Layer, Tensor
from lineconv.operands import Operands
from lineconv.presets import Array

__all__ = ["Runner", "checked_tensor", "tensor"]


class Runner:
    """Runs layers. No ABC, as on a board pynq brings a metaclass of its own."""

    array: Array

    def run_layers(
        self, layers: Sequence[Operands], *, progress: Progress | None = None
    ) -> list[npt.NDArray[np.integer[Any]]]:
        """See `Accelerator.run_layers`."""
        raise NotImplementedError

    def run_graph(self, graph: Graph, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        """See `Accelerator.run_graph`."""
        raise NotImplementedError

    def _run_chain(self, layers: Sequence[Layer], inputs: Mapping[str, AnyArray]) -> AnyArray:
        """The output of the last layer; the graph's inputs are those that no layer makes."""
        made = {y.name for layer in layers for y in layer.outputs}
        given = [x for layer in layers for x in layer.inputs if x.name not in made]
        (y,) = layers[-1].outputs
        return self.run_graph(Graph(tuple(given), (y,), tuple(layers)), inputs)[y.name]


def tensor(
    name: str, shape: tuple[int, ...], dtype: Any, scale: float = 1.0, zero_point: int = 0
) -> Tensor:
    """A tensor of a graph."""
    return Tensor(name, shape, np.dtype(dtype), scale, zero_point)


def checked_tensor(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], scale: Any, zero_point: Any
) -> Tensor:
    """A tensor whose numbers are the arguments NAME_scale and NAME_zero_point.

    Raises:
        InvalidTensorError, InvalidLayerError: one of them is not allowed.
    """
    zero = as_zero_point(f"{name}_zero_point", zero_point, dtype)
    return tensor(name, shape, dtype, as_scale(f"{name}_scale", scale), zero)
