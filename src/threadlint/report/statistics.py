"""How many findings each rule has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from threadlint.findings import Report


def as_text(report: Report) -> Iterator[str]:
    """Count, code and name of each rule with findings, most first."""
    counts = _counts(report)
    width = max((len(str(count)) for _, _, count in counts), default=0)
    return (f"{count:>{width}}  {code}  {name}" for code, name, count in counts)


def as_json(report: Report) -> Iterator[str]:
    """The same as one JSON array of objects."""
    yield json.dumps([{"code": code, "name": name, "count": count} for code, name, count in _counts(report)], indent=2)


def _counts(report: Report) -> list[tuple[str, str, int]]:
    counted = Counter((finding.code, finding.name) for finding in report.findings)
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [(code, name, count) for (code, name), count in ordered]
