"""Findings as text, JSON, SARIF and GitHub annotations: each format is a function from a report to lines."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from threadlint.findings import Report


class Format(str, Enum):
    """The ways to write a report."""

    TEXT = "text"
    CONCISE = "concise"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def render(
    report: Report,
    kind: Format,
    *,
    color: bool = False,
    counts: bool = False,
    why: bool = False,
    unsafe: bool = False,
    by_build: bool = False,
) -> Iterator[str]:
    """The lines of `report` in the format `kind`, without their newlines.

    With `counts`, the findings of each rule are counted; with `why`, the steps that lead to each follow it (in text); with
    `unsafe`, unsafe fixes are marked like safe ones; with `by_build`, text and concise output begins with what fails only on free-threaded builds.
    Only text and concise output has colours. Raises ValueError for counts in a format that has none.
    """
    # Each format is imported where it is wanted: most runs write text.
    if counts:
        from threadlint.report import statistics

        if kind in {Format.TEXT, Format.CONCISE}:
            return statistics.as_text(report)
        if kind is Format.JSON:
            return statistics.as_json(report)
        raise ValueError(f"the format {kind.value} has no statistics; text, concise and json have")
    if kind in {Format.TEXT, Format.CONCISE}:
        from threadlint.report import text

    if kind is Format.TEXT:
        return text.full(report, color=color, why=why, unsafe=unsafe, by_build=by_build)
    if kind is Format.CONCISE:
        return text.concise(report, color=color, unsafe=unsafe, by_build=by_build)
    from threadlint.report import github, json_array, sarif

    plain = {Format.JSON: json_array.render, Format.GITHUB: github.render, Format.SARIF: sarif.render}
    return plain[kind](report)
