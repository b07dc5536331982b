"""What several tests share: a program with a mistake, a folder to write files into, and the command line run in it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from threadlint.cli.main import threadlint
from threadlint.findings import Builds, Confidence, Finding, Related, Severity, Site

ROOT = Path(__file__).parent.parent

RACE = """\
from concurrent.futures import ThreadPoolExecutor

x = [0]


def add(num: int) -> None:
    for _ in range(num):
        x[0] += 1


with ThreadPoolExecutor() as pool:
    futures = [pool.submit(add, 10_000) for _ in range(8)]
    for future in futures:
        future.result()
"""
"""A program with one mistake: TL101 on line 8."""
RACE_LINE = 8


@dataclass(frozen=True)
class Folder:
    """A folder that is the current one, and the command line in it."""

    path: Path

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def run(self, *args: str, stdin: str | bytes | None = None, env: dict[str, str] | None = None) -> Result:
        """`threadlint ARGS` in this process; a traceback fails the test."""
        result = CliRunner(env=env).invoke(threadlint, args, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def run_process(
        self, *args: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """`threadlint ARGS` in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "threadlint", *args],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            env={**os.environ, **(env or {})},
            timeout=120,
            check=False,
        )


def make_finding(
    path: str = "app.py",
    line: int = 2,
    column: int = 5,
    end: tuple[int, int] | None = None,
    *,
    code: str = "TL101",
    name: str = "unguarded-read-modify-write",
    message: str = "`x` is updated without a lock",
    severity: Severity = Severity.ERROR,
    related: tuple[Related, ...] = (),
) -> Finding:
    """A finding as a rule could have made it."""
    end_line, end_column = end or (line, column + 6)
    return Finding(
        code=code,
        name=name,
        message=message,
        site=Site(path, line, column, end_line, end_column),
        severity=severity,
        confidence=Confidence.HIGH,
        url=f"https://example.org/{code}",
        related=related,
        builds=Builds.FREE_THREADED,
    )
