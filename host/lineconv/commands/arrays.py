# SPDX-License-Identifier: Apache-2.0
"""Inputs of a network from files, its outputs to a file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.compiler.feed import Feed
from lineconv.errors import InvalidFileError, InvalidInputError
from lineconv.files import load_array, open_image, require_writable, write_whole
from lineconv.graph.layers import Tensor
from lineconv.pictures import picture_shape, scale_picture

__all__ = ["check_output", "load_feed", "save_result"]


def load_feed(
    path: Path, inputs: Sequence[Tensor], mean: Sequence[float], std: Sequence[float]
) -> Feed:
    """What a file feeds a network.

    Args:
        path: .npy with the input, .npz with all inputs by name, or a picture of the input's size:
            bytes for uint8, else brought to 0..1, then to `(x - mean) / std`.

    Raises:
        InvalidFileError: it is none of these, or cannot be read.
        InvalidInputError: it is a picture, which the network does not take, or not of that size.
    """
    if not path.is_file():
        raise InvalidFileError(f"{path}: no such file")
    if path.suffix == ".npy":
        return load_array(path)
    if path.suffix == ".npz":
        return _load_npz(path)
    if len(inputs) != 1:
        names = [tensor.name for tensor in inputs]
        raise InvalidInputError(f"{path}: the network has {len(inputs)} inputs, {names}: give .npz")
    return _picture(path, inputs[0], mean, std)


def check_output(path: Path, outputs: Sequence[Tensor]) -> None:
    """Refuse a file for results before anything runs.

    Raises:
        InvalidFileError: it is neither .npy nor .npz, or cannot hold so many outputs, or its folder
            is missing.
    """
    if path.suffix not in (".npy", ".npz"):
        raise InvalidFileError(f"{path}: results are written as .npy or .npz")
    if path.suffix == ".npy" and len(outputs) != 1:
        names = [tensor.name for tensor in outputs]
        raise InvalidFileError(f"{path}: holds one array, the outputs are {names}: name an .npz")
    require_writable(path)


def save_result(
    path: Path, outputs: Sequence[Tensor], y: npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write what `Accelerator.run` returned; .npz has an array for each output, by name.

    Raises:
        InvalidFileError: it cannot be written; an older file of this name is untouched.
    """
    buffer = io.BytesIO()
    if isinstance(y, Mapping):
        np.savez(buffer, **y)
    elif path.suffix == ".npz":
        np.savez(buffer, **{outputs[0].name: y})
    else:
        np.save(buffer, y)
    write_whole(path, buffer.getvalue())


def _load_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidFileError(f"{path}: cannot be read as an .npz file ({error})") from None


def _picture(
    path: Path, tensor: Tensor, mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[Any]:
    channels, height, width = picture_shape(path, tensor.name, tensor.shape)
    if tensor.dtype not in (np.uint8, np.float32):
        raise InvalidInputError(
            f"{path}: a picture feeds float32 or uint8, input {tensor.name!r} is {tensor.dtype}: "
            "give .npy"
        )
    picture = open_image(path)
    if picture.size != (width, height):
        raise InvalidInputError(
            f"{path}: is {picture.size[0]} x {picture.size[1]}, input {tensor.name!r} needs "
            f"{width} x {height} pixels: resize it first"
        )
    pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    pixels = pixels.reshape(height, width, channels)
    if tensor.dtype == np.float32:
        return scale_picture(pixels, mean, std)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
