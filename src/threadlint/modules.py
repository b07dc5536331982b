"""Dotted module names and the files behind them: which first-party files an import means, and what a file is called.

Follows the import system's path-based finder (https://docs.python.org/3/reference/import.html): a regular package before a
module before a namespace package, folder by folder. The folders are those that Python would search for the project's own
code: the one that holds the importing file's outermost package, then `src` of the configuration, `src/`, and the root.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from threadlint.config import Config

_SHARED = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class Modules:
    """Looks modules up for one run, and remembers what it saw on the disk and by which folder a file was reached."""

    config: Config
    _seen: dict[Path, str] = field(default_factory=dict)
    _reached: dict[Path, Path] = field(default_factory=dict)
    _tops: dict[Path, Path] = field(default_factory=dict)
    _found: dict[tuple[str, Path, bool], Sequence[Path]] = field(default_factory=dict)

    def files(self, imported: str, importer: Path) -> Sequence[Path]:
        """The first-party files that run when `importer` imports `imported` (dotted, leading dots if relative).

        The packages on the way come first. Empty for what is not first-party; of `package.name`, where `name` is not a
        module, only the package is given.
        """
        name = imported.lstrip(".")
        parts = name.split(".") if name else []
        level = len(imported) - len(name)
        if level or not name:
            folder = importer.parents[max(min(level, len(importer.parents)), 1) - 1]
            package = folder / "__init__.py"
            head = [package] if self._kind(package) == "file" else []
            return [*head, *self._along(folder, parts)]
        top = self._top(importer)
        own = parts[0] == importer.relative_to(top).with_suffix("").parts[0]
        found = self._found.get((imported, top, own))
        if found is None:
            found = self._found[imported, top, own] = self._absolute(parts, top, own=own)
        return found

    def name(self, path: Path) -> str:
        """The dotted name of the module in the file `path`; `package` for `package/__init__.py`.

        Where an import reached the file through a folder further up than its outermost package, as namespace packages
        are, the name is the one that the import used. Ask when all imports have been looked up.
        """
        top = self._top(path)
        relative = path.relative_to(self._reached.get(top, self._source_root(top))).with_suffix("")
        parts = relative.parts[:-1] if relative.name == "__init__" and len(relative.parts) > 1 else relative.parts
        return ".".join(parts)

    def _absolute(self, parts: Sequence[str], top: Path, *, own: bool) -> Sequence[Path]:
        for root in self._roots(top, own=own):
            found = list(self._along(root, parts))
            if found:
                for path in found:
                    self._note(path, root)
                return found
        return []

    def _roots(self, top: Path, *, own: bool) -> Iterator[Path]:
        root = self.config.root.absolute()
        shared = top.name in _SHARED or not top.is_relative_to(root)
        # Beside a package that is installed, or whose project is only the folder named, lies other people's code.
        if own or not shared:
            yield top
        for folder in self.config.src:
            yield root / folder
        yield root / "src"
        yield root

    def _top(self, path: Path) -> Path:
        """The folder that holds the outermost package of `path`: the one that must be on `sys.path`."""
        folder = path.parent
        top = self._tops.get(folder)
        if top is None:
            inside = folder.parent != folder and self._kind(folder / "__init__.py") == "file"
            top = self._tops[folder] = self._top(folder) if inside else folder
        return top

    def _source_root(self, top: Path) -> Path:
        """The configured source folder around `top`, in which folders without `__init__.py` are namespace packages."""
        root = self.config.root.absolute()
        around = [
            folder
            for folder in (*(root / name for name in self.config.src), root / "src")
            if top.is_relative_to(folder)
        ]
        return max(around, key=lambda folder: len(folder.parts), default=top)

    def _note(self, path: Path, root: Path) -> None:
        top = self._top(path)
        if root != top and top.is_relative_to(root):
            self._reached.setdefault(top, root)

    def _along(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        for number, part in enumerate(parts, start=1):
            package = folder / part / "__init__.py"
            if self._kind(package) == "file":
                yield package
            else:
                module = folder / f"{part}.py"
                if self._kind(module) == "file":
                    yield module
                    return
                if number == len(parts) or self._kind(folder / part) != "folder":
                    return
            folder /= part

    def _kind(self, path: Path) -> str:
        kind = self._seen.get(path)
        if kind is None:
            try:
                kind = "file" if path.is_file() else "folder" if path.is_dir() else ""
            except (OSError, ValueError):
                # unsound: a module that cannot be looked at is taken for third-party.
                kind = ""
            self._seen[path] = kind
        return kind
