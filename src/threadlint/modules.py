"""Dotted module names and the files behind them: which first-party files an import means, and what a file is called.

Follows the import system's path-based finder (https://docs.python.org/3/reference/import.html): a regular package before a
module before a namespace package, folder by folder. The folders are those that Python would search for the project's own
code: the one that holds the importing file's outermost package, then `src` of the configuration, `src/`, and the root.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from threadlint.config import Config

_SHARED = frozenset({"site-packages", "dist-packages"})
_PACKAGE = "__init__.py"


@dataclass(frozen=True, slots=True)
class Modules:
    """Looks modules up for one run, and remembers what it saw on the disk and by which folder a file was reached.

    Inside, paths are strings: this is asked of every import of every file, also where all else is remembered.
    """

    config: Config
    _listed: dict[str, dict[str, str]] = field(default_factory=dict)
    """by folder: what is in it, `file` or `folder`"""
    _reached: dict[str, str] = field(default_factory=dict)
    _tops: dict[str, str] = field(default_factory=dict)
    _importers: dict[Path, tuple[str, str]] = field(default_factory=dict)
    """by file: the folder that it lies in, and the first part of its name"""
    _found: dict[tuple[str, str, bool], Sequence[Path]] = field(default_factory=dict)

    def files(self, imported: str, importer: Path) -> Sequence[Path]:
        """The first-party files that run when `importer` imports `imported` (dotted, leading dots if relative).

        The packages on the way come first. Empty for what is not first-party; of `package.name`, where `name` is not a
        module, only the package is given.
        """
        known = self._importers.get(importer)
        if known is None:
            path = str(importer)
            folder = os.path.dirname(path)  # noqa: PTH120 see the class
            known = self._importers[importer] = folder, self._first(path)
        folder, first = known
        if imported.startswith(".") or not imported:
            key = (imported, folder, False)
        else:
            key = (imported, self._top(folder), imported.partition(".")[0] == first)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = list(map(Path, self._look(*key)))
        return found

    def name(self, path: Path) -> str:
        """The dotted name of the module in the file `path`; `package` for `package/__init__.py`.

        Where an import reached the file through a folder further up than its outermost package, as namespace packages
        are, the name is the one that the import used. Ask when all imports have been looked up.
        """
        top = self._top(str(path.parent))
        relative = path.relative_to(self._reached.get(top) or self._source_root(top)).with_suffix("")
        parts = relative.parts[:-1] if relative.name == "__init__" and len(relative.parts) > 1 else relative.parts
        return ".".join(parts)

    def _first(self, path: str) -> str:
        """The first part of the file's name below the folder that must be on `sys.path`."""
        top = self._top(os.path.dirname(path))  # noqa: PTH120 see the class
        return Path(path).relative_to(top).with_suffix("").parts[0]

    def _look(self, imported: str, folder: str, own: bool) -> list[str]:  # noqa: FBT001
        name = imported.lstrip(".")
        parts = name.split(".") if name else []
        level = len(imported) - len(name)
        if not level and name:
            return self._absolute(parts, folder, own=own)
        for _ in range(max(level, 1) - 1):
            folder = os.path.dirname(folder)  # noqa: PTH120 see the class
        package = os.path.join(folder, _PACKAGE)  # noqa: PTH118 see the class
        head = [package] if self._kind(folder, _PACKAGE) == "file" else []
        return [*head, *self._along(folder, parts)]

    def _absolute(self, parts: Sequence[str], top: str, *, own: bool) -> list[str]:
        for root in self._roots(top, own=own):
            found = list(self._along(root, parts))
            if found:
                for path in found:
                    self._note(path, root)
                return found
        return []

    def _roots(self, top: str, *, own: bool) -> Iterator[str]:
        root = self.config.root.absolute()
        shared = os.path.basename(top) in _SHARED or not Path(top).is_relative_to(root)  # noqa: PTH119 see the class
        # Beside a package that is installed, or whose project is only the folder named, lies other people's code.
        if own or not shared:
            yield top
        for folder in self.config.src:
            yield str(root / folder)
        yield str(root / "src")
        yield str(root)

    def _top(self, folder: str) -> str:
        """The folder that holds the outermost package of a file in `folder`: the one that must be on `sys.path`."""
        top = self._tops.get(folder)
        if top is None:
            above = os.path.dirname(folder)  # noqa: PTH120 see the class
            inside = above != folder and self._kind(folder, _PACKAGE) == "file"
            top = self._tops[folder] = self._top(above) if inside else folder
        return top

    def _source_root(self, top: str) -> Path:
        """The configured source folder around `top`, in which folders without `__init__.py` are namespace packages."""
        root = self.config.root.absolute()
        around = [
            folder
            for folder in (*(root / name for name in self.config.src), root / "src")
            if Path(top).is_relative_to(folder)
        ]
        return max(around, key=lambda folder: len(folder.parts), default=Path(top))

    def _note(self, path: str, root: str) -> None:
        top = self._top(os.path.dirname(path))  # noqa: PTH120 see the class
        if root != top and Path(top).is_relative_to(root):
            self._reached.setdefault(top, root)

    def _along(self, folder: str, parts: Sequence[str]) -> Iterator[str]:
        for number, part in enumerate(parts, start=1):
            inner = os.path.join(folder, part)  # noqa: PTH118 see the class
            if self._kind(folder, part) == "folder" and self._kind(inner, _PACKAGE) == "file":
                yield os.path.join(inner, _PACKAGE)  # noqa: PTH118 see the class
            elif self._kind(folder, f"{part}.py") == "file":
                yield f"{inner}.py"
                return
            elif number == len(parts) or self._kind(folder, part) != "folder":
                return
            folder = inner

    def _kind(self, folder: str, name: str) -> str:
        listed = self._listed.get(folder)
        if listed is None:
            listed = self._listed[folder] = _list(folder)
        return listed.get(name, "")


def _list(folder: str) -> dict[str, str]:
    """What is in the folder; nothing if it cannot be looked at."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: kind for entry in entries if (kind := _kind_of(entry))}
    except (OSError, ValueError):
        # unsound: a module that cannot be looked at is taken for third-party.
        return {}


def _kind_of(entry: os.DirEntry[str]) -> str:
    try:
        return "file" if entry.is_file() else "folder" if entry.is_dir() else ""
    except OSError:
        return ""
