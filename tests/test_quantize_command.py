# SPDX-License-Identifier: Apache-2.0
"""`lineconv quantize`: files in and out, and one clear line for every wrong input."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from lineconv import zoo
from lineconv.cli import main
from lineconv.errors import InvalidInputError
from lineconv.files import write_whole
from lineconv.onnx_model import ModelInput
from lineconv.quantize import load_calibration, quantize

RNG = np.random.default_rng(6)
GRAY = ModelInput("input", (1, 1, 8, 8), np.dtype(np.float32))
COLOUR = ModelInput("input", (1, 3, 8, 8), np.dtype(np.float32))


SAMPLES = RNG.random((4, 1, 8, 8), dtype=np.float32)


@functools.cache
def int8_model() -> bytes:
    """The lenet of these tests, quantised with SAMPLES."""
    data: bytes = quantize(zoo.lenet(), {"input": SAMPLES})[0].SerializeToString()
    return data


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model, calibration data for it, and much that is neither."""
    monkeypatch.chdir(tmp_path)
    model = zoo.lenet()
    onnx.save(model, "lenet.onnx")
    Path("int8.onnx").write_bytes(int8_model())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, "dynamic.onnx")
    model.graph.node[0].op_type = "Convolution"
    onnx.save(model, "unknown.onnx")
    Path("text.onnx").write_text("no model")
    Path("half.onnx").write_bytes(Path("lenet.onnx").read_bytes()[:30000])
    Path("empty.onnx").write_bytes(b"")
    np.savez("data.npz", input=SAMPLES)
    np.savez("name.npz", image=SAMPLES)
    np.savez("shape.npz", input=SAMPLES[:, :, :7])
    np.savez("dtype.npz", input=SAMPLES.astype(np.float64))
    np.savez("nan.npz", input=np.where(SAMPLES < 0.5, np.nan, SAMPLES))
    np.savez("objects.npz", input=np.array([None]))
    np.save("single.npy", SAMPLES)
    Path("half.npz").write_bytes(Path("data.npz").read_bytes()[:600])
    for folder in ("folder", "nothing", "mixed"):
        Path(folder).mkdir()
    for index, sample in enumerate(SAMPLES):
        np.save(f"folder/{index}.npy", sample)
    Path("mixed/labels.txt").write_text("no picture")
    return tmp_path


COMMAND = "quantize lenet.onnx --calibration data.npz -o out.onnx"


