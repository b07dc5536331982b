"""`threadlint check --fix` and `--diff`: what is done with the fixes, and what is said of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

import click

from threadlint.findings import Failure, Finding, Report

if TYPE_CHECKING:
    from threadlint.cache.store import Store
    from threadlint.fixes.outcome import Fixed


class Mode(Enum):
    """What is done with fixes: they are offered, made, or shown."""

    OFFER = 1
    FIX = 2
    DIFF = 3


def linted(
    lint: Callable[[Mapping[str, bytes]], Report],
    mode: Mode,
    *,
    unsafe: bool,
    stdin: tuple[str, bytes] | None,
    store: Store,
) -> Fixed:
    """Lint, and try the fixes; nothing is written. In the report, each finding that has a fix says what it changes."""
    from threadlint.fixes.offers import offered
    from threadlint.fixes.outcome import Fixed

    if mode is Mode.OFFER:
        fixed = Fixed(lint({}), {}, {})
    else:
        from threadlint.fixes.rounds import fix

        fixed = fix(lint, unsafe=unsafe, contents=dict([stdin] if stdin else []))
    return replace(fixed, report=offered(fixed.report, store))


def write(fixed: Fixed, stdin: tuple[str, bytes] | None) -> Report:
    """Write the fixed files, standard input to standard output; the report with what could not be written."""
    from threadlint.fixes.files import write as write_file

    failures: list[Failure] = []
    for path, data in fixed.after.items():
        if stdin is not None and path == stdin[0]:
            continue
        try:
            write_file(path, fixed.before[path], data)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            failures.append(Failure(path, 0, 0, f"cannot be written, so its findings are not fixed: {reason}"))
    if stdin is not None:
        name, content = stdin
        sys.stdout.buffer.write(fixed.after.get(name, content))
    unwritten = {failure.path for failure in failures}
    done = [one for one in fixed.fixed if one.fix is not None and one.fix.path not in unwritten]
    _tell(fixed)
    if done:
        click.echo(f"Fixed {_counted(done)}", err=True)
    return replace(fixed.report, failures=(*fixed.report.failures, *failures))


def show(fixed: Fixed, *, unsafe: bool, color: bool) -> None:
    """Print the differences that fixing makes."""
    from threadlint.facts.source import decode
    from threadlint.fixes.files import diff

    colors = {"+": "green", "-": "red", "@": "cyan"}
    for path, data in fixed.after.items():
        before, after = decode(fixed.before[path], path).text, decode(data, path).text
        for line in diff(path, before, after):
            click.echo(click.style(line, fg=colors.get(line[:1])) if color else line, color=color)
    _tell(fixed)
    left = 0 if unsafe else sum(one.fix is not None and not one.fix.safe for one in fixed.report.findings)
    more = f"; {left} more with `--unsafe-fixes`" if left else ""
    click.echo(f"Would fix {_counted(fixed.fixed) if fixed.fixed else 'nothing'}{more}", err=True)


def _tell(fixed: Fixed) -> None:
    """Say which fixes were not made, and why."""
    from threadlint.report.excerpt import visible

    for refusal in fixed.refusals:
        site = refusal.finding.site
        place = f"{visible(site.path)}:{site.line}:{site.column}"
        click.echo(f"{place}: warning: {refusal.finding.code} is not fixed: {refusal.reason}", err=True)
    if not fixed.settled:
        click.echo("threadlint: warning: there is more to fix; run it again", err=True)


def _counted(findings: Iterable[Finding]) -> str:
    """How many findings in how many files, and how many of each rule."""
    listed = list(findings)
    files = {one.fix.path for one in listed if one.fix is not None}
    codes = ", ".join(f"{count} {code}" for code, count in sorted(Counter(one.code for one in listed).items()))
    return f"{len(listed)} finding{'s' * (len(listed) != 1)} in {len(files)} file{'s' * (len(files) != 1)} ({codes})"
