# SPDX-License-Identifier: Apache-2.0
"""`lineconv bench --networks`: what it prints and writes, and that it finds wrong results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_quantize import quantised

from lineconv.bench.whole import compare
from lineconv.cli import main
from lineconv.driver import Accelerator
from lineconv.graph.importer import import_onnx
from lineconv.zoo.samples import noise


def test_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "networks.json"
    arguments = ["digits", "lenet", "--images", "2", "--device", "model", "--json", str(file)]
    assert main(["bench", "--networks", *arguments]) == 0
    results = json.loads(file.read_text())
    assert results["device"] == "model:pynq-z2"
    digits, lenet = results["networks"]
    assert (digits["images"], lenet["images"]) == (360, 2)
    for network in (digits, lenet):
        assert network["cycles"] is network["fps"] is network["utilisation"] is None
        assert network["right"] is True
        assert network["comparison"]["values"] == network["images"] * 10
        assert [layer["kind"] for layer in network["host_layers"]] == ["Quantize", "Dequantize"]
    accuracy = digits["accuracy"]
    assert accuracy["device"] == accuracy["onnx_int8"] > 0.97
    text = capsys.readouterr().out
    assert f"| lenet | 0.0001 | - | {lenet['predicted']:,} | - | - | 7 | 0 | 2 | all 20 |" in text
    assert f"{accuracy['device']:.2%} on the device" in text


def test_wrong_results_are_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Accelerator.run

    def damaged(self: Any, *arguments: Any, **options: Any) -> Any:
        y = run(self, *arguments, **options)
        assert isinstance(y, np.ndarray)
        y[0, 3] = np.nextafter(y[0, 3], np.float32(np.inf))
        return y

    monkeypatch.setattr(Accelerator, "run", damaged)
    assert main(["bench", "--networks", "lenet", "--device", "model"]) == 1
    captured = capsys.readouterr()
    assert captured.out.rstrip().endswith("| 1 | WRONG |")
    assert captured.err == "lineconv bench: lenet: outputs are not what they should be\n"


def test_integer_layers_decide_where_onnx_runtime_adds_in_float() -> None:
    model = quantised("dcgan_generator")[0]
    graph = import_onnx(model)
    x = noise(model, 1, seed=0)
    (name,) = (output.name for output in graph.outputs)
    right = graph.run({graph.inputs[0].name: x})
    assert compare(model, graph, x, right).right
    assert compare(model, graph, x, right).integer == 0
    wrong = right[name].copy()
    wrong[0, 0, 0, :2] += 1
    found = compare(model, graph, x, {name: wrong})
    assert (found.right, found.integer) == (False, 2)
    assert found.onnx >= 2
    assert found.distance == pytest.approx(1, rel=1e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg19"], "unknown network 'vgg19', there are: digits, lenet, vgg16, "),
        (["lenet", "--images", "0"], "--networks needs --images of at least 1, and has no --plot"),
        (["lenet", "--plot", "x"], "--networks needs --images of at least 1, and has no --plot"),
    ],
)
def test_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--networks", *arguments]) == 2
    assert message in capsys.readouterr().err
