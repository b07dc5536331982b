"""Where the cache of a project is, and making and removing that folder."""

from __future__ import annotations

import os
from pathlib import Path

from threadlint.config import Config

VARIABLE = "THREADLINT_CACHE_DIR"
FOLDER = ".threadlint_cache"
FILE = "cache.sqlite3"
_BESIDE = ("-journal", "-wal", "-shm")
_OURS = {
    ".gitignore": "# Made by threadlint.\n*\n",
    # https://bford.info/cachedir/
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of threadlint; it may be deleted.\n",
}


def place(config: Config, given: Path | None = None) -> Path:
    """The folder of the cache: as given on the command line, in the environment, in the configuration, or in the root."""
    chosen = given or os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    return config.root.absolute() / (config.cache_dir or FOLDER)


def make(folder: Path) -> None:
    """Make the folder, marked as one that neither git nor backups need. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    # A folder that holds anything else is not ours to mark: `*` in .gitignore would hide it from git.
    if not any(folder.iterdir()):
        for name, text in _OURS.items():
            (folder / name).write_text(text, encoding="utf-8")


def files(folder: Path) -> list[Path]:
    """The files of the database that exist; nothing else is ever removed with them but our marks."""
    return [path for end in ("", *_BESIDE) if (path := folder / f"{FILE}{end}").is_file()]


def clear(folder: Path) -> int:
    """Remove the cache; gives the bytes that it took. What else lies in the folder stays. Raises OSError."""
    freed = 0
    for path in files(folder):
        freed += path.stat().st_size
        path.unlink()
    if folder.is_dir() and {entry.name for entry in folder.iterdir()} <= _OURS.keys():
        for name in _OURS:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    return freed
