# SPDX-License-Identifier: Apache-2.0
"""Pictures as inputs of networks: which fit, and bytes as real numbers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lineconv.errors import InvalidInputError

__all__ = ["add_picture_options", "picture_shape", "scale_picture"]


def add_picture_options(parser: argparse.ArgumentParser) -> None:
    """Add what `scale_picture` needs."""
    for name, default, text in (
        ("mean", 0.0, "subtracted from pictures, which are 0..1 before"),
        ("std", 1.0, "pictures are divided by it after that"),
    ):
        parser.add_argument(
            f"--{name}", type=_values, default=(default,), help=f"{text}: one value, or R,G,B"
        )


def _values(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from None


def picture_shape(path: Path, name: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of an input that takes pictures; `path` is for the message.

    Raises:
        InvalidInputError: it does not.
    """
    channels, height, width = shape[1:] if len(shape) == 4 else (0, 0, 0)
    if channels not in (1, 3):
        raise InvalidInputError(
            f"{path}: a picture cannot feed input {name!r} of shape {shape}, which would "
            "have to be (N, 1, H, W) or (N, 3, H, W)"
        )
    return channels, height, width


def scale_picture(
    pixels: npt.NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[np.float32]:
    """Pixels (H, W, C) as (1, C, H, W): brought to 0..1, then to `(x - mean) / std`.

    Args:
        mean, std: one value, or one per channel.

    Raises:
        InvalidInputError: their number or value is not allowed.
    """
    channels = pixels.shape[2]
    for option, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise InvalidInputError(
                f"{option} has {len(values)} values, must have 1 or {channels}, one per channel"
            )
    if min(std) <= 0:
        raise InvalidInputError(f"std is {tuple(std)}, must be positive")
    unit = pixels.astype(np.float32) / np.float32(255)
    scaled = (unit - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
