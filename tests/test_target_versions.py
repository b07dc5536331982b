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
        self._handle = open("log")

    def run(self) -> None:
        self._stop.wait()
"""

PROCESSES = b"""
import multiprocessing
import threading


def main() -> None:
    def work() -> None:
        print("works")

    multiprocessing.Process(target=work).start()
    multiprocessing.Process(target=print, args=(threading.Lock(),)).start()
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


@pytest.mark.parametrize(("version", "expected"), [((3, 12), [8, 9]), (None, [8, 9]), ((3, 13), [9]), ((3, 14), [])])
def test_an_attribute_of_a_thread_matters_where_the_version_has_it(
    version: tuple[int, int] | None, expected: list[int], tmp_path: Path
) -> None:
    assert lines(STOP, "TL307", version, tmp_path) == expected


@pytest.mark.parametrize(("version", "expected"), [((3, 13), [11]), (None, [11]), ((3, 14), [10, 11])])
def test_a_function_that_only_a_fork_takes_along_matters_where_no_version_forks(
    version: tuple[int, int] | None, expected: list[int], tmp_path: Path
) -> None:
    assert lines(PROCESSES, "TL607", version, tmp_path) == expected
    told = PROCESSES.replace(b"def main", b"multiprocessing.set_start_method('fork')\n\ndef main")
    assert lines(told, "TL607", version, tmp_path) == [13]
