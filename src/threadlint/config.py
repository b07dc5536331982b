"""`[tool.threadlint]` of pyproject.toml, as a frozen value."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "pyproject.toml"
TABLE = "tool.threadlint"
PROJECT_MARKERS = (FILE_NAME, "setup.py", "setup.cfg", ".git", ".hg")
"""What stands at the root of a project that has no `[tool.threadlint]`."""


class ConfigError(Exception):
    """A configuration that cannot be used.

    `path` is the file, `line` and `column` count from 1; a line of 0 means that no line is to blame.
    """

    def __init__(self, message: str, path: Path, line: int = 0, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.line = line
        self.column = column

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else str(self.path)
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Config:
    """What the user asked for; each field is a key of `[tool.threadlint]` and an option of the command line.

    `select` empty means the default rules. Codes may be prefixes (`TL1`, `TL`, `ALL`).
    """

    root: Path = field(default_factory=Path.cwd)
    """The folder of the pyproject.toml that was read, else the current folder: paths in patterns are relative to it."""
    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    """Patterns, as in .gitignore, of files and folders to leave out, besides `discovery.DEFAULT_EXCLUDE`."""
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    target_version: tuple[int, int] | None = None
    """The oldest Python that the code must run on; None when nobody said."""
    free_threaded: bool = False
    src: tuple[str, ...] = ()
    """Extra folders in which first-party modules are looked for, besides the root and `src/`."""
    thread_roots: tuple[str, ...] = ()
    """Dotted names or patterns of functions that run on threads although nothing in the code says so."""
    force_exclude: bool = False
    """Leave out excluded files even if the user names them, as a tool that passes every changed file needs."""
    respect_gitignore: bool = True
    cache_dir: str = ""
    """The folder of the cache, relative to the root; empty for the usual one."""
    source: Path | None = None
    """The file that these values were read from; None where nothing was read."""

    def asks_for(self, code: str) -> bool:
        """Whether the user names the rule, or a family that it belongs to; some rules then report more than by default."""
        return any(one == "ALL" or code.startswith(one) for one in (*self.select, *self.extend_select))


def find(start: Path) -> tuple[Path, Path | None]:
    """The root of the project around the folder `start`, and the pyproject.toml to read, if any.

    The nearest pyproject.toml with `[tool.threadlint]` decides; without one, the nearest folder that looks like the root
    of a project, whose pyproject.toml may still tell the target version. Raises ConfigError for TOML that cannot be read.
    """
    start = start.absolute()
    folders = (start, *start.parents)
    for folder in folders:
        candidate = configures(folder)
        if candidate is not None:
            return folder, candidate
    for folder in folders:
        if any((folder / marker).exists() for marker in PROJECT_MARKERS):
            candidate = folder / FILE_NAME
            return folder, candidate if candidate.is_file() else None
    return start, None


def configures(folder: Path) -> Path | None:
    """The pyproject.toml of this very folder, if it has a `[tool.threadlint]`. Raises ConfigError for TOML that cannot be read."""
    candidate = folder / FILE_NAME
    return candidate if candidate.is_file() and _table(_parse(candidate)[1]) is not None else None


def common_folder(paths: Iterable[str]) -> Path:
    """The folder that all of the paths are in: the one whose configuration holds for them together."""
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 Path.absolute keeps `..`
    try:
        common = Path(os.path.commonpath(absolute))
    except ValueError:  # no paths, or paths on different drives
        return Path.cwd()
    return common if common.is_dir() else common.parent


def discover(start: Path) -> Config:
    """The configuration that holds for the folder `start`; defaults where there is none. Raises ConfigError."""
    root, path = find(start)
    return Config(root=root) if path is None else _load(path, required=False)


def load(path: Path) -> Config:
    """The configuration in the TOML file `path`, which must have a `[tool.threadlint]`. Raises ConfigError."""
    return _load(path, required=True)


def locate(path: Path, key: str, value: str | None = None) -> tuple[int, int]:
    """Line and column, from 1, of `key` in `[tool.threadlint]` of `path`, or of the string `value` after it; else (1, 1)."""
    try:
        return _position(path.read_text(encoding="utf-8"), key, value)
    except (OSError, UnicodeDecodeError):
        return 1, 1


def parse_version(text: str) -> tuple[int, int]:
    """`3.10` or `py310` as (3, 10). Raises ValueError."""
    match = re.fullmatch(r"(\d)\.(\d+)", text) or re.fullmatch(r"py(\d)(\d+)", text)
    if not match or int(match[1]) != 3:
        raise ValueError(f"`{text}` is not a version of Python 3, such as `3.10` or `py310`")
    return int(match[1]), int(match[2])


def _load(path: Path, *, required: bool) -> Config:
    text, document = _parse(path)
    root = path.absolute().parent
    table = _table(document)
    if table is None:
        if required:
            raise ConfigError(f"there is no [{TABLE}] here", path)
        table = {}
    if not isinstance(table, dict):
        raise ConfigError(f"`{TABLE}` must be a table", path, *_position(text, "threadlint"))
    values: dict[str, Any] = {}
    for key, value in table.items():
        reader = _READERS.get(key)
        if reader is None:
            near = get_close_matches(key, _READERS, n=1)
            hint = f": did you mean `{near[0]}`?" if near else f"; known keys are {', '.join(sorted(_READERS))}"
            raise ConfigError(f"unknown key `{key}` in [{TABLE}]{hint}", path, *_position(text, key))
        try:
            values[key.replace("-", "_")] = reader(value)
        except ValueError as error:
            raise ConfigError(f"`{key}`: {error}", path, *_position(text, key)) from None
    values.setdefault("target_version", _requires_python(document))
    return Config(root=root, source=path, **values)


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "not UTF-8, which TOML must be", path, error.object.count(b"\n", 0, error.start) + 1
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {(error.strerror or str(error)).lower()}", path) from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser tells the place only in its message (as attributes from Python 3.14).
        found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        message = str(error)[: found.start()] if found else str(error)
        last = text.count("\n") + 1
        line, column = (int(found[1]), int(found[2])) if found and found[1] else (last, 1)
        raise ConfigError(f"not TOML: {message[:1].lower()}{message[1:]}", path, line, column) from None


def _table(document: Mapping[str, Any]) -> Any:
    tool = document.get("tool")
    return tool.get("threadlint") if isinstance(tool, dict) else None


def _position(text: str, key: str, value: str | None = None) -> tuple[int, int]:
    table = re.search(r"^[ \t]*\[tool\.threadlint[\].]|^[ \t]*\[tool\][^\n]*", text, re.MULTILINE)
    start = table.start() if table else 0
    found = re.compile(rf"(?<![\w-])[\"']?({re.escape(key)})(?![\w-])[\"']?\s*[]=.]").search(text, start)
    at = found.start(1) if found else start
    if value is not None:
        inside = re.compile(rf"[\"']({re.escape(value)})[\"']").search(text, at)
        at = inside.start(1) if inside else at
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


def _requires_python(document: Mapping[str, Any]) -> tuple[int, int] | None:
    project = document.get("project")
    wanted = project.get("requires-python") if isinstance(project, dict) else None
    if not isinstance(wanted, str):
        return None
    bounds = re.findall(r"(>=|~=|==|>)\s*3\.(\d+)", wanted)
    # `>3.9` admits 3.9.1, so it counts as 3.9.
    return max(((3, int(minor)) for _, minor in bounds), default=None)


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('expected an array of strings, such as ["TL101"]')
    return tuple(value)


def _string(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError('expected a string such as ".cache/threadlint"')
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")  # noqa: TRY004 one kind of error for every reader
    return value


def _version(value: object) -> tuple[int, int]:
    if not isinstance(value, str):
        raise ValueError('expected a string such as "3.10" or "py310"')  # noqa: TRY004 see _boolean
    return parse_version(value)


def patterns(value: Sequence[str]) -> tuple[str, ...]:
    """Check patterns for files; gives them back. Raises ValueError for `!`, which would silently match nothing."""
    if not value:
        return ()
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 dear, and most configurations have no patterns

    for pattern in value:
        if pattern.startswith("!"):
            raise ValueError(f"`{pattern}` begins with `!`, which has no meaning here")
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError:
            raise ValueError(f"`{pattern}` is not a pattern as in .gitignore") from None
    return tuple(value)


def _pattern_list(value: object) -> tuple[str, ...]:
    return patterns(_strings(value))


def _per_file(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, dict):
        raise ValueError('expected a table such as { "tests/*" = ["TL301"] }')  # noqa: TRY004 see _boolean
    patterns(tuple(value))
    return tuple((pattern, _strings(codes)) for pattern, codes in value.items())


_READERS: Mapping[str, Callable[[object], object]] = {
    "select": _strings,
    "extend-select": _strings,
    "ignore": _strings,
    "exclude": _pattern_list,
    "per-file-ignores": _per_file,
    "target-version": _version,
    "free-threaded": _boolean,
    "src": _strings,
    "thread-roots": _strings,
    "force-exclude": _boolean,
    "respect-gitignore": _boolean,
    "cache-dir": _string,
}
KEYS = tuple(sorted(_READERS))
"""Every key of `[tool.threadlint]`."""
