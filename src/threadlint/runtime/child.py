"""Runs a program once under the engine, in a child process, and collects what it reports."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from threadlint.runtime import host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadlint.findings import Site
    from threadlint.runtime.trial import Options, Program, Trial

INJECTED = Path(__file__).with_name("injected")
OUTPUT_LIMIT = 1 << 20
"""Bytes of output that are kept; the rest is read and dropped, so that the program is never held up."""
LOOK = 0.005
FINAL = frozenset({"witness", "hang", "harmless"})
"""Events after which the run has nothing more to show."""


@dataclass(slots=True)
class Run:
    """What one run showed. `code` is the exit code, None when it was ended by us."""

    events: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None
    timed_out: bool = False
    output: str = ""
    seconds: float = 0.0
    failure: str = ""

    def of(self, event: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [one for one in self.events if one["event"] == event]

    def first(self, event: str) -> dict[str, Any] | None:
        """The first event of one kind."""
        return next(iter(self.of(event)), None)


class Reader(threading.Thread):
    """Reads the child's output as fast as it comes and keeps the beginning."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._parts: list[bytes] = []
        self._room = OUTPUT_LIMIT
        self._lock = threading.Lock()

    def run(self) -> None:
        """Read to the end, or until the stream is closed under us."""
        with contextlib.suppress(OSError, ValueError):
            while block := self._stream.read1(1 << 16):  # type: ignore[attr-defined]
                with self._lock:
                    self._parts.append(block[: self._room])
                    self._room -= len(self._parts[-1])

    @property
    def text(self) -> str:
        """What was kept."""
        with self._lock:
            return b"".join(self._parts).decode("utf-8", "replace")


def run(program: Program, trial: Trial, options: Options, *, inject: bool = False) -> Run:
    """Run the program once; never raises for what the program does."""
    with tempfile.TemporaryDirectory(prefix="threadlint-", ignore_cleanup_errors=True) as folder:
        events = Path(folder, "events")
        events.touch()
        job = Path(folder, "job.json")
        job.write_text(json.dumps(job_of(trial, events, options, inject=inject)), encoding="utf-8")
        mark = uuid.uuid4().hex
        environment = {
            **os.environ,
            "THREADLINT_JOB": str(job),
            "THREADLINT_RUN": mark,
            "PYTHONUNBUFFERED": "1",
        }
        words = command_of(program, options)
        if program.command:
            site = os.pathsep.join([str(INJECTED / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
            environment["PYTHONPATH"] = site
        result = watch(words, environment, events, mark, options)
        if program.command and not result.failure and not result.timed_out and result.first("hello") is None:
            result.failure = "the command started no Python in which threadlint could run"
        return result


def job_of(trial: Trial, events: Path, options: Options, *, inject: bool) -> dict[str, Any]:
    """The job as the engine reads it."""
    return {
        "oracle": trial.oracle.value,
        "places": [place_of(site) for site in (trial.site, *trial.partners)],
        "events": str(events),
        "inject": inject,
        "harness": options.harness,
        "companion": os.getpid(),
        "budget": min(options.pauses, options.timeout / 2),
    }


def place_of(site: Site) -> dict[str, Any]:
    """A site as the engine reads it."""
    return {
        "path": os.path.realpath(site.path),
        "line": site.line,
        "end_line": max(site.end_line, site.line),
        "column": site.column,
    }


def command_of(program: Program, options: Options) -> list[str]:
    """The words that start the child."""
    if program.command:
        return shlex.split(program.command)
    return [options.python, str(INJECTED / "launch.py"), str(Path(program.script or "").absolute()), *program.arguments]


def watch(words: list[str], environment: dict[str, str], events: Path, mark: str, options: Options) -> Run:
    """Start the child, read its events until it ends, shows something final, or its time is up; then clear up."""
    result = Run()
    began = time.monotonic()
    try:
        process = subprocess.Popen(  # noqa: S603  # running the program is what was asked for
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=options.directory,
            **host.group_options(),
        )
    except OSError as error:
        result.failure = f"`{words[0]}` cannot be started: {error.strerror or error}"
        return result
    host.limit(process, options.timeout)
    output = cast("IO[bytes]", process.stdout)  # it is a pipe
    reader = Reader(output)
    reader.start()
    try:
        with events.open("rb") as file:
            lines = follow(file)
            while True:
                code = process.poll()
                result.events.extend(next(lines))
                if any(one["event"] in FINAL for one in result.events):
                    break
                if code is not None:
                    result.code = code
                    break
                if time.monotonic() - began > options.timeout:
                    result.timed_out = True
                    break
                time.sleep(LOOK)
    finally:
        host.end(process, f"THREADLINT_RUN={mark}")
        # What escaped the sweep may hold the other end of the pipe: then there is no end to wait for.
        reader.join(2)
        if not reader.is_alive():
            output.close()
    result.output = reader.text
    result.seconds = time.monotonic() - began
    return result


def follow(file: IO[bytes]) -> Iterator[list[dict[str, Any]]]:
    """The events that came since the last call; a line that is not complete yet comes the next time."""
    rest = b""
    while True:
        rest += file.read()
        *lines, rest = rest.split(b"\n")
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        yield found
