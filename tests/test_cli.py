# SPDX-License-Identifier: Apache-2.0
"""The command line: results, JSON, and one clear line for every wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_filters import reference

import lineconv
from lineconv import golden
from lineconv.cli import main
from lineconv.filters import KERNELS
from lineconv.layer import ConvLayer, OutputType

DEVICE = "model:tiny"  # results only: the engine itself has its own tests


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    np.save("x.npy", rng.integers(-128, 128, (4, 9, 11), dtype=np.int8))
    np.save("w.npy", rng.integers(-128, 128, (6, 2, 3, 3), dtype=np.int8))
    np.save("b.npy", rng.integers(-999, 999, 6, dtype=np.int32))
    np.save("float.npy", np.zeros((4, 9, 11)))
    np.save("scale.npy", np.full(6, 0.01, np.float32))
    np.save("nan.npy", np.full(6, np.nan, np.float32))
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save("picture.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_devices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices"]) == 0
    assert "sim:pynq-z2" in capsys.readouterr().out
    assert main(["devices", "--json"]) == 0
    names = [device["name"] for device in json.loads(capsys.readouterr().out)]
    assert {"sim:pynq-z2", "sim:kv260", "sim:tiny"} <= set(names)


@pytest.mark.parametrize(("option", "flip"), [([], True), (["--correlate"], False)])
def test_filter(files: Path, option: list[str], flip: bool) -> None:
    command = ["filter", "picture.png", "--kernel", "emboss", "-o", "out.png", "--device", DEVICE]
    assert main(command + option) == 0
    expected = reference(np.asarray(Image.open("picture.png")), KERNELS["emboss"], flip=flip)
    assert np.array_equal(np.asarray(Image.open("out.png")), expected)


def test_conv(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = (
        f"conv --input x.npy --weights w.npy --bias b.npy --scale scale.npy --stride 2,1 "
        f"--padding 1,0,2,1 --dilation 2 --groups 2 --zero-point -3 -o y.npy "
        f"--device {DEVICE} --json"
    )
    assert main(command.split()) == 0
    x, w, b = (np.load(name) for name in ("x.npy", "w.npy", "b.npy"))
    layer = ConvLayer.from_shapes(
        (1, *x.shape),
        w.shape,
        stride=(2, 1),
        padding=((1, 0), (2, 1)),
        dilation=2,
        groups=2,
        x_zero_point=-3,
        output=OutputType.INT8,
    )
    y = golden.conv2d(x[None], w, b, np.float32(0.01), layer)[0]
    assert np.array_equal(np.load("y.npy"), y)
    report = json.loads(capsys.readouterr().out)
    assert report["shape"] == list(y.shape)
    assert report["simulated"] is True


CONV = f"conv --input x.npy --weights w.npy --groups 2 -o y.npy --device {DEVICE}"
FILTER = f"filter picture.png --kernel box -o out.png --device {DEVICE}"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (CONV.replace("x.npy", "missing.npy"), "missing.npy: no such file"),
        (CONV.replace("x.npy", "text.png"), "text.png: cannot be read as a NumPy array"),
        (CONV.replace("x.npy", "float.npy"), "float64"),
        (CONV.replace("--groups 2", "--groups 1"), "channels"),
        (CONV + " --stride 0", "stride"),
        (CONV + " --stride 9", "stride"),
        (CONV + " --dilation 9", "kernel"),
        (CONV + " --scale nan.npy", "scale"),
        (CONV + " --scale inf", "scale"),
        (CONV + " --zero-point 300", "300"),
        (CONV.replace("y.npy", "nowhere/y.npy"), "no folder nowhere"),
        (CONV.replace("y.npy", "folder"), "folder: is a folder"),
        (CONV.replace(DEVICE, "sim:pynq-z9"), "unknown device 'sim:pynq-z9', there are: "),
        (FILTER.replace("picture", "missing"), "missing.png: no such file"),
        (FILTER.replace("picture", "text"), "text.png: not an image"),
        (FILTER.replace("box", "bax"), "kernel 'bax' is unknown"),
        (FILTER.replace("out.png", "out.xyz"), "out.xyz: cannot be written"),
        (FILTER + " --scale -1", "scale is -1.0"),
    ],
)
def test_wrong_input_is_one_line(
    files: Path, command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("lineconv ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.parametrize("option", ["--stride x", "--groups one", "--unknown"])
def test_wrong_option(files: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*CONV.split(), *option.split()])
    assert stop.value.code == 2
    assert option.split()[-1] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (lineconv.errors.RunTimeoutError("sim:tiny: did not finish"), 1),
        (lineconv.errors.BitstreamMismatchError("MAGIC reads 0x00000000"), 2),
    ],
)
def test_device_that_cannot_be_used(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
) -> None:
    def fail(device: Any) -> Any:
        raise error

    monkeypatch.setattr(lineconv, "open", fail)
    assert main(CONV.split()) == code
    assert capsys.readouterr().err == f"lineconv conv: {error}\n"
