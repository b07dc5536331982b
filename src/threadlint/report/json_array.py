"""Findings as one JSON array of objects, one for each finding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from threadlint.findings import Finding, Report


def render(report: Report) -> Iterator[str]:
    """The array, in the order of the report; lines and columns from 1, `end_column` after the last character."""
    yield json.dumps([as_dict(finding) for finding in report.findings], indent=2)


def as_dict(finding: Finding) -> dict[str, Any]:
    """One finding as the object that stands for it."""
    site = finding.site
    proof = {} if finding.verdict is None else {"verdict": finding.verdict, "confirmed": finding.confirmed}
    return {
        "code": finding.code,
        "name": finding.name,
        "message": finding.message,
        "path": site.path,
        "line": site.line,
        "column": site.column,
        "end_line": site.end_line,
        "end_column": site.end_column,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "builds": finding.builds.value,
        "url": finding.url,
        **proof,
        "related": [
            {
                "path": related.site.path,
                "line": related.site.line,
                "column": related.site.column,
                "message": related.message,
            }
            for related in finding.related
        ],
        "fix": _fix(finding),
    }


def _fix(finding: Finding) -> dict[str, Any] | None:
    fix = finding.fix
    if fix is None:
        return None
    return {
        "change": fix.change.value,
        "message": fix.change.title,
        "safe": fix.safe,
        "edits": [
            {
                "path": edit.site.path,
                "line": edit.site.line,
                "column": edit.site.column,
                "end_line": edit.site.end_line,
                "end_column": edit.site.end_column,
                "text": edit.text,
            }
            for edit in finding.edits
        ],
    }
