from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from confirm_bench import PYTHONS, Bench

from threadlint.runtime.verdict import Verdict

Try = Callable[..., Verdict]


@pytest.fixture(params=PYTHONS, ids=lambda path: Path(path).parts[-3] if len(PYTHONS) > 1 else "")
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench(tmp_path, request.param)


@pytest.fixture
def try_program(bench: Bench) -> Try:
    """Write a program, try its line marked FLAG, and return the verdict."""
    return bench.attempt
