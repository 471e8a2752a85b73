# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime set up so that its int8 results can be compared with the engine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from lineconv.errors import InvalidInputError
from lineconv.extras import require
from lineconv.onnx_model import first_line

__all__ = ["int8_session", "run_tensors"]


FATAL = 4  # log level: errors are raised, they need no message besides


def int8_session(model: Any) -> Any:
    """An `onnxruntime.InferenceSession` that computes int8 models in int8.

    Left to itself on an x86 CPU, ONNX Runtime computes a QDQ model with int8 activations partly in
    uint8, where some CPUs saturate sums, and partly in float (docs/numerics.md). Exact is slower.

    Args:
        model: `onnx.ModelProto`, float or quantised, or one that is serialised.

    Raises:
        InvalidInputError: ONNX Runtime cannot load it.
    """
    return _session(model, {"session.qdqisint8allowed": "1"})


def run_tensors(
    model: Any, feed: Mapping[str, npt.NDArray[Any]], names: Sequence[str]
) -> dict[str, npt.NDArray[Any]]:
    """Tensors of a quantised model by name, outputs or not, exact on every x86 CPU.

    Args:
        model: `onnx.ModelProto`; it is not changed.
        feed: its inputs.
        names: of tensors that nodes of the model make.

    Raises:
        InvalidInputError: ONNX Runtime cannot load the model.
    """
    onnx = require("onnx", "onnx")
    known = {output.name for output in model.graph.output}
    wanted = [name for name in names if name not in known]
    if wanted:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
        infos = {value.name: value for value in inferred}
        empty = onnx.helper.make_empty_tensor_value_info
        copy.graph.output.extend(infos.get(name, empty(name)) for name in wanted)
        model = copy
    entries = {"session.qdqisint8allowed": "1"}
    if any(c.data_type == onnx.TensorProto.UINT8 for c in model.graph.initializer):
        # Sums of uint8 that do not saturate; models of int8 alone are refused with it.
        entries["session.x64quantprecision"] = "1"
    session = _session(model, entries, threads=1)  # float sums in the order of one
    return dict(zip(names, session.run(list(names), dict(feed)), strict=True))


def _session(model: Any, entries: Mapping[str, str], threads: int = 0) -> Any:
    onnxruntime = require("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = threads
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    try:
        return onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else model.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:  # onnxruntime raises classes of its own, one per status
        raise InvalidInputError(
            f"ONNX Runtime cannot load the model: {first_line(error)}"
        ) from None
