"""The parts of a run: files that imports connect, in whichever direction.

What a value is, who calls whom and what runs on which thread is followed along imports only, so the findings in one part cannot
depend on the files of another. Each part is linked for itself: that keeps few facts in memory at a time, and its findings can be
remembered until one of its files changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from threadlint.checking.connected import connected
from threadlint.loading.load import Loaded


@dataclass(frozen=True, slots=True)
class Part:
    """Files that are connected, by path; `around` are files from elsewhere that hold settings of the whole program."""

    files: tuple[Loaded, ...]
    around: tuple[Loaded, ...] = ()

    @property
    def concerned(self) -> bool:
        """Whether rules that are not for code everywhere can have anything to say of these files: one of them speaks of concurrency, or a setting may make a framework use threads."""
        return bool(self.around) or any(one.card.concerns or one.card.ambient for one in self.files)


def parts(loaded: Mapping[Path, Loaded]) -> list[Part]:
    """The parts, by their first file."""
    by_path = {str(path): loaded[path] for path in sorted(loaded)}
    leads_to = {path: list(map(str, one.leads_to)) for path, one in by_path.items()}
    groups = [[by_path[path] for path in paths] for paths in connected(leads_to)]
    ambient = [one for path, one in sorted(loaded.items()) if one.card.ambient]
    return [Part(tuple(group), tuple(_beyond(ambient, group))) for group in groups]


def _beyond(ambient: Iterable[Loaded], group: Iterable[Loaded]) -> list[Loaded]:
    own = {one.file.path for one in group}
    return [one for one in ambient if one.file.path not in own]
