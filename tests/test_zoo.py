# SPDX-License-Identifier: Apache-2.0
"""The networks of the zoo: structure against published figures, values against saturation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lineconv import zoo
from lineconv.errors import InvalidInputError
from lineconv.extras import require
from lineconv.networks import NETWORKS as BENCHED
from lineconv.onnx_model import inputs
from lineconv.onnx_session import int8_session
from lineconv.zoo.digits import WEIGHTS, accuracy, split
from lineconv.zoo.train_digits import conv, loss_gradients, max_pool

SMALL: dict[str, dict[str, int]] = {
    "lenet": {},
    "vgg16": {"input_size": 32, "classes": 20, "hidden": 256},
    "squeezenet1_1": {"input_size": 64, "classes": 20},
    "resnet18": {"input_size": 64, "classes": 20},
    "resnet50": {"input_size": 64, "classes": 20},
    "resnext50_32x4d": {"input_size": 64, "classes": 20},
    "mobilenet_v1": {"input_size": 96, "classes": 20},
    "mobilenet_v2": {"input_size": 96, "classes": 20},
    "yolov3_tiny": {"input_size": 64, "classes": 3},
    "dcgan_generator": {"output_size": 32, "features": 16},
    "unet_small": {"input_size": 32},
    "tdnn": {"frames": 40, "classes": 50},
}


def test_every_network_is_tested() -> None:
    assert set(SMALL) == set(zoo.NETWORKS)


@pytest.mark.parametrize("name", SMALL)
def test_network_runs_and_keeps_its_values_in_range(name: str) -> None:
    model = zoo.NETWORKS[name](**SMALL[name])
    declared = {
        o.name: [d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output
    }
    # strict: the builder's shapes must be those that ONNX infers
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    (spec,) = inputs(model)
    rng = np.random.default_rng(1)
    session = int8_session(model)
    first, second = (
        session.run(None, {spec.name: rng.standard_normal(spec.shape, dtype=np.float32)})
        for _ in range(2)
    )
    for (output, shape), a, b in zip(declared.items(), first, second, strict=True):
        assert list(a.shape) == shape, output
        assert 0.03 < a.std() < 30, output
        assert np.abs(a - b).std() > 0.03 * a.std(), f"{output} hardly depends on the input"


def test_weights_follow_the_seed() -> None:
    first, same, other = (zoo.lenet(seed=seed).SerializeToString() for seed in (3, 3, 4))
    assert first == same != other


@pytest.mark.parametrize(
    ("name", "gmac"),
    [
        pytest.param("vgg16", 15.47, marks=pytest.mark.slow),  # 138 million weights
        ("resnet18", 1.814),
        ("resnet50", 4.089),
        ("resnext50_32x4d", 4.23),
        ("mobilenet_v1", 0.569),
        ("mobilenet_v2", 0.301),
        ("squeezenet1_1", 0.349),
        ("yolov3_tiny", 2.78),
    ],
)
def test_macs_are_the_published_ones(name: str, gmac: float) -> None:
    total = sum(zoo.count_macs(zoo.NETWORKS[name]()).values())
    assert total / 1e9 == pytest.approx(gmac, rel=2e-3)


@pytest.mark.parametrize(
    ("name", "scale"), [("vgg16", 7), ("resnet18", 7), ("resnet50", 7), ("yolov3-tiny", 13)]
)
def test_layers_are_those_that_bench_measures(name: str, scale: int) -> None:
    model = zoo.NETWORKS[name.replace("-", "_")](input_size=32)  # full size / scale
    counts = zoo.count_macs(model)
    for node in model.graph.node:
        if node.op_type == "Gemm":
            del counts[node.name]  # not in the table
    expected = {layer.name: layer.conv.macs for layer in BENCHED[name].layers}
    assert {layer: macs * scale**2 for layer, macs in counts.items()} == expected


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: zoo.yolov3_tiny(input_size=100), "input size is 100, must be a multiple of 32"),
        (lambda: zoo.unet_small(input_size=20), "input size is 20, must be a multiple of 8"),
        (lambda: zoo.dcgan_generator(output_size=48), "output size is 48, must be a power of two"),
        (lambda: zoo.dcgan_generator(output_size=4), "output size is 4, must be a power of two"),
        (lambda: zoo.tdnn(frames=14), r"frame3: its input is \(6,\) and its kernel \(7,\)"),
        (lambda: zoo.lenet(input_size=0), r"input shape is \(1, 1, 0, 0\)"),
    ],
)
def test_sizes_that_do_not_work(build: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        build()


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InvalidInputError, match=r"pip install 'lineconv\[onnx\]'"):
        require("onnx", "onnx")


def test_command(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lineconv.zoo", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    result = run("digits", "-o", "digits.onnx", "--calibration", "digits.npz")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    (spec,) = inputs(onnx.load(tmp_path / "digits.onnx"))
    with np.load(tmp_path / "digits.npz") as samples:
        assert samples[spec.name].shape == (len(split()[0]), *spec.shape[1:])
    result = run("lenet", "-o", "nowhere/lenet.onnx")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "there is no folder nowhere" in result.stderr


# --- the trained network ------------------------------------------------------------------------


def test_digits_accuracy() -> None:
    _, _, images, labels = split()
    assert len(images) == 360
    assert accuracy(zoo.lenet_digits(), images, labels) > 0.97


def test_split_keeps_test_images_out_of_training() -> None:
    train, train_labels, test, test_labels = split()
    assert len(train) + len(test) == len(train_labels) + len(test_labels) == 1797
    known = {image.tobytes() for image in train}
    assert not known.intersection(image.tobytes() for image in test)


def test_gradients_are_those_of_the_loss() -> None:
    """Central differences at the largest gradient of every parameter."""
    images, labels, _, _ = split()
    images, labels = images[:16], labels[:16]
    with np.load(WEIGHTS) as file:
        rng = np.random.default_rng(0)
        # not the trained values, whose gradients are nearly zero
        parameters = {
            n: file[n] + rng.normal(0, 0.1, file[n].shape).astype(np.float32) for n in file
        }

    def loss() -> float:
        x = images
        for layer in ("conv1", "conv2"):
            x = conv(x, parameters[f"{layer}.weight"], parameters[f"{layer}.bias"])[0]
            x = max_pool(np.maximum(x, 0))[0]
        x = x.reshape(len(x), -1) @ parameters["fc1.weight"].T + parameters["fc1.bias"]
        x = np.maximum(x, 0) @ parameters["fc2.weight"].T + parameters["fc2.bias"]
        x = x.astype(np.float64)
        return float(np.mean(np.log(np.exp(x).sum(1)) - x[np.arange(len(x)), labels]))

    for name, gradient in loss_gradients(parameters, images, labels).items():
        at = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        value, step = parameters[name][at], np.float32(1e-3)
        parameters[name][at] = value + step
        above = loss()
        parameters[name][at] = value - step
        below = loss()
        parameters[name][at] = value
        assert gradient[at] == pytest.approx((above - below) / (2 * step), rel=0.05), name
