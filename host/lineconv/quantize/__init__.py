# SPDX-License-Identifier: Apache-2.0
"""Float ONNX models to int8, with ONNX Runtime, in a form an int8 engine can run whole."""

from lineconv.quantize.calibration import Calibration, load_calibration
from lineconv.quantize.quantizer import quantize
from lineconv.quantize.report import FloatNode, Nodes, OutputError, QuantizeReport

__all__ = [
    "Calibration",
    "FloatNode",
    "Nodes",
    "OutputError",
    "QuantizeReport",
    "load_calibration",
    "quantize",
]
