"""The map over files in several processes, on threads, or on a cluster.

Everything goes through `concurrent.futures.Executor`, so that a Dask cluster is one more kind of it. The content of files is sent, not
their paths: a worker needs neither our disk nor our folder.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import Any

from threadlint.cache.fingerprint import facts_code
from threadlint.facts.source import ROOM, ROOMY_THREAD
from threadlint.loading.work import work
from threadlint.loading.workers import DASK, ExecutorError, Outcome, T, Task, Workers

DIED = "the process that read this file died (out of memory, or a crash in the parser)"
PATIENCE = 10.0
"""Seconds in which a scheduler must answer, and a process that is told to end must do so."""


def spread(tasks: Iterable[Task[T]], workers: Workers) -> Iterator[Outcome[T]]:
    """The result of `work` for each task, as they come. Raises ExecutorError."""
    waiting = iter(tasks)
    broken: list[Task[T]] = []
    while True:
        with _executor(workers) as (executor, window):
            yield from _windowed(executor, waiting, window, broken)
        if not broken:
            return
        # One of those that were under way has killed its worker; alone, it tells which.
        for task in broken:
            suspects: list[Task[T]] = []
            with _executor(Workers(1, workers.kind)) as (alone, _):
                yield from _windowed(alone, iter([task]), 1, suspects)
            yield from ((suspect[0], RuntimeError(DIED)) for suspect in suspects)
        broken.clear()


def _windowed(executor: Executor, tasks: Iterator[Task[T]], window: int, broken: list[Task[T]]) -> Iterator[Outcome[T]]:
    """Keep `window` tasks under way; those that were when the executor broke are added to `broken`."""
    code = facts_code()
    running: dict[Future[bytes], Task[T]] = {}
    while not broken:
        for task in tasks:
            try:
                running[executor.submit(work, task[2], task[1], code)] = task
            except BrokenExecutor:
                broken.append(task)
                break
            if len(running) >= window:
                break
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            task = running.pop(future)
            error = future.exception()
            if isinstance(error, BrokenExecutor):
                broken.append(task)
            elif isinstance(error, (ExecutorError, ImportError)):
                raise ExecutorError(f"a worker cannot do its work: {error}") from error
            elif isinstance(error, Exception):
                yield task[0], error
            else:
                yield task[0], future.result()
    broken.extend(running.values())


@contextmanager
def _executor(workers: Workers) -> Iterator[tuple[Executor, int]]:
    """An executor of the kind that is wanted, and how many tasks to give it at a time."""
    if workers.kind.startswith(DASK):
        with _dask(workers.kind) as cluster:
            yield cluster
        return
    if workers.kind == "thread":
        with _threads(workers.jobs) as threads:
            yield threads, 2 * workers.jobs
        return
    before = {child.pid for child in multiprocessing.active_children()}
    executor = _processes(workers.jobs)
    try:
        yield executor, 2 * workers.jobs
    except BaseException:
        # Interrupted, or the caller has had enough: nobody waits for files that are still being read.
        executor.shutdown(wait=False, cancel_futures=True)
        ours = [child for child in multiprocessing.active_children() if child.pid not in before]
        for child in ours:
            child.terminate()
        for child in ours:
            child.join(PATIENCE)
        raise
    executor.shutdown()


@contextmanager
def _threads(jobs: int) -> Iterator[Executor]:
    usual = threading.stack_size(ROOM)  # threads begin as tasks come
    try:
        with ThreadPoolExecutor(jobs, thread_name_prefix=ROOMY_THREAD) as executor:
            yield executor
    finally:
        threading.stack_size(usual)


def _processes(jobs: int) -> Executor:
    # To fork is cheapest by far, and safe as long as no other thread runs.
    can_fork = sys.platform == "linux" and threading.active_count() == 1
    context = multiprocessing.get_context("fork" if can_fork else None)
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin)


def _begin() -> None:
    """The terminal's Ctrl-C reaches the workers too; the process that they work for ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # `work` collects what it leaves


@contextmanager
def _dask(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise ExecutorError("`dask://` needs the package distributed: pip install 'threadlint[dask]'") from None
    place = address.removeprefix(DASK)
    try:
        client = distributed.Client(f"tcp://{place}", timeout=PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise ExecutorError(f"no Dask scheduler answers at {place} ({error})") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ExecutorError(f"the Dask scheduler at {place} has no workers")
        yield client.get_executor(), 4 * threads
