"""Counts what is put into queues, taken from them and marked as done, and remembers which functions did it."""

from __future__ import annotations

import functools
import queue
import sys
from typing import Any

from .registry import user_frame


def install() -> None:
    """Wrap `get`, `put`, `join` and `task_done` of `queue.Queue`."""
    cls: Any = queue.Queue
    for name in ("get", "put", "join", "task_done"):
        setattr(cls, name, noted(getattr(cls, name), counts=name == "task_done"))


def noted(original: Any, *, counts: bool) -> Any:
    """The method, noting on the queue which code called it."""

    @functools.wraps(original)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        frame = user_frame(sys._getframe(1))
        codes = self.__dict__.get("_threadlint_codes", ())
        if frame is not None and frame.f_code not in codes:
            self._threadlint_codes = (*codes, frame.f_code)
        result = original(self, *args, **kwargs)
        if counts:
            with self.mutex:
                self._threadlint_done = self.__dict__.get("_threadlint_done", 0) + 1
        return result

    return wrapped
