# SPDX-License-Identifier: Apache-2.0
"""Files that a user names: read, and written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.errors import InvalidFileError, InvalidInputError

__all__ = ["load_array", "open_image", "pillow", "require_writable", "write_whole"]


def load_array(path: Path) -> npt.NDArray[Any]:
    """The array in a .npy file.

    Raises:
        InvalidFileError: there is no such file, or it holds something else.
    """
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidFileError(f"{path}: cannot be read as a NumPy array ({error})") from None
    return array


def pillow() -> Any:
    """The module `PIL.Image`.

    Raises:
        InvalidInputError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise InvalidInputError("images need Pillow: pip install 'lineconv[plot]'") from None
    return Image


def open_image(path: Path) -> Any:
    """The `PIL.Image.Image` in a file, read to its end.

    Raises:
        InvalidFileError: there is no such file, or it holds something else.
    """
    image = pillow()
    try:
        with image.open(path) as picture:
            picture.load()
            return picture
    except FileNotFoundError:
        raise InvalidFileError(f"{path}: no such file") from None
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError):
        raise InvalidFileError(f"{path}: not an image that Pillow can read") from None


def require_writable(path: Path) -> None:
    """Refuse an output that could not be written before the work is done.

    Raises:
        InvalidFileError: it is a folder, or its folder is missing.
    """
    if not path.resolve().parent.is_dir():
        raise InvalidFileError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise InvalidFileError(f"{path}: is a folder, must be a file")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees half of it.

    Raises:
        InvalidFileError: it cannot be written; an older file of this name is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InvalidFileError(f"{path}: cannot be written ({error})") from None
