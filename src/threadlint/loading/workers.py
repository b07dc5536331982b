"""Who reads the files that are not remembered: this process, several, threads, or a cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from threadlint.cache.fingerprint import facts_code

T = TypeVar("T")

DASK = "dask://"
SMALL = 400_000
"""Bytes of source that one process reads before several could have begun."""

Task = tuple[T, str, bytes]
"""What the caller knows the file by, its name, its content."""
Outcome = tuple[T, "bytes | Exception"]


class ExecutorError(Exception):
    """The executor that the user asked for cannot be had."""


@dataclass(frozen=True, slots=True)
class Workers:
    """How many do the work, and where: `process`, `thread`, or `dask://HOST:PORT`."""

    jobs: int = 1
    kind: str = "process"

    def run(self, tasks: Iterable[Task[T]], size: int) -> Iterator[Outcome[T]]:
        """The result of `work` for each task, as they come; `size` says how many bytes the tasks have, about.

        The tasks are asked for as workers become free, so that few of them are in memory at a time.
        """
        waiting = iter(tasks)
        first = next(waiting, None)
        if first is None:
            return iter(())
        tasks = chain([first], waiting)
        here = not self.kind.startswith(DASK) and (self.jobs == 1 or size < SMALL)
        if here:
            return _in_turn(tasks)
        from threadlint.loading.spread import spread

        return spread(tasks, self)


def default_jobs() -> int:
    """The processors that this process may use."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def default_kind() -> str:
    """Threads where they run Python code in parallel, else processes."""
    gil: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    return "process" if gil() else "thread"


def _in_turn(tasks: Iterable[Task[T]]) -> Iterator[Outcome[T]]:
    from threadlint.loading.work import work

    code = facts_code()
    for who, name, data in tasks:
        yield who, work(data, name, code)
