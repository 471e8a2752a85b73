# SPDX-License-Identifier: Apache-2.0
"""Packages that only some commands need; NumPy is the only hard dependency."""

from __future__ import annotations

import importlib
from typing import Any

from lineconv.errors import InvalidInputError

__all__ = ["require"]


def require(module: str, extra: str) -> Any:
    """Import a module that an extra of lineconv installs.

    Raises:
        InvalidInputError: it is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidInputError(
            f"needs {module.partition('.')[0]} ({error}): pip install 'lineconv[{extra}]'"
        ) from None
