"""The parts of a run: files that imports connect, in whichever direction.

What a value is, who calls whom and what runs on which thread is followed along imports only, so the findings in one part cannot
depend on the files of another. Each part is linked for itself: that keeps few facts in memory at a time, and its findings can be
remembered until one of its files changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from threadlint.checking.connected import connected
from threadlint.loading.load import Loaded


@dataclass(frozen=True, slots=True)
class Part:
    """Files that are connected, by path; `switches` are the settings of the whole program that make frameworks use threads."""

    files: tuple[Loaded, ...]
    switches: frozenset[str] = frozenset()

    @property
    def concerned(self) -> bool:
        """Whether rules that are not for code everywhere can have anything to say of these files: one of them speaks of concurrency, or a setting may make a framework use threads."""
        return bool(self.switches) or any(one.card.concerns for one in self.files)


def parts(loaded: Mapping[Path, Loaded]) -> list[Part]:
    """The parts, by their first file."""
    by_path = {str(path): loaded[path] for path in sorted(loaded)}
    leads_to = {path: list(map(str, one.leads_to)) for path, one in by_path.items()}
    groups = [[by_path[path] for path in paths] for paths in connected(leads_to)]
    switches = frozenset(name for one in loaded.values() for name in one.card.switches)
    return [Part(tuple(group), switches) for group in groups]
