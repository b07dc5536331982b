"""Writes programs and tries them."""

from __future__ import annotations

import os
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from threadlint.cli.confirm import oracle_of
from threadlint.findings import Oracle, Site
from threadlint.runtime import child
from threadlint.runtime.confirm import attempt
from threadlint.runtime.trial import Options, Program, Trial
from threadlint.runtime.verdict import Verdict

CASES = Path(__file__).parents[2] / "fixtures" / "confirm"
PYTHONS = os.environ.get("THREADLINT_TEST_PYTHONS", sys.executable).split(os.pathsep)
"""Interpreters to try programs on; CPython 3.10 or newer, free-threaded ones too."""


def flagged(path: Path, code: str) -> Trial:
    """The trial of the first line marked FLAG."""
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if "# FLAG" in text)
    name, oracle = oracle_of(code)
    return Trial(code, name, oracle, Site(str(path), line, 0, line, 0))


@dataclass
class Bench:
    """Writes programs and tries their line marked FLAG."""

    folder: Path
    python: str

    def write(self, text: str, name: str = "program.py") -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def attempt(self, text: str, code: str = "TL101", **options: object) -> Verdict:
        path = self.write(text)
        return attempt(Program(path), flagged(path, code), Options(self.python, **options))  # type: ignore[arg-type]

    def run(self, text: str, code: str = "TL101", *, inject: bool = False) -> child.Run:
        """One run, with what the program printed and what the engine reported."""
        path = self.write(text)
        return child.run(Program(path), flagged(path, code), Options(self.python), inject=inject)

    def beside(self, text: str) -> child.Run:
        """One run of a program in which nothing is flagged: the flagged line is in a file that is never loaded."""
        path, other = self.write(text), self.write("x = 1\n", "never.py")
        trial = Trial("TL101", "x", Oracle.LOST_UPDATE, Site(str(other), 1, 0, 1, 0))
        return child.run(Program(path), trial, Options(self.python))
