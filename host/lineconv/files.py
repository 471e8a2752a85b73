# SPDX-License-Identifier: Apache-2.0
"""Arrays from files that a user names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.errors import InvalidFileError

__all__ = ["load_array"]


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
