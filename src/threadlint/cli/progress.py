"""A line on the terminal that says how far a long run has come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

PATIENCE = 1.0
"""Seconds before the line appears, so that short runs show none."""
PACE = 0.1
"""Seconds between two changes of the line."""


@contextmanager
def progress() -> Iterator[Callable[[int, int], None] | None]:
    """Give a function to tell how many of how many files are done, or None where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    due = monotonic() + PATIENCE
    shown = False

    def tell(done: int, known: int) -> None:
        nonlocal due, shown
        now = monotonic()
        if now >= due:
            due = now + PACE
            shown = True
            sys.stderr.write(f"\r\x1b[Kreading files: {done} of {known}")
            sys.stderr.flush()

    try:
        yield tell
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
