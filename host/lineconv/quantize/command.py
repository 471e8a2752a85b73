# SPDX-License-Identifier: Apache-2.0
"""`lineconv quantize`: float ONNX file in, int8 ONNX file out, what it cost on the screen."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from lineconv.errors import InvalidInputError
from lineconv.files import require_writable, write_whole
from lineconv.onnx_model import inputs, load_model
from lineconv.pictures import add_picture_options
from lineconv.progress import Progress
from lineconv.quantize.calibration import load_calibration
from lineconv.quantize.quantizer import quantize

__all__ = ["add_parser"]

QUICK_SECONDS = 2.0  # nothing is said about work that takes less


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the subparsers of the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "quantize",
        help="quantise a float ONNX model to int8",
        description="Quantise a float ONNX model to int8 (QDQ, weights per channel) and print its "
        "error on the calibration data. See docs/quantize.md.",
    )
    parser.add_argument("model", type=Path, help="float .onnx with fixed shapes")
    parser.add_argument(
        "--calibration",
        type=Path,
        required=True,
        help=".npz with one array per model input, samples along the first axis; or a folder of "
        "pictures and .npy files, one sample each",
    )
    add_picture_options(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="int8 .onnx to write")
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> dict[str, Any]:
    require_writable(options.output)
    model = load_model(options.model)
    calibration = load_calibration(
        options.calibration, inputs(model), mean=options.mean, std=options.std
    )
    progress = _LateProgress(f"quantising {options.model.name}")
    try:
        quantised, report = quantize(model, calibration, progress.update)
    except InvalidInputError:
        progress.abandon()
        raise
    progress.finish()
    write_whole(options.output, quantised.SerializeToString())
    if not options.json:
        print(f"{options.output}: {report.to_text()}")
    return {"output": str(options.output), **report.to_dict()}


class _LateProgress:
    """Progress that shows nothing if there is little to wait for."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._started = time.monotonic()
        self._progress: Progress | None = None

    def update(self, stage: str, done: int, total: int) -> None:
        if self._progress is None and time.monotonic() - self._started > QUICK_SECONDS:
            self._progress = Progress()
            self._progress.start(self._title)
        if self._progress is not None:
            self._progress.update(f"{stage} {done}/{total}")

    def abandon(self) -> None:
        if self._progress is not None:
            self._progress.abandon()

    def finish(self) -> None:
        if self._progress is not None:
            self._progress.finish()
