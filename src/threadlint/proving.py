"""Tries the findings of a report, so that each carries its verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from threadlint.findings import Finding, Report
from threadlint.runtime.confirm import confirm
from threadlint.runtime.trial import Options, Program, Trial
from threadlint.runtime.verdict import Verdict

NO_ORACLE = "not tried: no run can show this"


def with_verdicts(report: Report, options: Options, *, command: str = "", only_confirmed: bool = False) -> Report:
    """The report with a verdict on each finding; with `only_confirmed`, without the findings that no run has shown.

    Runs `command`, or else the file that each finding is in, as a script. This executes the code that was linted.
    """
    verdicts = dict(verdicts_of(report, options, command=command))
    proved = [_proved(finding, verdicts.get(finding)) for finding in report.findings]
    kept = [finding for finding in proved if finding.confirmed or not only_confirmed]
    return replace(report, findings=tuple(kept))


def verdicts_of(report: Report, options: Options, *, command: str = "") -> Iterator[tuple[Finding, Verdict]]:
    """Each finding that has an oracle, with the verdict of its trial; the findings of one program together."""
    programs: dict[str, list[tuple[Finding, Trial]]] = {}
    for finding in report.findings:
        trial = Trial.of(finding)
        if trial is not None:
            programs.setdefault(command or finding.site.path, []).append((finding, trial))
    for name, group in programs.items():
        program = Program(command=command) if command else Program(Path(name))
        verdicts = confirm(program, [trial for _, trial in group], options)
        yield from zip((finding for finding, _ in group), verdicts, strict=True)


def _proved(finding: Finding, verdict: Verdict | None) -> Finding:
    if verdict is None:
        return replace(finding, verdict=NO_ORACLE, confirmed=False)
    return replace(finding, verdict=verdict.verdict, confirmed=verdict.tier.is_confirmed)
