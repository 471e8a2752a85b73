# SPDX-License-Identifier: Apache-2.0
"""Host layers: ONNX Runtime on a small model, or NumPy where that is not installed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lineconv.errors import InvalidInputError
from lineconv.extras import require
from lineconv.graph.layers import AnyArray, Host
from lineconv.onnx_session import int8_session

__all__ = ["run_host"]


def run_host(layer: Host, arrays: Sequence[AnyArray]) -> dict[str, AnyArray]:
    """The outputs of a host layer by name.

    Raises:
        InvalidInputError: ONNX Runtime is not installed, and NumPy has no form of the operator.
    """
    names = [tensor.name for tensor in layer.outputs]
    if layer.attributes:  # one operator, on float32
        form = _EXACT.get(layer.op_type)
        if form is None and not _has_onnx_runtime():
            form = _ROUNDED.get(layer.op_type)
        if form is not None:
            return {names[0]: form(layer.attributes, arrays[0])}
    try:
        session = _session(layer.model)
    except InvalidInputError as error:
        raise InvalidInputError(f"{layer.op_type} layer {layer.name!r}: {error}") from None
    feed = {tensor.name: array for tensor, array in zip(layer.inputs, arrays, strict=True)}
    return dict(zip(names, session.run(names, feed), strict=True))


def _has_onnx_runtime() -> bool:
    try:
        require("onnxruntime", "onnx")
    except InvalidInputError:
        return False
    return True


@functools.lru_cache(maxsize=256)
def _session(model: bytes) -> Any:
    return int8_session(model)


def _arg_max(attributes: dict[str, Any], x: AnyArray) -> AnyArray:
    axis = attributes["axis"]
    if attributes["select_last_index"]:
        index = x.shape[axis] - 1 - np.flip(x, axis).argmax(axis)
    else:
        index = x.argmax(axis)
    index = index.astype(np.int64)
    return np.expand_dims(index, axis) if attributes["keepdims"] else index


def _softmax(attributes: dict[str, Any], x: AnyArray) -> AnyArray:
    axis = attributes["axis"]
    powers = np.exp(x - x.max(axis, keepdims=True))
    result: AnyArray = powers / powers.sum(axis, keepdims=True)
    return result


_Function = Callable[[dict[str, Any], AnyArray], AnyArray]
_EXACT: dict[str, _Function] = {"ArgMax": _arg_max}
_ROUNDED: dict[str, _Function] = {"Softmax": _softmax}  # ONNX Runtime has an exp of its own
