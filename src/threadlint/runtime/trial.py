"""What is to be tried: a flagged place, its partners, and the oracle that judges the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadlint.findings import Finding, Oracle, Site


@dataclass(frozen=True, slots=True)
class Trial:
    """One finding, or one line that is tried as if it had been found. `name` is the rule's name."""

    code: str
    name: str
    oracle: Oracle
    site: Site
    partners: tuple[Site, ...] = ()

    @staticmethod
    def of(finding: Finding) -> Trial | None:
        """The trial of a finding; None if its rule has no oracle."""
        if finding.oracle is None:
            return None
        return Trial(finding.code, finding.name, finding.oracle, finding.site, finding.partners)


@dataclass(frozen=True, slots=True)
class Program:
    """What is run: a script as `__main__` with arguments, or a command line that ends up in Python."""

    script: Path | None = None
    arguments: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How it is run.

    `python` is the interpreter for scripts (any CPython 3.10 or newer); `timeout` is in seconds for each run;
    `runs` is how often a trial is repeated before it counts as not confirmed; `jobs` trials run at the same time.
    """

    python: str
    timeout: float = 20.0
    runs: int = 3
    jobs: int = 1
    pauses: float = 4.0
    """Seconds that one run may spend holding threads."""
    harness: bool = False
    directory: Path | None = None
    """Where the program runs; None for the current folder."""
