# SPDX-License-Identifier: Apache-2.0
"""What a tensor name of the ONNX model stands for while it is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lineconv.graph.layers import AnyArray, Tensor
from lineconv.graph.source import Node

__all__ = ["Constant", "ConstantReal", "End", "Real", "Stored", "Value"]


@dataclass(frozen=True, eq=False)
class Constant:
    """Known when the model is imported."""

    array: AnyArray


@dataclass(frozen=True, eq=False)
class ConstantReal:
    """A constant behind DequantizeLinear.

    Attributes:
        array: int8, uint8 or int32.
        scale, zero_point: one number each, or one for each index of `axis`.
    """

    array: AnyArray
    scale: AnyArray
    zero_point: AnyArray
    axis: int

    def along_axis(self, values: AnyArray) -> AnyArray:
        """Scale or zero point, shaped so that it broadcasts with the array."""
        if values.size == 1:
            return values.reshape(())
        return values.reshape([-1 if i == self.axis else 1 for i in range(self.array.ndim)])

    def centred(self) -> AnyArray:
        """int64 array - zero_point."""
        zero_point = self.along_axis(self.zero_point.astype(np.int64))
        result: AnyArray = self.array.astype(np.int64) - zero_point
        return result

    def real(self) -> AnyArray:
        """float32 values."""
        result: AnyArray = self.centred().astype(np.float32) * self.along_axis(self.scale)
        return result


@dataclass(frozen=True)
class Stored:
    """A tensor that some layer makes, or an input of the graph."""

    tensor: Tensor


@dataclass(frozen=True, eq=False)
class Real:
    """Real numbers that are not stored: an int8 or uint8 tensor behind DequantizeLinear.

    Attributes:
        tensor: what is stored, with scale and zero point.
        chain: element-wise nodes that follow, in order; none of them has been computed.
        sources: names by which the nodes of the chain call the dequantised tensor.
        result: name of the value.
    """

    tensor: Tensor
    chain: tuple[Node, ...]
    sources: tuple[str, ...]
    result: str


Value: TypeAlias = Constant | ConstantReal | Stored | Real


@dataclass(frozen=True, eq=False)
class End:
    """QuantizeLinear behind a node, maybe with Relu and Clip in between.

    Attributes:
        tensor: the quantised result.
        clamp: what Relu and Clip leave, in units of `tensor`; None if saturation does the same.
        nodes: QuantizeLinear and what is in between.
    """

    tensor: Tensor
    clamp: tuple[int, int] | None
    nodes: tuple[Node, ...]
