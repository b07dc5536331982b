"""Which files are meant by the paths that the user names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from errno import ELOOP
from itertools import takewhile
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from threadlint.config import Config
from threadlint.findings import Failure

if TYPE_CHECKING:
    # Imported where patterns are needed: for a file that is named, nothing is.
    from pathspec import GitIgnoreSpec

SUFFIXES = (".py", ".pyw")
"""Files with these endings are looked for in folders. Stubs (.pyi) hold no behaviour."""

DEFAULT_EXCLUDE = (
    ".bzr/",
    ".direnv/",
    ".eggs/",
    ".git/",
    ".hg/",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".nox/",
    ".pyenv/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".svn/",
    ".threadlint_cache/",
    ".tox/",
    ".venv/",
    "__pycache__/",
    "__pypackages__/",
    "node_modules/",
    "site-packages/",
    "*.egg-info/",
)
"""Folders that hold no code of the project, whatever the configuration says. Virtual environments are known by their
`pyvenv.cfg`, since the standard library has a package `venv`."""

_BUILT = frozenset({"build", "dist"})
"""Names of folders for built copies, unless the folder is a package."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to lint: where it is, and the name that reports give it."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Discovered:
    """The files found, each once, in the order named and sorted within a folder; and what could not be looked at."""

    files: tuple[SourceFile, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class _Level:
    """Patterns that hold below the folder `base`: one .gitignore, or one pattern of `exclude`."""

    base: str
    spec: GitIgnoreSpec

    def verdict(self, path: str, *, folder: bool) -> bool | None:
        """True for left out, False for explicitly kept, None where the patterns say nothing about `path`."""
        if not path.startswith(self.base + os.sep):
            return None
        relative = path[len(self.base) + 1 :].replace(os.sep, "/")
        return self.spec.check_file(relative + "/" if folder else relative).include


def discover(paths: Sequence[str], config: Config) -> Discovered:
    """Find the files that `paths` (files and folders) mean under `config`.

    A file that is named is taken whatever its ending, and even if it is excluded, unless `config.force_exclude`. In a
    folder, `DEFAULT_EXCLUDE`, virtual environments, what .gitignore and `config.exclude` name and symbolic links to
    folders are left out; a pattern that leaves out the very folder that was named does not count.
    """
    files: dict[str, SourceFile] = {}
    failures: list[Failure] = []
    for named in paths:
        shown = os.path.normpath(named)
        for found in _named(shown, config):
            if isinstance(found, Failure):
                failures.append(found)
            else:
                files.setdefault(str(found.path), found)
    return Discovered(tuple(files.values()), tuple(failures))


def _named(shown: str, config: Config) -> Iterator[SourceFile | Failure]:
    path = os.path.abspath(shown)  # noqa: PTH100 Path.absolute keeps `..`
    try:
        is_folder = S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError) as error:
        yield _failure(shown, error)
        return
    if not is_folder and not config.force_exclude:
        yield SourceFile(Path(path), shown)
        return
    excludes = _excludes(path, config)
    hit = [level for level in excludes if level.verdict(path, folder=is_folder)]
    if config.force_exclude and (hit or _in_built(path, str(config.root))):
        return
    if is_folder:
        ignores = _gitignores_above(path, config) if config.respect_gitignore else []
        ignores = [level for level in ignores if not level.verdict(path, folder=True)]
        yield from _walk(shown, path, [level for level in excludes if level not in hit], ignores, config)
    else:
        yield SourceFile(Path(path), shown)


