"""Verdicts as one JSON array: {path, line, code, verdict, kind, evidence, runs, seconds} each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from threadlint.runtime.verdict import Step, Verdict


def render(verdicts: Iterable[Verdict]) -> str:
    """The array, indented, as text; `evidence` holds the steps first and the sentences after them."""
    return json.dumps([as_object(one) for one in verdicts], indent=2, ensure_ascii=False)


def as_object(verdict: Verdict) -> dict[str, Any]:
    """One verdict."""
    evidence: list[dict[str, Any]] = [step_object(step) for step in verdict.evidence]
    evidence += [{"note": note} for note in verdict.notes]
    return {
        "path": verdict.path,
        "line": verdict.line,
        "code": verdict.code,
        "verdict": verdict.verdict,
        "kind": verdict.kind,
        "evidence": evidence,
        "runs": verdict.runs,
        "seconds": verdict.seconds,
    }


def step_object(step: Step) -> dict[str, Any]:
    """One step of a witness."""
    return {
        "thread": step.thread,
        "action": step.action,
        "path": step.path,
        "line": step.line,
        "text": step.text,
        "values": dict(step.values),
        "stack": [{"path": path, "line": line, "function": function} for path, line, function in step.stack],
    }
