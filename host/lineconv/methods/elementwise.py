# SPDX-License-Identifier: Apache-2.0
"""The sum of two tensors as a method of an accelerator, and flat arrays for such work."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.arguments import check_elements
from lineconv.errors import InvalidTensorError
from lineconv.graph.layers import Add, AnyArray
from lineconv.layer import Pair, as_clamp
from lineconv.methods.runner import Runner, checked_tensor
from lineconv.packing import ceil_div

__all__ = ["ElementwiseMethods", "as_image"]

_ROW_WORDS = 64


class ElementwiseMethods(Runner):
    """Work on pairs of elements."""

    def add(
        self,
        a: npt.NDArray[Any],
        b: npt.NDArray[Any],
        *,
        a_scale: float = 1.0,
        a_zero_point: int = 0,
        b_scale: float = 1.0,
        b_zero_point: int = 0,
        y_scale: float = 1.0,
        y_zero_point: int = 0,
        clamp: Pair | None = None,
    ) -> AnyArray:
        """The sum of two tensors, as QLinearAdd of ONNX Runtime; without scales it saturates.

        The real number of a is (a - a_zero_point) * a_scale; so for b and y. The float32 formula is
        in docs/numerics.md, section 5.

        Args:
            a, b: int8 or uint8, of equal type and shape; any shape.
            a_scale, b_scale, y_scale: 2**-64..2**64.
            a_zero_point, b_zero_point, y_zero_point: in the range of the type.
            clamp: (low, high) applied last, in the range of the type; ReLU is (y_zero_point, 127).

        Returns:
            Type and shape of a.

        Raises:
            InvalidTensorError, InvalidLayerError: an argument is not allowed, or the engine has no
                numbers that are right for every pair of values; nothing was run.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        check_elements("a", a)
        check_elements("b", b)
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            raise InvalidTensorError(
                f"a and b must be alike, got {a.dtype} {a.shape} and {b.dtype} {b.shape}"
            )
        limits = np.iinfo(a.dtype)
        if clamp is not None:
            clamp = as_clamp(clamp, limits.min, limits.max)
        images = {
            name: as_image(array, self.array.vector_lanes) for name, array in (("a", a), ("b", b))
        }
        shape = images["a"].shape
        first = checked_tensor("a", shape, a.dtype, a_scale, a_zero_point)
        second = checked_tensor("b", shape, a.dtype, b_scale, b_zero_point)
        result = checked_tensor("y", shape, a.dtype, y_scale, y_zero_point)
        layer = Add(name="add", inputs=(first, second), outputs=(result,), clamp=clamp)
        y = self._run_chain([layer], images)
        return y.reshape(-1)[: a.size].reshape(a.shape)


def as_image(array: AnyArray, lanes: int) -> AnyArray:
    """The elements as (1, 1, rows, columns) with zeros behind them: where neither shape nor order
    matters, they need not be rearranged, and neighbours can fill the lanes. There are rows so that
    one can be loaded while another is computed."""
    rows = ceil_div(array.size, _ROW_WORDS * lanes)
    columns = ceil_div(array.size, rows * lanes) * lanes
    image = np.zeros((1, 1, rows, columns), array.dtype)
    image.reshape(-1)[: array.size] = array.reshape(-1)
    return image
