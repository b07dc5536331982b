"""The calls between two places, as steps for `--why`."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Span
from threadlint.findings import Related
from threadlint.project.names.things import Func
from threadlint.project.project import Project


def calls(project: Project, chain: tuple[tuple[Func, Span], ...], end: Func) -> Iterator[Related]:
    """Who calls whom from the first function of the chain to `end`, and where."""
    called = [*(func for func, _ in chain[1:]), end]
    for (func, span), inner in zip(chain, called, strict=False):
        yield Related(project.site(func, span), f"`{func.name}` calls `{inner.name}`")
