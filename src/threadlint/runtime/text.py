"""A verdict for people: one line that says it, and a timeline with one column for each thread involved."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadlint.runtime.verdict import Step, Verdict

MOST_COLUMNS = 3
WIDTH = 108
"""Columns of text that a timeline takes at most, so that it fits beside a margin of 4 in 112."""
GAP = 2


def render(verdict: Verdict) -> Iterator[str]:
    """The lines of one verdict: `path:line: CODE verdict`, the timeline, then the sentences of evidence."""
    yield f"{verdict.path}:{verdict.line}: {verdict.code} {verdict.verdict}"
    if verdict.evidence:
        yield ""
        for line in timeline(verdict.evidence, home=verdict.path):
            yield f"    {line}".rstrip()
        yield ""
    for note in verdict.notes:
        first, *rest = note.splitlines() or [""]
        yield f"    {first}"
        for line in rest:
            yield f"    {line}"


def timeline(steps: tuple[Step, ...], home: str) -> Iterator[str]:
    """The steps from top to bottom in the order in which they happened, each in the column of its thread."""
    threads = list(dict.fromkeys(step.thread for step in steps))
    if len(threads) > MOST_COLUMNS:
        yield from rows(steps, home)
        return
    cells = [(threads.index(step.thread), cell(step, home)) for step in steps]
    room = (WIDTH - GAP * (len(threads) - 1)) // len(threads)
    widths = []
    for column, thread in enumerate(threads):
        longest = max(len(line) for index, lines in cells if index == column for line in lines)
        widths.append(min(max(longest, len(thread)), room))
    yield (" " * GAP).join(thread[:width].ljust(width) for thread, width in zip(threads, widths, strict=True))
    yield (" " * GAP).join("-" * width for width in widths)
    for column, lines in cells:
        margin = " " * sum(width + GAP for width in widths[:column])
        for line in lines:
            indent = " " * (len(line) - len(line.lstrip()))
            for part in textwrap.wrap(line, widths[column], subsequent_indent=indent + "  ", drop_whitespace=True) or [
                ""
            ]:
                yield margin + (part if part.startswith(indent) else indent + part)


def rows(steps: tuple[Step, ...], home: str) -> Iterator[str]:
    """The same below each other, for more threads than fit beside each other."""
    for step in steps:
        first, *rest = cell(step, home)
        yield f"{step.thread}: {first}"
        yield from (f"    {line.strip()}" for line in rest)


def cell(step: Step, home: str) -> list[str]:
    """Where, the source line, and what happened there."""
    lines = []
    if step.line:
        same_file = os.path.realpath(step.path) == os.path.realpath(home)
        where = f"line {step.line}" if same_file else f"{Path(step.path).name}:{step.line}"
        lines.append(f"{where}: {step.text.partition('  #')[0]}" if step.text else where)
    lines.append(f"  {happened(step)}")
    return lines


def happened(step: Step) -> str:
    """The action with its values: `reads 0`, `overwrote: stored 1, lost 989`."""
    if len(step.values) == 1 and step.values[0][0] == step.action:
        return f"{step.action} {step.values[0][1]}"
    if not step.values:
        return step.action
    return f"{step.action}: " + ", ".join(f"{name} {value}" for name, value in step.values)
