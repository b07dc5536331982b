"""Which functions belong to tests: tests drop futures and call `run()` on purpose."""

from __future__ import annotations

from threadlint.project.names.things import Func


def in_tests(func: Func) -> bool:
    """Whether the function's file is a test by its name or its folder."""
    parts = func.module.name.split("@")[0].split(".")
    return any(
        part in ("test", "tests", "testing", "conftest") or part.startswith("test_") or part.endswith("_test")
        for part in parts
    )
