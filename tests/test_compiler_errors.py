# SPDX-License-Identifier: Apache-2.0
"""What cannot be compiled is refused or left to the host, each with a reason that names it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from compiled import GraphBuilder, check, host_reasons
from qdq_builder import QdqBuilder

import lineconv
from lineconv.compiler.network import HostStep, Pack, Segment, Unpack
from lineconv.errors import HostLayerError, InvalidFileError, InvalidInputError
from lineconv.graph.layers import Add, MaxPool, Mul


def test_host_layers_in_the_middle_divide_the_program() -> None:
    b = GraphBuilder(50)
    x = b.conv(b.input(1, 6, 8, 8), 6)
    other = b.conv(x, 6)
    y = b.layer(Mul, [x, other], x.shape)
    late = b.conv(other, 4)  # does not wait for the host
    network = check(b.graph(b.conv(y, 5), late), "pynq-z2")
    assert host_reasons(network) == {"Mul_2": "the engine cannot multiply two tensors"}
    kinds = [type(step) for step in network.steps]
    assert kinds == [Pack, Segment, Unpack, Unpack, HostStep, Pack, Segment, Unpack, Unpack]
    assert [len(segment.layers) for segment in network.segments] == [3, 1]


def test_strict_names_what_the_host_would_do() -> None:
    b = GraphBuilder(51)
    x = b.conv(b.input(1, 6, 8, 8), 6)
    graph = b.graph(b.layer(Mul, [x, x], x.shape), b.layer(Add, [x, b.constant(1)], x.shape))
    lineconv.compile(graph)
    message = (
        "net: the host would compute Mul 'Mul_1': the engine cannot multiply two tensors; "
        "Add 'Add_2': one of its inputs is repeated along an axis"
    )
    with pytest.raises(HostLayerError) as caught:
        lineconv.compile(graph, strict=True, name="net")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kernel": (17, 3)}, "kernel height must be in 1..16, got 17"),
        ({"kernel": (2, 2), "stride": (9, 1)}, "stride must be in 1..8, got 9"),
        ({"kernel": (16, 16), "dilation": (4, 1)}, "too large for the engine's buffers"),
    ],
)
def test_windows_beyond_the_engine(fields: dict[str, Any], reason: str) -> None:
    b = GraphBuilder(52)
    x = b.input(1, 96, 64, 24)
    window: dict[str, Any] = {"stride": (1, 1), "dilation": (1, 1), **fields}
    sizes = [
        (size - dilation * (kernel - 1) - 1) // stride + 1
        for size, kernel, stride, dilation in zip(
            x.shape[2:], window["kernel"], window["stride"], window["dilation"], strict=True
        )
    ]
    y = b.layer(MaxPool, [x], (1, 96, *sizes), padding=((0, 0), (0, 0)), **window)
    (found,) = host_reasons(check(b.graph(y), "tiny")).values()
    assert found.endswith(reason)


@pytest.mark.parametrize("target", ["zynq", "", "Tiny"])
def test_unknown_target(target: str) -> None:
    b = GraphBuilder(53)
    with pytest.raises(InvalidInputError, match=f"no preset {target!r}, there are: pynq-z2"):
        lineconv.compile(b.graph(b.conv(b.input(1, 3, 4, 4), 2)), target)


def test_graphs_that_read_what_nothing_makes() -> None:
    b = GraphBuilder(56)
    x = b.input(1, 3, 4, 4)
    graph = b.graph(b.conv(b.conv(x, 2), 2))
    message = "Convolution 'Convolution_1': nothing before it makes its input 't1'"
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        lineconv.compile(dataclasses.replace(graph, layers=graph.layers[::-1]))
    with pytest.raises(InvalidInputError, match=r"^nothing makes the output 't2'$"):
        lineconv.compile(dataclasses.replace(graph, layers=graph.layers[:1]))


def test_models_that_cannot_be_read(tmp_path: Path) -> None:
    """The messages are the importer's: they name the file, or node and tensor."""
    with pytest.raises(InvalidFileError, match=r"missing\.onnx"):
        lineconv.compile(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(InvalidFileError, match=r"text\.onnx"):
        lineconv.compile(str(tmp_path / "text.onnx"))
    b = QdqBuilder(54)
    x = b.input((1, 3, 8, 8), np.float32)
    w = b.constant(np.ones((4, 3, 3, 3), np.float32))
    with pytest.raises(InvalidInputError, match="quantize"):
        lineconv.compile(b.finish(b.node("Conv", [x, w])))


def test_name_and_constants(tmp_path: Path) -> None:
    """A network is called as its file is, and holds what the host needs of the constants."""
    b = QdqBuilder(55)
    parameters = b.parameters()
    y = b.node("Mul", [b.real((1, 3, 5, 4), parameters), b.real_constant((1, 3, 1, 1), parameters)])
    model = b.finish(b.quantise(y, 0.02, parameters[1]))
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "gate.onnx")
    network = lineconv.compile(tmp_path / "gate.onnx", "tiny")
    assert network.name == "gate"
    assert lineconv.compile(model).name == "network"
    assert lineconv.compile(model, name="other").name == "other"
    assert [array.shape for array in network.constants.values()] == [(1, 3, 1, 1)]
