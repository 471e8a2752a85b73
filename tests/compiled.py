# SPDX-License-Identifier: Apache-2.0
"""Compiled graphs on the functional model of the engine, and random graphs of integer layers."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from graph_reference import random_feed

import lineconv
from lineconv.compiler.compile import compile as compile_network
from lineconv.compiler.network import Network
from lineconv.graph import Graph
from lineconv.graph.layers import Concat, Convolution, Layer, Table, Tensor
from lineconv.layer import ConvLayer, OutputType

AnyArray = npt.NDArray[Any]
_Kind = TypeVar("_Kind", bound=Layer)

__all__ = ["GraphBuilder", "check", "host_reasons"]


def check(graph: Graph, target: str = "tiny", seed: int = 0, *, keep: bool = False) -> Network:
    """Compile, run, and compare every bit with NumPy; the network."""
    network = compile_network(graph, target, keep=keep)
    feed = random_feed(graph, seed)
    with lineconv.open(f"model:{target}") as accelerator:
        results = accelerator.run(network, feed)
    if not isinstance(results, dict):
        results = {graph.outputs[0].name: results}
    for name, expected in graph.run(feed).items():
        assert results[name].dtype == expected.dtype, f"{name}, seed {seed}"
        np.testing.assert_array_equal(results[name], expected, f"{name}, seed {seed}")
    return network


def host_reasons(network: Network) -> dict[str, str]:
    """Why layers are on the host, by name."""
    return {step.layer.name: step.reason for step in network.host_steps}


class GraphBuilder:
    """A graph in the making, with random numbers where nothing is said."""

    def __init__(self, seed: int, dtype: str = "int8") -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)
        self._inputs: list[Tensor] = []
        self._layers: list[Layer] = []
        self._constants: dict[str, AnyArray] = {}

    @property
    def last(self) -> Layer:
        """The layer that was added last."""
        return self._layers[-1]

    def tensor(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """A new one."""
        count = len(self._inputs) + len(self._layers) + len(self._constants)
        kind = np.dtype(dtype or self.dtype)
        limits = np.iinfo(kind)
        zero_point = int(self.rng.integers(limits.min, limits.max + 1))
        scale = float(np.float32(np.exp(self.rng.uniform(-5, -3))))
        return Tensor(f"t{count}", shape, kind, scale, zero_point if kind.itemsize == 1 else 0)

    def input(self, *shape: int) -> Tensor:
        """An input of the graph."""
        self._inputs.append(self.tensor(shape))
        return self._inputs[-1]

    def constant(self, *shape: int) -> Tensor:
        """A constant of random bytes."""
        tensor = self.tensor(shape)
        limits = np.iinfo(tensor.dtype)
        values = self.rng.integers(limits.min, limits.max + 1, shape).astype(tensor.dtype)
        self._constants[tensor.name] = values
        return tensor

    def layer(
        self, kind: type[_Kind], inputs: list[Tensor], shape: tuple[int, ...], **fields: Any
    ) -> Tensor:
        """The result of a layer."""
        y = fields.pop("result", None) or self.tensor(shape)
        name = f"{kind.__name__}_{len(self._layers)}"
        self._layers.append(kind(name=name, inputs=tuple(inputs), outputs=(y,), **fields))
        return y

    def conv(self, x: Tensor, channels: int, kernel: int = 3, **fields: Any) -> Tensor:
        """A convolution of (N, C, H, W) that keeps the size, if no stride is given."""
        return self.layer(Convolution, [x], **self.convolution(x, channels, kernel, **fields))

    def convolution(self, x: Tensor, channels: int, kernel: int, **fields: Any) -> dict[str, Any]:
        """Fields of the layer."""
        unsigned = x.dtype == np.uint8
        geometry = ConvLayer(
            x.shape[1], channels, x.shape[2], x.shape[3], (kernel, kernel),
            padding=fields.pop("padding", ((kernel // 2,) * 2,) * 2),
            x_zero_point=x.zero_point - 128 * unsigned,
            output=OutputType.UINT8 if unsigned else OutputType.INT8,
            y_zero_point=int(self.rng.integers(0, 100)), **fields,
        )  # fmt: skip
        spread = 40 * 74 * math.sqrt(math.prod(geometry.weight_shape[1:]))
        scale = self.rng.uniform(20, 60, channels) / spread
        return {
            "shape": (x.shape[0], channels, geometry.out_height, geometry.out_width),
            "layer": geometry,
            "weights": self.rng.integers(-128, 128, geometry.weight_shape).astype(np.int8),
            "bias": self.rng.integers(-3000, 3000, channels).astype(np.int32),
            "scale": scale.astype(np.float32),
        }

    def table(self, x: Tensor) -> Tensor:
        """Any function of a byte."""
        table = self.rng.integers(0, 256, 256).astype(np.uint8).view(self.dtype)
        return self.layer(Table, [x], x.shape, table=table)

    def concat(self, inputs: list[Tensor], axis: int = 1) -> Tensor:
        """Bytes side by side; scales do not matter to the layer."""
        shape = list(inputs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in inputs)
        return self.layer(Concat, inputs, tuple(shape), axis=axis)

    def graph(self, *outputs: Tensor) -> Graph:
        """What was built."""
        return Graph(tuple(self._inputs), outputs, tuple(self._layers), self._constants)