@pytest.mark.parametrize("data", ["data.npz", "folder"])
def test_report_and_model(files: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMAND.replace("data.npz", data).split()) == 0
    captured = capsys.readouterr()
    assert "7 nodes quantised, 3 fused into them, 0 left in float" in captured.out
    assert captured.err == ""  # too quick for a progress bar
    assert Path("out.onnx").read_bytes() == Path("int8.onnx").read_bytes()
    onnx.checker.check_model(onnx.load("out.onnx"))

    assert main([*COMMAND.replace("data.npz", data).split(), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["output"] == "out.onnx"
    assert report["runs"] == 4
    (output,) = report["outputs"]
    assert output["shape"] == [1, 10]
    assert output["snr_db"] > 20
    assert 0 < output["max_abs_error"] < 1
    assert output["top1_agreement"] in (0.75, 1)
    assert report["nodes"]["fused"] == ["conv1.relu", "conv2.relu", "fc1.relu"]
    assert report["nodes"]["left_in_float"] == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (COMMAND.replace("lenet", "missing"), "missing.onnx: no such file"),
        (COMMAND.replace("lenet.onnx", "folder"), "folder: no such file"),
        (COMMAND.replace("lenet", "text"), "text.onnx: not a valid ONNX model ("),
        (COMMAND.replace("lenet", "half"), "half.onnx: not a valid ONNX model ("),
        (COMMAND.replace("lenet", "empty"), "empty.onnx: not a valid ONNX model ("),
        (COMMAND.replace("lenet", "unknown"), "unknown.onnx: not a valid ONNX model ("),
        (COMMAND.replace("lenet", "int8"), "quantised already: node"),
        (COMMAND.replace("lenet", "dynamic"), "input 'input' has the dynamic shape (N, 1, 8, 8)"),
        (COMMAND.replace("data", "missing"), "missing.npz: no such file or folder"),
        (COMMAND.replace("data.npz", "single.npy"), "single.npy: is one array, must be an .npz"),
        (COMMAND.replace("data.npz", "text.onnx"), "text.onnx: cannot be read as an .npz file"),
        (COMMAND.replace("data", "half"), "half.npz: cannot be read as an .npz file"),
        (COMMAND.replace("data", "objects"), "objects.npz: cannot be read as an .npz file"),
        (COMMAND.replace("data", "name"), "name.npz: has the arrays ['image'], the inputs of"),
        (COMMAND.replace("data", "shape"), "has shape (4, 1, 7, 8), must be (samples, 1, 8, 8)"),
        (COMMAND.replace("data", "dtype"), "is float64, the model needs float32"),
        (COMMAND.replace("data", "nan"), "array 'input' holds nan at (0, "),
        (COMMAND.replace("data.npz", "nothing"), "nothing: holds no .npy files and no pictures"),
        (COMMAND.replace("data.npz", "mixed"), "mixed/labels.txt: not an image that Pillow can"),
        (COMMAND.replace("out", "nowhere/out"), "nowhere/out.onnx: there is no folder nowhere"),
        (COMMAND.replace("out.onnx", "folder"), "folder: is a folder, must be a file"),
    ],
)
def test_wrong_input_is_one_line(
    files: Path, command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(files.rglob("*"))
    assert main(command.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("lineconv quantize: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert sorted(files.rglob("*")) == before


def test_missing_package_is_one_line(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(COMMAND.split()) == 2
    captured = capsys.readouterr().err
    assert "pip install 'lineconv[onnx]'" in captured
    assert captured.count("\n") == 1


def test_file_that_cannot_be_written_keeps_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.onnx"
    target.write_bytes(b"old")

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InvalidInputError, match=r"out.onnx: cannot be written \(.*No space"):
        write_whole(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["out.onnx"]
    assert target.read_bytes() == b"old"


def test_long_work_shows_progress(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lineconv.quantize.command.QUICK_SECONDS", -1.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(COMMAND.split()) == 0
    shown = capsys.readouterr().err
    assert shown.startswith("quantising lenet.onnx\n")
    for stage in ("calibrate", "compare"):
        assert f"{stage} 1/4" in shown
        assert f"{stage} 4/4" in shown
    assert shown.endswith("done\n")


def test_error_follows_progress_on_a_line_of_its_own(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lineconv.quantize.command.QUICK_SECONDS", -1.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    np.savez("data.npz", input=np.float32(3e38) * SAMPLES)
    assert main(COMMAND.split()) == 2
    last = capsys.readouterr().err.split("\r\x1b[K")[-1]
    assert last.startswith("lineconv quantize: tensor 'conv1' of the float model reaches ")
    assert not Path("out.onnx").exists()


# --- pictures -----------------------------------------------------------------------------------


def test_pictures_are_cut_scaled_and_normalised(tmp_path: Path) -> None:
    wide = RNG.integers(0, 256, (8, 12, 3), dtype=np.uint8)
    Image.fromarray(wide).save(tmp_path / "1.png")
    Image.fromarray(np.full((16, 16), 51, np.uint8)).save(tmp_path / "2.png")
    mean, std = (0.5, 0.25, 0.0), (0.5, 1.0, 2.0)
    first, second = load_calibration(tmp_path, [COLOUR], mean=mean, std=std)
    expected = (wide[:, 2:10] / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(first["input"][0], expected.transpose(2, 0, 1), atol=1e-6)
    np.testing.assert_allclose(second["input"][0, :, 3, 3], [-0.6, -0.05, 0.1], atol=1e-6)
    for feed in load_calibration(tmp_path, [GRAY]):
        assert feed["input"].shape == (1, 1, 8, 8)


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ([COLOUR, GRAY], {}, "a folder can feed one input, the model has"),
        ([ModelInput("x", (1, 4, 8, 8), np.dtype(np.float32))], {}, "a picture cannot feed input"),
        ([ModelInput("x", (1, 8), np.dtype(np.float32))], {}, "a picture cannot feed input 'x'"),
        ([ModelInput("x", (1, 3, 8, 8), np.dtype(np.uint8))], {}, "is float32, the model needs"),
        ([COLOUR], {"mean": (0.5, 0.5)}, "mean has 2 values, must have 1 or 3"),
        ([GRAY], {"std": (1.0, 1.0, 1.0)}, "std has 3 values, must have 1 or 1"),
        ([GRAY], {"std": (0.0,)}, r"std is \(0.0,\), must be positive"),
        ([GRAY], {"mean": (float("nan"),)}, "1.png: array 'input' holds nan"),
    ],
)
def test_pictures_that_do_not_fit(tmp_path: Path, inputs: Any, options: Any, message: str) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "1.png")
    with pytest.raises(InvalidInputError, match=message):
        load_calibration(tmp_path, inputs, **options)


@pytest.mark.parametrize("option", ["--mean red", "--std 1,x"])
def test_wrong_option(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*COMMAND.split(), *option.split()])
    assert stop.value.code == 2
    assert "is no list of numbers" in capsys.readouterr().err
