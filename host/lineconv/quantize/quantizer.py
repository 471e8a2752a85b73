# SPDX-License-Identifier: Apache-2.0
"""Quantises float ONNX models to int8 with ONNX Runtime, in a form an int8 engine runs whole.

QDQ format; int8 activations with a zero point, int8 weights without one and with a scale per output
channel, int32 bias. Ranges are minimum and maximum over the calibration data. See docs/quantize.md.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lineconv.errors import InvalidInputError
from lineconv.extras import require
from lineconv.onnx_model import check_float_model, check_shapes, first_line, inputs, load_model
from lineconv.onnx_session import int8_session
from lineconv.quantize.calibration import Array, Calibration, load_calibration
from lineconv.quantize.ranges import SAME_SCALE, Ranges, share_ranges
from lineconv.quantize.report import OutputMeter, QuantizeReport, node_report

__all__ = ["quantize"]

ProgressFunction = Callable[[str, int, int], None]  # stage, runs done, runs in all

PER_CHANNEL_OPSET = 13
# Softmax and what detection heads end with stay in float.
OPERATORS = SAME_SCALE | {
    *("Conv", "ConvTranspose", "Gemm", "MatMul"),
    *("Add", "Mul", "Concat", "GlobalAveragePool"),
    *("Relu", "Clip", "LeakyRelu", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh"),
}


def quantize(
    model: Any,
    calibration: Path | Mapping[str, Array] | Calibration,
    progress: ProgressFunction | None = None,
) -> tuple[Any, QuantizeReport]:
    """Quantise a model and measure what that costs.

    Args:
        model: float `onnx.ModelProto` with fixed shapes, or a path to one. It is not changed.
        calibration: arrays by input name, samples along the first axis; or a path that
            `load_calibration` reads.
        progress: called after each run of the model.

    Returns:
        The quantised `onnx.ModelProto`, and the report. Errors in it are those of the int8 model
        against the float model over the calibration data.

    Raises:
        InvalidInputError: something does not fit; the message names the tensor, node or value.
    """
    if isinstance(model, (str, Path)):
        model = load_model(Path(model))
    check_float_model(model)
    if isinstance(calibration, (str, Path)):
        calibration = load_calibration(Path(calibration), inputs(model))
    elif not isinstance(calibration, Calibration):
        calibration = Calibration(calibration, inputs(model))
    float_session = int8_session(model)
    with tempfile.TemporaryDirectory(prefix="lineconv-") as folder, _quiet():
        prepared = _prepare(model, Path(folder))
        measured = _ranges(prepared, calibration, Path(folder), progress)
        quantised = _quantise(prepared, *share_ranges(prepared, measured))
    meters = _compare(float_session, quantised, calibration, progress)
    nodes = node_report(prepared, quantised, OPERATORS)
    return quantised, QuantizeReport(len(calibration), tuple(m.result() for m in meters), nodes)


def _prepare(model: Any, folder: Path) -> Any:
    """Fold BatchNorm and constants, infer shapes, name every node."""
    onnx = require("onnx", "onnx")
    onnxruntime = require("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(
        _modern(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    prepared = onnx.shape_inference.infer_shapes(onnx.load(options.optimized_model_filepath))
    for node in prepared.graph.node:
        node.name = node.name or node.output[0]
    check_shapes(prepared, OPERATORS)
    return prepared


def _modern(model: Any) -> Any:
    """A copy of an opset that has scales per channel, with constants that are no inputs."""
    onnx = require("onnx", "onnx")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = {constant.name for constant in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in constants]
    del copy.graph.input[:]
    copy.graph.input.extend(given)
    copy.ir_version = max(copy.ir_version, 4)  # the first that allows it
    for node in copy.graph.node:
        if node.op_type == "Sum" and len(node.input) == 2:
            node.op_type = "Add"  # which ONNX Runtime has an int8 kernel for
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets.get("", PER_CHANNEL_OPSET) >= PER_CHANNEL_OPSET:
        return copy
    try:
        return onnx.version_converter.convert_version(copy, PER_CHANNEL_OPSET)
    except Exception as error:  # it raises RuntimeError and others
        raise InvalidInputError(
            f"the model has opset {opsets['']}, at least {PER_CHANNEL_OPSET} is needed, and it "
            f"cannot be converted: {first_line(error)}"
        ) from None


def _ranges(
    prepared: Any, calibration: Calibration, folder: Path, progress: ProgressFunction | None
) -> Ranges:
    """Minimum and maximum of every tensor."""
    onnx = require("onnx", "onnx")
    quantization = require("onnxruntime.quantization", "onnx")
    path = folder / "prepared.onnx"
    onnx.save(prepared, path)
    calibrator = quantization.create_calibrator(
        path,
        sorted(OPERATORS),
        str(folder / "augmented.onnx"),
        quantization.CalibrationMethod.MinMax,
    )
    calibrator.collect_data(_Reader(calibration, progress))
    measured = dict(calibrator.compute_data().items())
    order = [value.name for value in prepared.graph.input]
    order += [name for node in prepared.graph.node for name in node.output]
    ranges = {}
    for name in filter(measured.__contains__, order):
        low, high = (float(np.asarray(bound).item()) for bound in measured[name].range_value)
        if not np.isfinite([low, high]).all():
            raise InvalidInputError(
                f"tensor {name!r} of the float model reaches {low} to {high} on the calibration "
                "data, all values must be finite"
            )
        ranges[name] = low, high
    return ranges


class _Reader:
    """Calibration data as ONNX Runtime wants to be given it."""

    def __init__(self, calibration: Calibration, progress: ProgressFunction | None) -> None:
        self._feeds = _counted(calibration, "calibrate", progress)

    def get_next(self) -> dict[str, Array] | None:
        return next(self._feeds, None)


def _quantise(prepared: Any, ranges: Ranges, keep: list[str]) -> Any:
    quantization = require("onnxruntime.quantization", "onnx")
    float32 = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    int8 = quantization.QuantType.QInt8
    quantizer = quantization.QDQQuantizer(
        prepared,
        True,  # per channel
        False,  # reduce range: the engine's sums do not saturate
        int8,  # weights
        int8,  # activations
        quantization.TensorsData(quantization.CalibrationMethod.MinMax, float32),
        [],  # nodes to quantise: all
        keep,
        sorted(OPERATORS),
        {"WeightSymmetric": True, "ActivationSymmetric": False, "ForceQuantizeNoInputCheck": True},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantised = quantizer.model.model
    require("onnx", "onnx").checker.check_model(quantised)
    return quantised


def _compare(
    float_session: Any,
    quantised: Any,
    calibration: Calibration,
    progress: ProgressFunction | None,
) -> list[OutputMeter]:
    session = int8_session(quantised)
    names = [output.name for output in session.get_outputs() if output.type == "tensor(float)"]
    meters = [OutputMeter(name) for name in names]
    for feed in _counted(calibration, "compare", progress):
        expected, measured = float_session.run(names, feed), session.run(names, feed)
        for meter, reference, value in zip(meters, expected, measured, strict=True):
            meter.add(reference, value)
    return meters


def _counted(
    calibration: Calibration, stage: str, progress: ProgressFunction | None
) -> Iterator[dict[str, Array]]:
    for done, feed in enumerate(calibration, start=1):
        yield feed
        if progress is not None:
            progress(stage, done, len(calibration))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the screen what ONNX Runtime's quantiser says about settings and about NaN."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        logging.disable(disabled)