def _walk(
    shown: str, path: str, excludes: list[_Level], ignores: list[_Level], config: Config
) -> Iterator[SourceFile | Failure]:
    waiting = [(shown, path, ignores)]
    while waiting:
        shown, path, ignores = waiting.pop()
        try:
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield _failure(shown, error)
            continue
        if config.respect_gitignore and any(entry.name == ".gitignore" for entry in entries):
            ignores = [*ignores, *_gitignore(path)]
        prefix = "" if shown == os.curdir else shown.rstrip(os.sep) + os.sep
        folders: list[tuple[str, str, list[_Level]]] = []
        for entry in entries:
            # A link to a folder is not followed: its files have a name of their own, or are not part of this folder.
            folder = entry.is_dir(follow_symlinks=False)
            if not (folder or entry.name.endswith(SUFFIXES)) or _left_out(entry.path, folder, excludes, ignores):
                continue
            if not folder:
                yield from _file(entry, prefix + entry.name)
            elif not _has_own_purpose(entry):
                folders.append((prefix + entry.name, entry.path, ignores))
        waiting.extend(reversed(folders))


def _file(entry: os.DirEntry[str], shown: str) -> Iterator[SourceFile | Failure]:
    # Emacs marks open files with links that lead nowhere, named `.#file.py`.
    if entry.is_symlink() and entry.name.startswith(".#"):
        return
    try:
        # Sockets, pipes and links to folders may be called what they like; a link that leads nowhere is reported.
        if S_ISREG(entry.stat().st_mode):
            yield SourceFile(Path(entry.path), shown)
    except OSError as error:
        yield _failure(shown, error)


def _left_out(path: str, folder: bool, excludes: list[_Level], ignores: list[_Level]) -> bool:  # noqa: FBT001
    if any(level.verdict(path, folder=folder) for level in excludes):
        return True
    for level in reversed(ignores):
        verdict = level.verdict(path, folder=folder)
        if verdict is not None:
            return verdict
    return False


def _has_own_purpose(entry: os.DirEntry[str]) -> bool:
    """Whether a folder is a virtual environment or holds built copies."""
    if Path(entry.path, "pyvenv.cfg").exists():
        return True
    return entry.name in _BUILT and not Path(entry.path, "__init__.py").exists()


def _in_built(path: str, root: str) -> bool:
    folders = takewhile(lambda parent: parent.is_relative_to(root), Path(path).parents)
    return any(folder.name in _BUILT and not (folder / "__init__.py").exists() for folder in folders)


def _excludes(path: str, config: Config) -> list[_Level]:
    root = str(config.root.absolute())
    # Patterns are relative to the project; a folder elsewhere is looked at as a project of its own.
    base = root if path == root or path.startswith(root.rstrip(os.sep) + os.sep) else path
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 see above

    return [
        _Level(base.rstrip(os.sep), GitIgnoreSpec.from_lines([line])) for line in (*DEFAULT_EXCLUDE, *config.exclude)
    ]


def _gitignores_above(path: str, config: Config) -> list[_Level]:
    """The .gitignore files that hold for the folder `path` from above it, outermost first."""
    folder = Path(path)
    above = list(folder.parents)
    top = next((parent for parent in (folder, *above) if (parent / ".git").exists()), config.root.absolute())
    levels = [_Level(str(top).rstrip(os.sep), spec) for spec in _read(top / ".git" / "info" / "exclude")]
    for parent in reversed(above):
        if parent.is_relative_to(top):
            levels += _gitignore(str(parent))
    return levels


def _gitignore(folder: str) -> list[_Level]:
    return [_Level(folder.rstrip(os.sep), spec) for spec in _read(Path(folder, ".gitignore"))]


def _read(path: Path) -> list[GitIgnoreSpec]:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 see above

    try:
        lines = path.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    try:
        return [GitIgnoreSpec.from_lines(lines)]
    except ValueError:
        # As git does: a line that is no pattern matches nothing.
        return [GitIgnoreSpec.from_lines(line for line in lines if _is_pattern(line))]


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 see above

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _failure(shown: str, error: OSError | ValueError) -> Failure:
    if isinstance(error, FileNotFoundError):
        return Failure(shown, 0, 0, "no such file or folder")
    if isinstance(error, OSError) and error.errno == ELOOP:
        return Failure(shown, 0, 0, "a symbolic link that leads to itself")
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Failure(shown, 0, 0, f"cannot be read: {(reason or str(error)).lower()}")
