"""Which threadlint made a stored value: a hash of our own code, so that a change of it forgets what it made before."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path

import threadlint

FACTS = ("facts", "knowledge", "loading")
"""The rooms on which the facts of a file depend."""
SILENT = ("cache", "cli", "fixes", "report", "runtime")
"""The rooms on which neither facts nor findings depend."""
SIZE = 20


def key(kind: str, *parts: bytes) -> bytes:
    """The key of a stored value: a hash of what kind of value it is and of all that it follows from."""
    made = blake2b(kind.encode(), digest_size=SIZE)
    for part in parts:
        made.update(len(part).to_bytes(8, "little"))
        made.update(part)
    return made.digest()


@cache
def facts_code() -> bytes:
    """Stands for all that facts depend on besides the file: our code, LibCST, and what this Python calls built in."""
    folder = Path(threadlint.__file__).parent
    return key("code", _version(), *_contents(path for room in FACTS for path in (folder / room).rglob("*.py")))


@cache
def findings_code() -> bytes:
    """Stands for all that findings depend on besides the facts and the configuration: our code."""
    folder = Path(threadlint.__file__).parent
    rooms = (entry for entry in folder.iterdir() if entry.name not in SILENT)
    files = (path for room in rooms for path in (room.rglob("*.py") if room.is_dir() else [room]))
    return key("code", facts_code(), *_contents(path for path in files if path.suffix == ".py"))


@cache
def fixes_code() -> bytes:
    """Stands for all that a fix depends on besides the text that it changes: our code and LibCST."""
    folder = Path(threadlint.__file__).parent / "fixes"
    return key("code", findings_code(), *_contents(folder.rglob("*.py")))


def _contents(paths: Iterable[Path]) -> list[bytes]:
    # Content rather than times: a cache that CI restores is then good for a fresh installation too.
    return [part for path in sorted(paths) for part in (path.name.encode(), path.read_bytes())]


def _version() -> bytes:
    python = f"{threadlint.__version__} {sys.implementation.name} {sys.hexversion}".encode()
    found = importlib.util.find_spec("libcst")  # looks for the package without importing it
    if found is None or not found.origin:
        return python
    file = Path(found.origin).with_name("_version.py")
    return python + file.read_bytes() if file.exists() else python
