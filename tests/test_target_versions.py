"""Rules that depend on the versions of Python that a project supports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from threadlint.config import Config
from threadlint.engine import lint

if TYPE_CHECKING:
    from pathlib import Path

SHUTDOWN = b"""
import queue
import sys

jobs = queue.Queue()


def close() -> None:
    jobs.shutdown()


def guarded() -> None:
    if sys.version_info >= (3, 13):
        jobs.shutdown()


def asked() -> None:
    if hasattr(jobs, "shutdown"):
        jobs.shutdown()


def worker() -> None:
    try:
        jobs.get()
    except queue.ShutDown:
        return
"""

STOP = b"""
import threading


class Worker(threading.Thread):
    def __init__(self) -> None:
        super().__init__()
        self._stop = threading.Event()

    def run(self) -> None:
        self._stop.wait()
"""


def lines(text: bytes, code: str, version: tuple[int, int] | None, root: Path) -> list[int]:
    config = Config(root=root, select=(code,), target_version=version)
    report = lint((), config, stdin=(str(root / "example.py"), text))
    return [finding.site.line for finding in report.findings if finding.code == code]


@pytest.mark.parametrize(("version", "expected"), [((3, 10), [9, 25]), ((3, 12), [9, 25]), ((3, 13), []), (None, [])])
def test_shutting_a_queue_down_needs_a_version(
    version: tuple[int, int] | None, expected: list[int], tmp_path: Path
) -> None:
    assert lines(SHUTDOWN, "TL407", version, tmp_path) == expected


@pytest.mark.parametrize(("version", "expected"), [((3, 12), [8]), (None, [8]), ((3, 13), [])])
def test_an_attribute_of_a_thread_matters_where_the_version_has_it(
    version: tuple[int, int] | None, expected: list[int], tmp_path: Path
) -> None:
    assert lines(STOP, "TL307", version, tmp_path) == expected
