# SPDX-License-Identifier: Apache-2.0
"""`lineconv compile` and `lineconv run`: from a model to results, and one line for wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image
from small_network import feed, small_graph, small_network
from test_quantize import quantised

from lineconv import zoo
from lineconv.cli import main
from lineconv.compiler.container import load_network, save_network
from lineconv.model_board import ModelBoard
from lineconv.onnx_session import run_tensors
from lineconv.quantize import quantize
from lineconv.virtual_board import MissingToolError
from lineconv.virtual_board.toolchain import find
from lineconv.zoo.digits import split


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that all tests read: digits.onnx, digits.lconv, x.npy, small.lconv, ..."""
    folder = tmp_path_factory.mktemp("models")
    images = split()[2]
    model, _ = quantize(zoo.lenet_digits(), {"input": images[:50]})
    onnx.save(model, folder / "digits.onnx")
    onnx.save(quantised("unet_small")[0], folder / "unet.onnx")
    np.save(folder / "x.npy", images[:3])
    Image.fromarray((images[0, 0] * 16).astype(np.uint8) * 15).save(folder / "digit.png")
    save_network(small_network(), folder / "small.lconv")
    np.savez(folder / "small.npz", **feed(2))
    assert main(f"compile {folder}/digits.onnx -o {folder}/digits.lconv --target tiny".split()) == 0
    return folder


