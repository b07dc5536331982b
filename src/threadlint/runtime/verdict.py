"""What the companion says about one trial, and what it saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Tier(str, Enum):
    """How far a verdict goes. No tier says "safe": what was not seen may still happen."""

    CONFIRMED = "confirmed"
    HARNESS = "confirmed-in-harness"
    NOT_CONFIRMED = "not confirmed"
    NOT_EXERCISED = "not exercised"
    CANNOT_RUN = "cannot run"
    TIMED_OUT = "timed out"
    ENGINE_ERROR = "engine error"

    @property
    def is_confirmed(self) -> bool:
        """Whether the mistake was seen."""
        return self in {Tier.CONFIRMED, Tier.HARNESS}

    @property
    def is_failure(self) -> bool:
        """Whether nothing can be said because the run itself went wrong."""
        return self in {Tier.CANNOT_RUN, Tier.TIMED_OUT, Tier.ENGINE_ERROR}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that one thread did. `values` are texts, such as what was read."""

    thread: str
    action: str
    path: str
    line: int
    text: str = ""
    values: tuple[tuple[str, str], ...] = ()
    stack: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one trial. `kind` names what was seen, None if nothing was; `notes` are sentences of evidence."""

    path: str
    line: int
    code: str
    tier: Tier
    verdict: str
    kind: str | None = None
    evidence: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    runs: int = 0
    seconds: float = field(default=0.0, compare=False)
    injected: bool = False
    """Whether the program was made to fail."""
    injected_line: int = 0
    """The line that was made to fail; 0 if it was a submitted callable, or nothing."""
