"""Findings for people: one block each with the source line and the other places, or one line each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from click import style

from threadlint.findings import Builds, Failure, Finding, Report, Severity, Site
from threadlint.report.excerpt import excerpt, source_lines, visible

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


_GROUPS = {
    Builds.FREE_THREADED: "Only on free-threaded builds; the GIL hides it today",
    Builds.EVERY: "On every build, with the GIL and without",
}


def full(
    report: Report, *, color: bool, why: bool = False, unsafe: bool = False, by_build: bool = False
) -> Iterator[str]:
    """Each finding with its source line underlined, then each related place in the same way, then an empty line.

    With `why`, the steps that lead from the thread root to the finding follow, numbered. With `by_build`, there are two groups.
    """
    if by_build:
        for title, group in _grouped(report):
            yield _bold(title, color=color)
            yield ""
            yield from full(group, color=color, why=why, unsafe=unsafe)
        return
    lines = {path: source_lines(text) for path, text in report.sources.items()}
    for finding in report.findings:
        yield _headline(finding, color=color, unsafe=unsafe)
        yield from _quote(finding.site, lines, _COLORS[finding.severity], color=color)
        for related in finding.related:
            place = _bold(_place(related.site), color=color)
            yield f"  {place}: {visible(related.message)}"
            yield from _quote(related.site, lines, "blue", color=color)
        if finding.fix is not None:
            yield f"  {'fix' if finding.fix.safe else 'unsafe fix'}: {finding.fix.change.title}"
        if finding.verdict is not None:
            yield f"  {visible(finding.verdict)}"
        if why and finding.why:
            yield "  why:"
            for number, step in enumerate(finding.why, 1):
                yield f"    {number}. {visible(step.message)} ({_place(step.site)})"
        yield ""


def concise(report: Report, *, color: bool, unsafe: bool = False, by_build: bool = False) -> Iterator[str]:
    """Each finding in one line."""
    if by_build:
        for title, group in _grouped(report):
            yield _bold(title, color=color)
            yield from concise(group, color=color, unsafe=unsafe)
        return
    for finding in report.findings:
        yield _headline(finding, color=color, unsafe=unsafe)


def _grouped(report: Report) -> Iterator[tuple[str, Report]]:
    """The findings that fail only without the GIL, then the others; each group with its title, and none that is empty."""
    for builds, title in _GROUPS.items():
        found = tuple(finding for finding in report.findings if finding.builds is builds)
        if found:
            yield f"{title} ({len(found)}):", replace(report, findings=found)


def failure(failed: Failure) -> str:
    """What could not be done, in one line; a line of 0 stands for no line."""
    if not failed.path:
        return f"threadlint: error: {visible(failed.message)}"
    place = f":{failed.line}:{max(failed.column, 1)}" if failed.line else ""
    return f"{visible(failed.path)}{place}: error: {visible(failed.message)}"


def summary(report: Report) -> str:
    """How many findings there are in how many files, in one line."""
    count = len(report.findings)
    findings = "no findings" if not count else "1 finding" if count == 1 else f"{count} findings"
    return f"{findings} in {report.files} file{'' if report.files == 1 else 's'}"


def fixable(report: Report, *, unsafe: bool) -> Iterator[str]:
    """How many findings have a fix, in one line; no line where none has."""
    fixes = [finding.fix for finding in report.findings if finding.fix is not None]
    safe = sum(fix.safe for fix in fixes)
    if safe == len(fixes) or unsafe:
        if fixes:
            yield f"[*] {len(fixes)} fixable with `--fix{' --unsafe-fixes' if safe < len(fixes) else ''}`"
    elif safe:
        yield f"[*] {safe} fixable with `--fix` ({len(fixes) - safe} more with `--unsafe-fixes`)"
    else:
        yield f"{len(fixes)} fixable with `--fix --unsafe-fixes`"


def _headline(finding: Finding, *, color: bool, unsafe: bool) -> str:
    place = _bold(_place(finding.site), color=color)
    code = style(finding.code, fg=_COLORS[finding.severity], bold=True) if color else finding.code
    mark = "[*] " if finding.fix is not None and (finding.fix.safe or unsafe) else ""
    return f"{place}: {code} {mark}{visible(finding.message)} [{finding.name}]"


def _place(site: Site) -> str:
    return f"{visible(site.path)}:{site.line}:{site.column}"


def _quote(site: Site, lines: dict[str, list[str]], mark: str, *, color: bool) -> Iterator[str]:
    quoted = excerpt(lines.get(site.path, []), site)
    if quoted is None:
        return
    shown, underline = quoted
    yield f"{site.line:>6} | {shown}"
    yield f"{'':6} | {style(underline, fg=mark) if color else underline}"


def _bold(text: str, *, color: bool) -> str:
    return style(text, bold=True) if color else text
