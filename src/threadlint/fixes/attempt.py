"""Findings of one file -> its text with as many of their fixes made as stand apart from each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from threadlint.facts.outline import NEWLINE
from threadlint.facts.source import Source, python_tree, run_deep
from threadlint.findings import Edit, Finding, Fix, Site
from threadlint.fixes.kinds import kinds
from threadlint.fixes.tree import Edits, Refused, Tree


@dataclass(frozen=True)
class Attempt:
    """A changed text, and the findings whose fixes it has, each with the fix that was made."""

    text: str
    made: tuple[Finding, ...]


def attempt(source: Source, wanted: Iterable[Sequence[Finding]], limit: int) -> Attempt:
    """Make up to `limit` fixes, all of this file, those that stand first first; of each of `wanted`, the first that can be made."""
    return run_deep(_attempt, source, tuple(wanted), limit)


def _attempt(source: Source, wanted: tuple[Sequence[Finding], ...], limit: int) -> Attempt:
    tree = Tree(source)
    if tree.module.code != source.text:  # such as one whose lines end with carriage returns
        return Attempt(source.text, ())
    together: Edits = {}
    made: list[Finding] = []
    for alternatives in wanted:
        found = _first(tree, alternatives)
        if found is not None and len(made) < limit and not tree.clash(found[1], together):
            together |= found[1]
            made.append(found[0])
    return Attempt(tree.text(together) if made else source.text, tuple(made))


def _first(tree: Tree, alternatives: Iterable[Finding]) -> tuple[Finding, Edits] | None:
    for finding in alternatives:
        if finding.fix is not None:
            with suppress(Refused):
                edits = _edits(tree, finding.fix)
                if edits:
                    return finding, edits
    return None


def alternatives(finding: Finding) -> Iterator[Finding]:
    """The finding with each of the fixes that can be tried for it."""
    for fix in finding.fix.alternatives if finding.fix else ():
        yield replace(finding, fix=fix)


def _edits(tree: Tree, fix: Fix) -> Edits:
    make = kinds().get(fix.change)
    if make is None:
        raise Refused("there is no such change")
    return make(tree, fix)


def described(source: Source, findings: Iterable[Finding]) -> list[Finding]:
    """The findings, which all change this file, each with the first of its fixes that can be made, and what that changes; else without."""
    return run_deep(_described, source, tuple(findings))


def _described(source: Source, findings: tuple[Finding, ...]) -> list[Finding]:
    tree = Tree(source)
    if tree.module.code != source.text:  # see _attempt
        return [replace(finding, fix=None) for finding in findings]
    return [_with_edits(tree, finding) for finding in findings]


def _with_edits(tree: Tree, finding: Finding) -> Finding:
    before = tree.source.text
    for one in alternatives(finding):
        found = _first(tree, [one])
        after = tree.text(found[1]) if found is not None else before
        if after != before and reads(before, after):
            return replace(one, edits=(difference(tree.source.name, before, after),))
    return replace(finding, fix=None)


def difference(path: str, before: str, after: str) -> Edit:
    """The one edit that turns `before` into `after`: whole lines, from the first to the last that differ."""
    old, new = _lines(before), _lines(after)
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    tail = 0
    while tail < min(len(old), len(new)) - same and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    site = Site(path, same + 1, 1, len(old) - tail + 1, 1)
    if tail == 0 and old and not old[-1].endswith(("\r", "\n")):
        site = replace(site, end_line=len(old), end_column=len(old[-1]) + 1)
    return Edit(site, "".join(new[same : len(new) - tail]))


def _lines(text: str) -> list[str]:
    """The lines with their ends."""
    ends = [found.end() for found in NEWLINE.finditer(text)]
    starts = [0, *ends]
    return [text[start:end] for start, end in zip(starts, [*ends, len(text)], strict=True) if start < end]


def reads(before: str, after: str) -> bool:
    """Whether Python compiles the text, or did not compile what it was before either."""
    return _compiles(after) or not _compiles(before)


def _compiles(text: str) -> bool:
    try:
        compile(python_tree(text), "<fixed>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
