"""Findings as GitHub workflow commands, which GitHub shows beside the changed lines.

Form and escapes: https://docs.github.com/actions/reference/workflow-commands-for-github-actions and the runner's own
`@actions/core` (`escapeData`, `escapeProperty`).
"""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.findings import Finding, Report, Severity

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report) -> Iterator[str]:
    """One `::error`, `::warning` or `::notice` command for each finding; related places are lines of its message."""
    return map(_command, report.findings)


def _command(finding: Finding) -> str:
    site = finding.site
    properties = {
        "title": f"{finding.code} {finding.name}",
        "file": site.path,
        "line": str(site.line),
        "col": str(site.column),
        "endLine": str(site.end_line),
    }
    if site.end_line == site.line:
        # Columns of different lines make GitHub drop the range.
        properties["endColumn"] = str(site.end_column)
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    others = (f"{other.site.path}:{other.site.line}:{other.site.column}: {other.message}" for other in finding.related)
    place = f"{site.path}:{site.line}:{site.column}"
    message = "\n".join([f"{place}: {finding.code} {finding.message} [{finding.name}]", *others])
    return f"::{_COMMANDS[finding.severity]} {written}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