@pytest.fixture
def files(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where results may be written too."""
    monkeypatch.chdir(tmp_path)
    for path in models.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def run(command: str) -> int:
    return main(command.split())


def expected(model: str, x: Any) -> Any:
    """ONNX Runtime, image by image."""
    proto = onnx.load(model)
    (name,) = (output.name for output in proto.graph.output)
    return np.concatenate([run_tensors(proto, {"input": image[None]}, [name])[name] for image in x])


# compile --------------------------------------------------------------------------------------


def test_compile(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compile digits.onnx -o new.lconv --target tiny --strict") == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0].split()[:3] == ["layer", "kind", "where"]
    for part in ("conv1", "vector unit", "digits for tiny: ", "predicted for the engine alone: "):
        assert part in text
    network = load_network(files / "new.lconv")
    assert (network.name, network.target, network.kept) == ("digits", "tiny", False)
    assert run("compile digits.onnx -o new.lconv --target tiny --json") == 0
    results = json.loads(capsys.readouterr().out)
    assert results["predicted"]["cycles"] == sum(segment.cycles for segment in network.segments)
    assert [row["name"] for row in results["layers"] if row["where"] != "host"] == [
        layer.name for layer in network.layers
    ]


def test_compile_is_reproducible(files: Path) -> None:
    assert run("compile digits.onnx -o again.lconv --target tiny") == 0
    assert (files / "again.lconv").read_bytes() == (files / "digits.lconv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("none.onnx -o n.lconv", "none.onnx: no such file"),
        ("x.npy -o n.lconv", "x.npy: not a valid ONNX model"),
        ("digits.onnx -o n.lconv --target zu7", "no preset 'zu7', there are: pynq-z2"),
        ("digits.onnx -o none/n.lconv", "there is no folder none"),
        ("digits.onnx -o .", "is a folder"),
    ],
)
def test_compile_refuses(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    assert run(f"compile {arguments}") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (files / "n.lconv").exists()


# run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["digits.onnx", "digits.lconv"])
def test_run(files: Path, capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert run(f"run {model} --input x.npy --output y.npy --device model:tiny") == 0
    np.testing.assert_array_equal(np.load("y.npy"), expected("digits.onnx", np.load("x.npy")))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "y.npy: float32 (3, 10); model:tiny (simulated)"
    assert any(line.startswith("conv2 ") for line in lines)


def test_device_without_a_target_is_that_of_the_network(files: Path) -> None:
    assert run("run digits.lconv --input x.npy --output y.npy --device model") == 0
    assert run("run digits.onnx --input x.npy --output z.npy --device model --target tiny") == 0
    assert np.array_equal(np.load("y.npy"), np.load("z.npy"))


def test_several_inputs_and_outputs(files: Path) -> None:
    assert run("run small.lconv --input small.npz --output y.npz --device model") == 0
    with np.load("y.npz") as found:
        assert found.files == ["y", "conv3_out"]
        for image in range(2):
            given = {name: array[image : image + 1] for name, array in feed(2).items()}
            for name, right in small_graph().run(given).items():
                np.testing.assert_array_equal(found[name][image : image + 1], right)


def test_one_output_as_npz(files: Path) -> None:
    assert run("run digits.lconv --input x.npy --output y.npz --device model") == 0
    with np.load("y.npz") as found:
        assert [array.shape for array in found.values()] == [(3, 10)]


def test_picture(files: Path) -> None:
    command = "run digits.lconv --input digit.png --output y.npy --device model"
    assert run(f"{command} --mean 0.5 --std 0.25") == 0
    pixels = np.asarray(Image.open("digit.png"), np.float32) / np.float32(255)
    x = ((pixels - np.float32(0.5)) / np.float32(0.25))[None, None]
    np.testing.assert_array_equal(np.load("y.npy"), expected("digits.onnx", x))


def test_check(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run digits.onnx --input x.npy --output y.npy --device model:tiny --check") == 0
    assert "tensors of 3 image(s) equal ONNX Runtime's in every bit" in capsys.readouterr().out


class WrongBoard(ModelBoard):
    """Its second program spoils one byte of the second layer's result."""

    runs = 0

    def run(self) -> None:
        super().run()
        type(self).runs += 1
        program = self.view(self.pair(0x10), 2 * 256)
        address = int(program[256 + 0x18 : 256 + 0x20].view("<u8")[0])
        self.view(address, 1)[0] ^= 1


def test_check_names_the_first_layer_that_differs(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineconv.model_board.ModelBoard", WrongBoard)
    assert run("run digits.onnx --input x.npy --output y.npy --device model:tiny --check") == 1
    error = capsys.readouterr().err
    assert "image 0: the first layer that differs is 'conv1.relu.max_pool' (MaxPool, vec" in error
    assert "1 of 256 values, by up to 1" in error
    assert error.count("\n") == 1


def load_shape(model: str) -> tuple[int, ...]:
    (value,) = onnx.load(model).graph.input
    return tuple(size.dim_value for size in value.type.tensor_type.shape.dim)


def test_check_behind_a_remark(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime computes something else there; a layer that is wrong is still found."""

    def other(model: Any, given: Any, names: list[str]) -> dict[str, Any]:
        tensors = run_tensors(model, given, names)
        return tensors | {name: tensors[name] ^ 1 for name in names if name.startswith("up1.up")}

    monkeypatch.setattr("lineconv.commands.check.run_tensors", other)
    np.save("u.npy", np.zeros(load_shape("unet.onnx"), np.float32))
    command = "run unet.onnx --input u.npy --output y.npy --device model --check"
    assert run(command) == 0
    text = capsys.readouterr().out.splitlines()[-1]
    assert text.startswith("every layer computes its integer form; ONNX Runtime's results are othe")
    assert "'up1.up' (TransposedConvolution, array): 4096 of 4096 values, by up to 1; " in text
    assert text.endswith("adds in float32: its result may differ by one")
    monkeypatch.setattr("lineconv.model_board.ModelBoard", WrongBoard)
    monkeypatch.setattr("lineconv.commands.check._first_difference", remarked)
    assert run(command) == 1
    assert "Convolution 'inc.conv2' differs from its integer form" in capsys.readouterr().err


def remarked(layers: Any, tensors: Any, expected: Any) -> Any:
    return next(layer for layer in layers if layer.remark)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("none.lconv --input x.npy --output y.npy", 2, "none.lconv: no such file"),
        ("cut.lconv --input x.npy --output y.npy", 2, "cut.lconv: is cut off"),
        ("none.onnx --input x.npy --output y.npy", 2, "none.onnx: no such file"),
        ("digits.lconv --input none.npy --output y.npy", 2, "none.npy: no such file"),
        ("digits.lconv --input bad.npy --output y.npy", 2, "bad.npy: cannot be read as a NumPy"),
        ("digits.lconv --input bad.npz --output y.npy", 2, "bad.npz: cannot be read as an .npz"),
        ("digits.lconv --input bad.png --output y.npy", 2, "bad.png: not an image"),
        ("digits.lconv --input wide.npy --output y.npy", 2, "must have shape (1, 1, 8, 8), got"),
        ("digits.lconv --input int.npy --output y.npy", 2, "NumPy array of float32, got int8"),
        ("digits.lconv --input nan.npy --output y.npy", 2, "input 'input' must be finite"),
        ("digits.lconv --input small.npz --output y.npy", 2, "inputs must be ['input'], got ['x"),
        ("digits.lconv --input big.png --output y.npy", 2, "is 20 x 10, input 'input' needs 8 x 8"),
        ("digits.lconv --input digit.png --output y.npy --std 0", 2, "std is (0.0,), must be posi"),
        ("small.lconv --input digit.png --output y.npz", 2, "2 inputs, ['x', 'z']: give .npz"),
        ("small.lconv --input x.npy --output y.npz", 2, "the network has 2 inputs, give a dict"),
        ("small.lconv --input small.npz --output y.npy", 2, "['y', 'conv3_out']: name an .npz"),
        ("digits.lconv --input x.npy --output y.txt", 2, "results are written as .npy or .npz"),
        ("digits.lconv --input x.npy --output none/y.npy", 2, "there is no folder none"),
        ("digits.lconv --input x.npy --output y.npy --json none/r", 2, "there is no folder none"),
        ("digits.lconv --input x.npy --output y.npy --plot p.gif", 2, "are written as .png, .svg"),
        ("digits.lconv --input x.npy --output y.npy --check", 2, "needs the model: name the .onnx"),
        ("digits.lconv --input x.npy --output y.npy --device usb", 2, "unknown device 'usb'"),
        (
            "digits.lconv --input x.npy --output y.npy --device model:pynq-z2",
            2,
            "digits was compiled for tiny: Array(input_lanes=4",
        ),
        (
            "digits.lconv --input x.npy --output kept.npy --device model --plot p.svg",
            1,
            "model:tiny does not count cycles, there is nothing to plot",
        ),
    ],
)
def test_run_refuses(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: str, code: int, message: str
) -> None:
    (files / "cut.lconv").write_bytes((files / "digits.lconv").read_bytes()[:-1])
    for name in ("bad.npy", "bad.npz", "bad.png"):
        (files / name).write_text("nothing")
    x = np.load("x.npy")
    np.save("wide.npy", np.concatenate([x, x], 3))
    np.save("int.npy", x.astype(np.int8))
    np.save("nan.npy", x * np.float32(np.nan))
    Image.new("RGB", (20, 10)).save("big.png")
    device = "" if "--device" in arguments else " --device model"
    assert run(f"run {arguments}{device}") == code
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("lineconv run: ")
    assert error.count("\n") == 1
    assert not [*files.glob("y.*")]


def require_simulator() -> None:
    try:
        find()
    except MissingToolError as error:
        pytest.skip(str(error))


def test_profile_of_the_engine(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Table, JSON and picture of a run on the RTL."""
    require_simulator()
    command = "run small.lconv --input small.npz --output y.npz --device sim"
    assert run(f"{command} --json r.json --plot p.svg") == 0
    text = capsys.readouterr().out
    assert " ms an image, " in text
    results = json.loads((files / "r.json").read_text())
    assert (results["images"], results["simulated"], results["output"]) == (2, True, "y.npz")
    assert (results["device"], results["check"]) == ("sim:tiny", None)
    engine = [row for row in results["layers"] if row["where"] != "host"]
    assert [row["name"] for row in engine] == ["conv1", "conv2", "conv3"]
    assert all(row["cycles"] > row["mac_cycles"] > 0 for row in engine)
    assert results["cycles"] >= sum(row["cycles"] for row in engine)
    assert "conv1" in (files / "p.svg").read_text()


def test_check_of_the_engine(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every layer of LeNet on the RTL, on both units."""
    require_simulator()
    assert run("run digits.onnx --input x.npy --output y.npy --device sim:tiny --check") == 0
    np.testing.assert_array_equal(np.load("y.npy"), expected("digits.onnx", np.load("x.npy")))
    text = capsys.readouterr().out
    assert "9 tensors of 3 image(s) equal ONNX Runtime's in every bit" in text
    rows = {row[0]: row for row in map(str.split, text.splitlines()) if "vector" in row}
    assert list(rows) == ["conv1.relu.max_pool", "conv2.relu.max_pool"]
