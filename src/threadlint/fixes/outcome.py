"""What fixing came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from threadlint.findings import Finding, Report


@dataclass(frozen=True, slots=True)
class Refusal:
    """A fix that was tried and not kept."""

    finding: Finding
    reason: str


@dataclass(frozen=True)
class Fixed:
    """What fixing came to: the report on the fixed files, their old and new contents by path, and the findings fixed."""

    report: Report
    before: Mapping[str, bytes]
    after: Mapping[str, bytes]
    fixed: tuple[Finding, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    settled: bool = True
    """whether nothing is left that could be fixed"""
