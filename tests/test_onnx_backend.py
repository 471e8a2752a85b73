# SPDX-License-Identifier: Apache-2.0
"""ONNX's own tests of one node, on the engine; no case is left out without its reason.

Tests of float operators have float data. Where these are whole numbers, or multiples of one scale,
bytes express them exactly, and the stored result is what the engine must compute. A maximum
commutes with rounding, so for MaxPool any data will do.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.backend.test
import pytest
from onnx import helper, numpy_helper
from qdq_builder import QdqBuilder

import lineconv
from lineconv.errors import InvalidInputError
from lineconv.graph.layers import Dequantize, Quantize

AnyArray = npt.NDArray[Any]

CASES = Path(onnx.backend.test.__file__).parent / "data" / "node"
OPERATORS = {
    *("Conv", "ConvInteger", "QLinearConv", "ConvTranspose"),
    *("MaxPool", "AveragePool", "GlobalAveragePool"),
}
CONVERSIONS = (Quantize, Dequantize)
DENOMINATORS = range(1, 37)  # of scales that are tried; a mean has at most 36 pixels here

NO_BYTES = "its data are not multiples of a scale that fit 8 bits"
THREE_AXES = "a window over 3 axes"
# Of all cases that there are, those which the engine does not run as a whole, and why.
NOT_ON_ENGINE = {
    **dict.fromkeys(
        (
            "averagepool_1d_default",
            "averagepool_2d_ceil_last_window_starts_on_pad",
            "averagepool_2d_default",
            "averagepool_2d_pads",
            "averagepool_2d_pads_count_include_pad",
            "averagepool_2d_precomputed_pads_count_include_pad",
            "averagepool_2d_same_lower",
            "averagepool_2d_same_upper",
            "averagepool_2d_strides",
            "averagepool_3d_default",
            *(
                f"averagepool_3d_dilations_large_count_include_pad_is_{count}_ceil_mode_is_{ceil}"
                for count in (0, 1)
                for ceil in (False, True)
            ),
            "convtranspose_3d",
            "globalaveragepool",
        ),
        NO_BYTES,
    ),
    "averagepool_3d_dilations_small": THREE_AXES,
    "maxpool_3d_default": THREE_AXES,
    "maxpool_3d_dilations": THREE_AXES,
    "maxpool_3d_dilations_use_ref_impl": THREE_AXES,
    "maxpool_3d_dilations_use_ref_impl_large": THREE_AXES,
    "maxpool_2d_ceil_output_size_reduce_by_one": "its last window lies outside of the input; ONNX "
    "has it in a result of 2, ONNX Runtime leaves it out",
    "maxpool_with_argmax_2d_precomputed_pads": "indices as a second result",
    "maxpool_with_argmax_2d_precomputed_strides": "indices as a second result",
    "qlinearconv": "weights less zero point that do not fit int8",
}


@cache
def models() -> dict[str, Any]:
    """By name, the cases that are one node of these operators."""
    found = {}
    for file in sorted(CASES.glob("*/model.onnx")):
        proto = onnx.load(file)
        if {node.op_type for node in proto.graph.node} <= OPERATORS:
            found[file.parent.name.removeprefix("test_")] = proto
    return found


def arrays(name: str, part: str) -> list[AnyArray]:
    files = sorted((CASES / f"test_{name}" / "test_data_set_0").glob(f"{part}_*.pb"))
    return [numpy_helper.to_array(onnx.load_tensor(file)) for file in files]


def scale_of(array: AnyArray, dtype: str) -> float | None:
    """A scale of which all elements are multiples that the type can hold."""
    limits = np.iinfo(dtype)
    for denominator in DENOMINATORS:
        real = array.astype(np.float64) * denominator
        whole = np.rint(real)
        if (
            np.abs(real - whole).max() < 1e-4
            and limits.min <= whole.min()
            and whole.max() <= limits.max
        ):
            return 1 / denominator
    return None


def scales_of(op_type: str, x: AnyArray, y: AnyArray, dtype: str) -> tuple[float, float] | None:
    """Of input and result."""
    first = scale_of(x, dtype)
    if op_type == "MaxPool":
        first = first or float(np.abs(x).max()) / 127
        return first, first
    second = scale_of(y, dtype)
    return None if first is None or second is None else (first, second)


def as_bytes(array: AnyArray, scale: float, dtype: str) -> AnyArray:
    result: AnyArray = np.rint(array.astype(np.float64) / scale).astype(dtype)
    return result


def quantised(node: Any, x: AnyArray, constants: list[AnyArray], y: AnyArray) -> Any:
    """The node between DequantizeLinear and QuantizeLinear, its input and its result as bytes; or
    None if no bytes express them."""
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    for dtype in ("int8", "uint8"):
        scales = scales_of(node.op_type, x, y, dtype)
        if scales is None:
            continue
        b = QdqBuilder(0, dtype)
        zero = np.zeros((), dtype)
        names = [b.dequantise(b.input(x.shape), scales[0], zero)]
        for array in constants:
            assert scale_of(array, "int8") == 1
            names.append(b.dequantise(b.constant(array.astype(np.int8)), 1, np.int8(0)))
        made = b.node(node.op_type, names, len(node.output), **attributes)
        others = [f"{made}.{place}" for place in range(1, len(node.output))]
        model = b.finish(b.quantise(made, scales[1], zero), *others)
        return model, as_bytes(x, scales[0], dtype), as_bytes(y, scales[1], dtype)
    return None


def integer_model(proto: Any, constants: list[AnyArray]) -> Any:
    """All inputs but the first become constants, as in a model."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    copy.opset_import[0].version = max(copy.opset_import[0].version, 13)  # 10 means the same
    for value, array in zip(list(copy.graph.input)[1:], constants, strict=True):
        copy.graph.input.remove(value)
        copy.graph.initializer.append(numpy_helper.from_array(array, value.name))
    return copy


def obstacle(name: str) -> str:
    """Run a case on the engine and compare; why it does not run there, or nothing."""
    proto = models()[name]
    x, *constants = arrays(name, "input")
    expected = arrays(name, "output")
    model, y = integer_model(proto, constants), expected[0]
    if x.dtype == np.float32:
        found = quantised(proto.graph.node[0], x, constants, y)
        if found is None:
            return NO_BYTES
        model, x, y = found
    try:
        network = lineconv.compile(model, "tiny")
    except InvalidInputError as error:
        return str(error).partition(": ")[2]
    left = [step for step in network.host_steps if not isinstance(step.layer, CONVERSIONS)]
    if left:
        return "; ".join(step.reason for step in left)
    assert network.layers
    assert not network.host_steps
    with lineconv.open("model:tiny") as device:
        result = device.run(network, x)
    assert isinstance(result, np.ndarray)
    assert result.dtype == y.dtype
    np.testing.assert_array_equal(result, y)
    return ""


@pytest.mark.parametrize("name", models())
def test_case(name: str) -> None:
    assert obstacle(name) == NOT_ON_ENGINE.get(name, "")


def test_reasons_are_of_cases_that_there_are() -> None:
    assert set(NOT_ON_ENGINE) <= set(models())
    operators = {
        models()[name].graph.node[0].op_type for name in set(models()) - set(NOT_ON_ENGINE)
    }
    assert operators >= OPERATORS - {"QLinearConv"}
