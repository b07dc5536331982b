"""Findings of one file -> its text with as many of their fixes made as stand apart from each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from threadlint.facts.outline import NEWLINE
from threadlint.facts.source import Source, SourceError, python_tree, run_deep
from threadlint.findings import Edit, Finding, Fix, Report, Site
from threadlint.fixes.kinds import kinds
from threadlint.fixes.tree import Edits, Refused, Tree


@dataclass(frozen=True)
class Attempt:
    """A changed text, the findings whose fixes it has, and those whose fixes cannot be made, with the reason."""

    text: str
    made: tuple[Finding, ...]
    refused: tuple[tuple[Finding, str], ...]


def attempt(source: Source, findings: Iterable[Finding], limit: int) -> Attempt:
    """Make the fixes of up to `limit` of the findings, which all change this file, those that stand first first."""
    return run_deep(_attempt, source, tuple(findings), limit)


def _attempt(source: Source, findings: tuple[Finding, ...], limit: int) -> Attempt:
    tree = Tree(source)
    if tree.module.code != source.text:  # such as one whose lines end with carriage returns
        return Attempt(source.text, (), tuple((one, "LibCST does not write this file as it is") for one in findings))
    together: Edits = {}
    made: list[Finding] = []
    refused: list[tuple[Finding, str]] = []
    for finding in findings:
        if finding.fix is None or len(made) == limit:
            continue
        try:
            edits = _edits(tree, finding.fix)
        except Refused as reason:
            refused.append((finding, str(reason)))
            continue
        if not tree.clash(edits, together):
            together |= edits
            made.append(finding)
    return Attempt(tree.text(together) if made else source.text, tuple(made), tuple(refused))


def _edits(tree: Tree, fix: Fix) -> Edits:
    make = kinds().get(fix.change)
    if make is None:
        raise Refused("there is no such change")
    return make(tree, fix)


def with_edits(report: Report) -> Report:
    """The report with what each fix changes; a fix that cannot be made here is left out."""
    return replace(report, findings=tuple(_with_edits(report)))


def _with_edits(report: Report) -> Iterator[Finding]:
    trees: dict[str, Tree | None] = {}
    for finding in report.findings:
        path = finding.fix.path if finding.fix else ""
        if finding.fix is None or path not in report.sources:
            yield replace(finding, fix=None)
            continue
        source = Source(path, report.sources[path], b"")
        if path not in trees:
            trees[path] = _tree(source)
        tree = trees[path]
        edits = run_deep(_described, source, tree, finding.fix) if tree is not None else ()
        yield replace(finding, fix=finding.fix if edits else None, edits=edits)


def _tree(source: Source) -> Tree | None:
    try:
        tree: Tree = run_deep(Tree, source)
    except SourceError:
        return None
    return tree if tree.module.code == source.text else None


def _described(source: Source, tree: Tree, fix: Fix) -> tuple[Edit, ...]:
    try:
        text = tree.text(_edits(tree, fix))
    except Refused:
        return ()
    return (difference(source.name, source.text, text),) if reads(source.text, text) and text != source.text else ()


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
