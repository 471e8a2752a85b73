# SPDX-License-Identifier: Apache-2.0
"""What a caller gives a network, checked and cut into images; and results joined again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from lineconv.errors import InvalidTensorError
from lineconv.graph.layers import AnyArray, Tensor

__all__ = ["Feed", "Values", "count_images", "images", "joined"]

Values: TypeAlias = Mapping[str, AnyArray]
Feed: TypeAlias = AnyArray | Values  # one array will do for a network with one input


def images(inputs: Sequence[Tensor], x: Feed) -> Iterator[Values]:
    """The arrays that each run needs, by name of the input.

    Args:
        inputs: of the network.
        x: an array for each input, by name; the array itself if there is one input. Shapes are
            those of the inputs, or the first axis is longer: as many runs as it holds inputs.

    Raises:
        InvalidTensorError: names, shapes, types or values do not fit; before the first run.
    """
    given = _by_name(inputs, x)
    count = _checked(inputs, given)
    return ({t.name: _image(t, given[t.name], index) for t in inputs} for index in range(count))


def count_images(inputs: Sequence[Tensor], x: Feed) -> int:
    """How many runs that are.

    Raises:
        InvalidTensorError: see `images`.
    """
    return _checked(inputs, _by_name(inputs, x))


def joined(outputs: Sequence[Tensor], results: Sequence[Values]) -> AnyArray | dict[str, AnyArray]:
    """The outputs of all runs, joined along their first axes; one array if there is one output."""
    values = {
        tensor.name: results[0][tensor.name]
        if len(results) == 1
        else np.concatenate([np.atleast_1d(result[tensor.name]) for result in results])
        for tensor in outputs
    }
    return next(iter(values.values())) if len(values) == 1 else values


def _by_name(inputs: Sequence[Tensor], x: Any) -> Values:
    names = [tensor.name for tensor in inputs]
    if not isinstance(x, Mapping):
        if len(names) != 1:
            raise InvalidTensorError(f"the network has {len(names)} inputs, give a dict: {names}")
        return {names[0]: x}
    if set(x) != set(names):
        raise InvalidTensorError(f"inputs must be {names}, got {[*x]}")
    return x


def _checked(inputs: Sequence[Tensor], given: Values) -> int:
    counts = {tensor.name: _count(tensor, given[tensor.name]) for tensor in inputs}
    if len(set(counts.values())) > 1:
        raise InvalidTensorError(f"inputs hold different numbers of images: {counts}")
    return next(iter(counts.values()), 1)


def _count(tensor: Tensor, array: Any) -> int:
    what = f"input {tensor.name!r}"
    if not isinstance(array, np.ndarray) or array.dtype != tensor.dtype:
        got = getattr(array, "dtype", type(array).__name__)
        raise InvalidTensorError(f"{what} must be a NumPy array of {tensor.dtype}, got {got}")
    if array.shape[1:] != tensor.shape[1:] or array.ndim != len(tensor.shape):
        raise InvalidTensorError(
            f"{what} must have shape {tensor.shape}, got {array.shape}; "
            "only the first axis may be a multiple of it"
        )
    count, rest = divmod(array.shape[0], tensor.shape[0]) if tensor.shape else (1, 0)
    if rest or not count:
        raise InvalidTensorError(
            f"the first axis of {what} must be a multiple of {tensor.shape[0]}, "
            f"got shape {array.shape}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidTensorError(f"{what} must be finite")
    return count


def _image(tensor: Tensor, array: AnyArray, index: int) -> AnyArray:
    if not tensor.shape:
        return array
    return array[index * tensor.shape[0] : (index + 1) * tensor.shape[0]]
