"""Findings with the lines of the forms of their files instead of the lines of the files, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from threadlint.facts.form import Lines
from threadlint.findings import Finding, Site

T = TypeVar("T")

LinesOf = Callable[[str], Lines]
"""The lines of the file with this name; raises ValueError where it has none."""

_LINE = re.compile(r"\bline (\d+)")


def to_forms(findings: tuple[Finding, ...], lines: LinesOf) -> tuple[Finding, ...]:
    """The findings by the lines of the forms. Raises ValueError where something else than a line in code is spoken of."""
    return tuple(_moved(finding, lambda path: lines(path).to_form) for finding in findings)


def from_forms(findings: tuple[Finding, ...], lines: LinesOf) -> tuple[Finding, ...]:
    """The reverse of `to_forms`, perhaps for other texts of the same forms."""
    return tuple(_moved(finding, lambda path: lines(path).from_form) for finding in findings)


def _moved(finding: Finding, mover: Callable[[str], Callable[[int], int]]) -> Finding:
    own = finding.site.path
    spoken_of = {site.line for site in _sites(finding) if site.path == own}

    def line(found: re.Match[str]) -> str:
        # A message that tells a line speaks of the finding's own file, and a site there is what it speaks of.
        if int(found[1]) not in spoken_of:
            raise ValueError(found[0])
        return f"line {mover(own)(int(found[1]))}"

    def move(value: T) -> T:
        moved: Any = value
        if isinstance(value, Site):
            to = mover(value.path)
            moved = replace(value, line=to(value.line), end_line=to(value.end_line))
        elif isinstance(value, str) and type(value) is str:
            moved = _LINE.sub(line, value)
        elif isinstance(value, tuple):
            moved = tuple(map(move, value))
        elif is_dataclass(value) and not isinstance(value, type):
            moved = replace(value, **{one.name: move(getattr(value, one.name)) for one in fields(value)})
        return moved  # type: ignore[no-any-return]

    return move(finding)


def _sites(value: object) -> Iterator[Site]:
    if isinstance(value, Site):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _sites(one)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _sites(getattr(value, field.name))
