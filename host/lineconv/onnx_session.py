# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime set up so that its int8 results can be compared with the engine's."""

from __future__ import annotations

from typing import Any

from lineconv.errors import InvalidInputError
from lineconv.extras import require
from lineconv.onnx_model import first_line

__all__ = ["int8_session"]


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
    onnxruntime = require("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    options.log_severity_level = FATAL
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
