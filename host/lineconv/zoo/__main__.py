# SPDX-License-Identifier: Apache-2.0
"""`python -m lineconv.zoo NAME -o FILE.onnx`: writes a network, and data to calibrate it with."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np

from lineconv.errors import InvalidInputError
from lineconv.files import require_writable, write_whole
from lineconv.zoo import NAMES, TRAINED, build
from lineconv.zoo.samples import CALIBRATION_SAMPLES, calibration_samples


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lineconv.zoo",
        description="Write a network as float ONNX: random weights, or LeNet trained on digits.",
    )
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("-o", "--output", type=Path, required=True, help=".onnx to write")
    parser.add_argument(
        "--calibration",
        type=Path,
        help=f".npz to write: the training images of {TRAINED}, else {CALIBRATION_SAMPLES} "
        "samples of normal noise",
    )
    options = parser.parse_args()
    try:
        _write(options.name, options.output, options.calibration)
    except InvalidInputError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


def _write(name: str, output: Path, calibration: Path | None) -> None:
    require_writable(output)
    model = build(name)
    if calibration is not None:
        require_writable(calibration)
        buffer = io.BytesIO()
        np.savez(buffer, input=calibration_samples(name, model))
        write_whole(calibration, buffer.getvalue())
    write_whole(output, model.SerializeToString())


if __name__ == "__main__":
    sys.exit(main())
