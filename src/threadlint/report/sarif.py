"""Findings as a SARIF 2.1.0 log, for code scanning services and editors.

The standard: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; section numbers below are its own.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from threadlint import __version__
from threadlint.findings import Confidence, Edit, Failure, Finding, Fix, Related, Report, Severity, Site
from threadlint.report.excerpt import source_lines
from threadlint.rules.rule import all_rules

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/threadlint/threadlint"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_PRECISION = {Confidence.HIGH: "high", Confidence.MEDIUM: "medium", Confidence.LOW: "low"}


def render(report: Report) -> Iterator[str]:
    """The log: one run, with the rules that have findings, the findings, and what could not be done."""
    codes = sorted({finding.code for finding in report.findings})
    first = {finding.code: finding for finding in reversed(report.findings)}
    run = {
        "tool": {
            "driver": {
                "name": "threadlint",
                "semanticVersion": __version__,
                "informationUri": HOME,
                "rules": [_rule(first[code]) for code in codes],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not report.failures,
                "toolExecutionNotifications": [_notification(failure) for failure in report.failures],
            }
        ],
        # Columns count characters, not UTF-16 units (3.14.17).
        "columnKind": "unicodeCodePoints",
        "results": list(_results(report, codes)),
    }
    yield json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(finding: Finding) -> dict[str, Any]:
    described: dict[str, Any] = {"id": finding.code, "name": finding.name, "helpUri": finding.url}
    rule = all_rules().get(finding.code)
    if rule:
        described["shortDescription"] = {"text": rule.title}
        described["help"] = {"text": rule.page, "markdown": rule.page}
        described["defaultConfiguration"] = {"enabled": rule.default, "level": _LEVELS[rule.severity]}
        described["properties"] = {"precision": _PRECISION[rule.confidence], "tags": ["concurrency", rule.family]}
    return described


def _results(report: Report, codes: list[str]) -> Iterator[dict[str, Any]]:
    lines = {path: source_lines(text) for path, text in report.sources.items()}
    seen: Counter[str] = Counter()
    for finding in report.findings:
        quoted = lines.get(finding.site.path, [])
        line = quoted[finding.site.line - 1].strip() if finding.site.line <= len(quoted) else ""
        identity = f"{finding.code}\x00{finding.site.path}\x00{line}"
        digest = sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
        seen[digest] += 1
        result: dict[str, Any] = {
            "ruleId": finding.code,
            "ruleIndex": codes.index(finding.code),
            "level": _LEVELS[finding.severity],
            "message": {"text": finding.message},
            "locations": [{"physicalLocation": _location(finding.site)}],
            # Stays the same when lines move, so that a service knows the finding again (3.27.17).
            "partialFingerprints": {"threadlint/v1": f"{digest}:{seen[digest]}"},
            "properties": {"confidence": finding.confidence.value, "builds": finding.builds.value},
        }
        if finding.related:
            result["relatedLocations"] = [_related(number, one) for number, one in enumerate(finding.related, start=1)]
        if finding.fix is not None and finding.edits:
            result["fixes"] = [_fix(finding.fix, finding.edits)]
        yield result


def _fix(fix: Fix, edits: tuple[Edit, ...]) -> dict[str, Any]:
    """A change of one file (3.55); SARIF knows no unsafe ones, so the description says it."""
    return {
        "description": {"text": fix.change.title if fix.safe else f"{fix.change.title} (unsafe)"},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(fix.path),
                "replacements": [
                    {"deletedRegion": _region(edit.site), "insertedContent": {"text": edit.text}} for edit in edits
                ],
            }
        ],
    }


def _related(number: int, related: Related) -> dict[str, Any]:
    return {"id": number, "physicalLocation": _location(related.site), "message": {"text": related.message}}


def _location(site: Site) -> dict[str, Any]:
    return {"artifactLocation": _artifact(site.path), "region": _region(site)}


def _region(site: Site) -> dict[str, int]:
    return {
        "startLine": site.line,
        "startColumn": site.column,
        "endLine": site.end_line,
        "endColumn": site.end_column,
    }


def _artifact(path: str) -> dict[str, str]:
    if Path(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    # The name that services give the root of the checkout (3.4.4).
    return {"uri": quote(os.fsencode(path.replace(os.sep, "/"))), "uriBaseId": "%SRCROOT%"}


def _notification(failure: Failure) -> dict[str, Any]:
    notification: dict[str, Any] = {"level": "error", "message": {"text": failure.message}}
    if failure.path:
        location: dict[str, Any] = {"artifactLocation": _artifact(failure.path)}
        if failure.line:
            location["region"] = {"startLine": failure.line, "startColumn": max(failure.column, 1)}
        notification["locations"] = [{"physicalLocation": location}]
    return notification
