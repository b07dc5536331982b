from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from threadlint.cli.confirm import oracle_of
from threadlint.findings import Site
from threadlint.runtime.confirm import attempt
from threadlint.runtime.trial import Options, Program, Trial
from threadlint.runtime.verdict import Verdict

CASES = Path(__file__).parents[2] / "fixtures" / "confirm"
PYTHON = os.environ.get("THREADLINT_TEST_PYTHON", sys.executable)


def flagged(path: Path, code: str) -> Trial:
    """The trial of the first line marked FLAG."""
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if "# FLAG" in text)
    name, oracle = oracle_of(code)
    return Trial(code, name, oracle, Site(str(path), line, 0, line, 0))


Try = Callable[..., Verdict]


@pytest.fixture
def try_program(tmp_path: Path) -> Try:
    """Write a program, try its line marked FLAG, and return the verdict."""

    def run(text: str, code: str = "TL101", **options: object) -> Verdict:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        python = str(options.pop("python", PYTHON))
        return attempt(Program(path), flagged(path, code), Options(python, **options))  # type: ignore[arg-type]

    return run
