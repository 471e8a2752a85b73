# SPDX-License-Identifier: Apache-2.0
"""Tells the user on stderr what long work is doing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Progress", "mac_bar"]


class Progress:
    """Stage and elapsed seconds: one line that rewrites itself on a terminal, else two lines."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._shown = ""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def start(self, title: str) -> None:
        """Say what begins."""
        self._started = time.monotonic()
        print(title, file=sys.stderr, flush=True)

    def update(self, stage: str) -> None:
        """Say what is going on; called several times a second."""
        text = f"  {self.elapsed:3.0f} s  {stage}"
        if sys.stderr.isatty() and text != self._shown:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
            self._shown = text

    def abandon(self) -> None:
        """Clear the line for an error message."""
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Say that it is done."""
        clear = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(f"{clear}  {self.elapsed:3.0f} s  done", file=sys.stderr, flush=True)


@contextmanager
def mac_bar(title: str, total: int) -> Iterator[Callable[[int], None] | None]:
    """A progress bar of multiply-accumulates, where there is a terminal and tqdm; it is told how
    many are done.
    """
    try:
        from tqdm import tqdm
    except ImportError:
        yield None
        return
    with tqdm(
        total=total, desc=title, unit="MAC", unit_scale=True, leave=False, disable=None
    ) as bar:
        yield lambda done: bar.update(done - bar.n)
