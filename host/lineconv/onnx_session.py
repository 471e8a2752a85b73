# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime set up so that its int8 results can be compared with the engine's."""

from __future__ import annotations

from typing import Any

from lineconv.extras import require

__all__ = ["int8_session"]


def int8_session(model: Any) -> Any:
    """An `onnxruntime.InferenceSession` whose sums of products are exact on every CPU.

    Args:
        model: `onnx.ModelProto`, float or quantised in QDQ form with float inputs. It is optimised
            as usual: without that, ONNX Runtime computes a QDQ model in float (docs/numerics.md).
    """
    onnxruntime = require("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3  # errors; warnings are about its own optimiser
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
