# SPDX-License-Identifier: Apache-2.0
"""Reads ONNX models and says what is wrong with them in one line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lineconv.errors import InvalidFileError, InvalidInputError
from lineconv.extras import require

__all__ = ["ModelInput", "check_float_model", "check_shapes", "first_line", "inputs", "load_model"]

INTEGER_OPERATORS = frozenset({
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
    *("ConvInteger", "MatMulInteger", "QGemm"),
})  # fmt: skip
LARGEST_MODEL = 2**31 - 1  # bytes of one protobuf message


@dataclass(frozen=True)
class ModelInput:
    """What a model wants to be fed with; `shape` includes the batch."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def load_model(path: Path) -> Any:
    """The `onnx.ModelProto` in a file.

    Raises:
        InvalidFileError: there is no such file, or it is no valid ONNX model.
    """
    onnx = require("onnx", "onnx")
    if not path.is_file():
        raise InvalidFileError(f"{path}: no such file")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx have no common base for their errors
        raise InvalidFileError(f"{path}: not a valid ONNX model ({first_line(error)})") from None
    return model


def inputs(model: Any) -> tuple[ModelInput, ...]:
    """Inputs that a caller has to give, in the order of the model.

    Raises:
        InvalidInputError: an input has a dynamic shape or is no tensor.
    """
    helper = require("onnx.helper", "onnx")
    constants = {constant.name for constant in model.graph.initializer}
    found = []
    for value in model.graph.input:
        if value.name in constants:
            continue
        if not value.type.HasField("tensor_type"):
            raise InvalidInputError(f"input {value.name!r} is no tensor")
        shape = _shape(value)
        if not _is_fixed(shape):
            raise InvalidInputError(
                f"input {value.name!r} has the dynamic shape {_spell(shape)}, all sizes must be "
                "fixed (python -m onnxruntime.tools.make_dynamic_shape_fixed does it)"
            )
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
        found.append(ModelInput(value.name, shape, dtype))
    return tuple(found)


def check_float_model(model: Any) -> None:
    """Require a float32 model that is not quantised yet and fits one message.

    Raises:
        InvalidInputError: it is something else; the message names the node or constant.
    """
    onnx = require("onnx", "onnx")
    for node in model.graph.node:
        if node.op_type.startswith("QLinear") or node.op_type in INTEGER_OPERATORS:
            raise InvalidInputError(
                f"the model is quantised already: node {node.name or node.output[0]!r} is "
                f"{node.op_type}; a float32 model is needed"
            )
    for constant in model.graph.initializer:
        if constant.data_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16):
            raise InvalidInputError(
                f"constant {constant.name!r} has 16 bits; a float32 model is needed"
            )
        if constant.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(constant)
            if not np.isfinite(values).all():
                wrong = values[~np.isfinite(values)][0]
                raise InvalidInputError(f"constant {constant.name!r} holds {wrong}, must be finite")
    if model.ByteSize() > LARGEST_MODEL:
        raise InvalidInputError(
            f"the model has {model.ByteSize():,} bytes, at most {LARGEST_MODEL:,} are allowed"
        )


def check_shapes(model: Any, op_types: frozenset[str]) -> None:
    """Require that the shape of every result of these operators is known and fixed.

    Args:
        model: after shape inference.
        op_types: operators to look at.

    Raises:
        InvalidInputError: one is not; the message names tensor and node.
    """
    values = [*model.graph.value_info, *model.graph.output]
    shapes = {value.name: _shape(value) for value in values}
    for node in model.graph.node:
        for output in node.output if node.op_type in op_types else ():
            if output and not _is_fixed(shapes.get(output)):
                raise InvalidInputError(
                    f"tensor {output!r} of {node.op_type} node {node.name!r} has the dynamic shape "
                    f"{_spell(shapes.get(output))}, all sizes must be fixed"
                )


def first_line(error: Exception) -> str:
    """The first line of a message that may have many."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()


def _shape(value: Any) -> Any:
    """Sizes; a name or "?" where there is no number, None if not even the rank is known."""
    if not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(
        d.dim_value if d.HasField("dim_value") else d.dim_param or "?"
        for d in value.type.tensor_type.shape.dim
    )


def _is_fixed(shape: Any) -> bool:
    return shape is not None and all(isinstance(size, int) and size > 0 for size in shape)


def _spell(shape: Any) -> str:
    return "of unknown rank" if shape is None else f"({', '.join(map(str, shape))})"
