# SPDX-License-Identifier: Apache-2.0
"""Layers that move values as methods of an accelerator."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.arguments import as_scale, as_zero_point, batched
from lineconv.errors import InvalidLayerError, InvalidTensorError
from lineconv.graph import arithmetic
from lineconv.graph.layers import AnyArray, Concat, Layer, Resize, Table
from lineconv.layer import PairLike, as_pair
from lineconv.methods.runner import Runner, tensor

__all__ = ["MoveMethods"]


class MoveMethods(Runner):
    """Values in other places."""

    def concat(
        self,
        tensors: Sequence[npt.NDArray[Any]],
        axis: int = -3,
        *,
        scales: Sequence[float] | None = None,
        zero_points: Sequence[int] | None = None,
        y_scale: float = 1.0,
        y_zero_point: int = 0,
    ) -> AnyArray:
        """Tensors one behind the other, each with a scale of its own, as Concat between
        DequantizeLinear and QuantizeLinear of ONNX.

        Values whose scale and zero point are not those of the result go through a table, see
        `requantize`. The host puts the others in their place as it packs them.

        Args:
            tensors: at least one, all int8 or all uint8 (N, C, H, W) or (C, H, W), of equal sizes
                but for `axis`.
            axis: -3, the default, is that of the channels.
            scales, zero_points: one for each tensor, 2**-64..2**64 and in the range of the type;
                None: they are those of the result.
            y_scale, y_zero_point: of the result.

        Returns:
            The type of the tensors.

        Raises:
            InvalidTensorError, InvalidLayerError: an argument is not allowed; nothing was run.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        if not isinstance(tensors, (list, tuple)) or not tensors:
            raise InvalidTensorError("tensors must be a list of at least one array")
        axes = getattr(tensors[0], "ndim", 4)
        place = _axis(axis, axes)
        arrays, names = [], [f"tensors[{index}]" for index in range(len(tensors))]
        for name, array in zip(names, tensors, strict=True):
            whole, single = batched(name, array, "N, C, H, W")
            if array.ndim != axes:
                raise InvalidTensorError(f"{name} must have {axes} axes, got shape {array.shape}")
            _check_alike(name, array, names[0], tensors[0], place)
            arrays.append(whole)
        dtype, whole_axis = arrays[0].dtype, place + single
        y_numbers = (
            as_scale("y_scale", y_scale),
            as_zero_point("y_zero_point", y_zero_point, dtype),
        )
        numbers = zip(
            _each("scales", scales, len(arrays), y_numbers[0]),
            _each("zero_points", zero_points, len(arrays), y_numbers[1]),
            strict=True,
        )
        layers: list[Layer] = []
        parts = []
        for index, (array, (scale, zero_point)) in enumerate(zip(arrays, numbers, strict=True)):
            own = (
                as_scale(f"scales[{index}]", scale),
                as_zero_point(f"zero_points[{index}]", zero_point, dtype),
            )
            part = tensor(f"x{index}", array.shape, dtype, *own)
            if own != y_numbers:
                source, part = part, tensor(f"y{index}", array.shape, dtype, *y_numbers)
                every = arithmetic.dequantize(arithmetic.all_values(dtype), source)
                entries = arithmetic.quantize(every, part)
                layers.append(
                    Table(name=names[index], inputs=(source,), outputs=(part,), table=entries)
                )
            parts.append(part)
        shape = list(arrays[0].shape)
        shape[whole_axis] = sum(array.shape[whole_axis] for array in arrays)
        result = tensor("y", tuple(shape), dtype, *y_numbers)
        layers.append(
            Concat(name="concat", inputs=tuple(parts), outputs=(result,), axis=whole_axis)
        )
        y = self._run_chain(layers, {f"x{i}": array for i, array in enumerate(arrays)})
        return y[0] if single else y

    def interpolate(
        self, x: npt.NDArray[Any], scale_factor: PairLike = 2, *, mode: str = "nearest"
    ) -> AnyArray:
        """Pixels repeated, as `torch.nn.functional.interpolate` has it.

        Args:
            x: int8 or uint8 (N, C, H, W) or (C, H, W).
            scale_factor: one whole number or (height, width), at least 1.
            mode: 'nearest' is the only one.

        Returns:
            Of the type of x, (N, C, H * height, W * width), or without N.

        Raises:
            InvalidTensorError, InvalidLayerError: an argument is not allowed; nothing was run.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        x, single = batched("x", x, "N, C, H, W")
        factors = as_pair("scale_factor", scale_factor, 1)
        if mode != "nearest":
            raise InvalidLayerError(f"mode must be 'nearest', got {mode!r}")
        shape = (*x.shape[:2], x.shape[2] * factors[0], x.shape[3] * factors[1])
        source, result = tensor("x", x.shape, x.dtype), tensor("y", shape, x.dtype)
        layer = Resize(
            name="interpolate", inputs=(source,), outputs=(result,), factors=(1, 1, *factors)
        )
        y = self._run_chain([layer], {"x": x})
        return y[0] if single else y


def _axis(axis: int, axes: int) -> int:
    try:
        place = operator.index(axis)
    except TypeError:
        place = axes
    if not -axes <= place < axes:
        raise InvalidLayerError(f"axis must be an integer in {-axes}..{axes - 1}, got {axis!r}")
    return place % axes


def _check_alike(name: str, array: AnyArray, first: str, other: AnyArray, axis: int) -> None:
    rest = [tuple(np.delete(a.shape, axis).tolist()) for a in (array, other)]
    if array.dtype != other.dtype or rest[0] != rest[1]:
        raise InvalidTensorError(
            f"{name} must be {first} but for axis {axis}, {other.dtype} {other.shape}, "
            f"got {array.dtype} {array.shape}"
        )


def _each(name: str, values: Sequence[Any] | None, count: int, default: Any) -> Sequence[Any]:
    if values is None:
        return [default] * count
    if not isinstance(values, (list, tuple, np.ndarray)) or len(values) != count:
        raise InvalidTensorError(f"{name} must hold {count} numbers, got {values!r}")
    return values
