"""Whether a file says anything of threads, locks, tasks or processes: a quick look at its text, before anything is linked.

Files that imports connect get all rules only if one of them does; where none does, only the rules that say `everywhere` can have anything
to say, and the rest is not worth the time. The words come from the
tables of `knowledge`, so that a new table or a new entry counts without more ado. A word too many costs time, a word too few a finding:
what is left out is listed, with what it needs beside it to be wrong.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache

from threadlint import knowledge
from threadlint.knowledge.containers import POSTING
from threadlint.knowledge.stdlib import LOCKISH_NAMES

HARMLESS = frozenset(
    {
        "abc", "array", "atexit", "builtins", "collections", "contextlib", "csv", "dbm", "decimal", "functools", "gc", "inspect", "io", "itertools",
        "locale", "mmap", "numpy", "os", "random", "re", "shelve", "six", "sys", "tempfile", "time", "types", "typing", "typing_extensions",
        "unittest", "urllib", "warnings", "weakref",
    }
)  # fmt: skip
"""Modules of which the tables know something that is wrong only beside a thread, a task, a process or a lock, which other words tell of."""

_SYNTAX = (
    "async",
    "await",
    "fork",
    "forkpty",
    "register_at_fork",
    "setswitchinterval",
    "_is_gil_enabled",
    "PYTHON_GIL",
)
# Prose may look like an import, too; that costs nothing but time. Each part ends where the next begins, so no text makes this slow.
_IMPORT = re.compile(
    r"(?:^|[;:])[ \t\f]*(?:from|import)\b([^\n\\(]*(?:\\\r?\n[^\n\\(]*)*(?:\((?:[^)#]|#[^\n]*)*)?)", re.MULTILINE
)
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+")
_WORDS = POSTING | set(_SYNTAX)
_NO_WORD = bytes(code if chr(code).isalnum() or code == ord("_") else ord(" ") for code in range(128)).ljust(256, b" ")


def concerns(text: str) -> bool:
    """Whether the text has a word of concurrency in it."""
    lowered = text.lower()
    if "thread" in lowered:
        return True
    words = _words_of(text)
    if not _WORDS.isdisjoint(words):
        return True
    for part in LOCKISH_NAMES:
        if part in lowered and any(lockish(word) for word in words if part in word.lower()):
            return True
    return (
        "import" in words
        and not _modules().isdisjoint(words)
        and any(not _modules().isdisjoint(_words_of(said)) for said in _IMPORT.findall(text))
    )


def _words_of(text: str) -> set[str]:
    r"""All that `\w+` matches."""
    if text.isascii():  # a table of bytes is far quicker than a pattern
        return set(text.encode().translate(_NO_WORD).decode().split())
    return set(re.findall(r"\w+", text))


def lockish(name: str) -> bool:
    """Whether a name sounds like that of a lock."""
    lowered = name.lower()
    return (
        any(part in lowered for part in LOCKISH_NAMES)
        and "unlock" not in lowered
        and "block" not in lowered.replace("_lock", "")
    )


@cache
def _modules() -> frozenset[str]:
    """The modules of the tables, looked for in imports alone: many are ordinary words, which mean the module only where it is imported."""
    return frozenset(name.partition(".")[0] for name in _known()) - HARMLESS


def _known() -> Iterator[str]:
    """Every dotted name in the tables."""
    for module in pkgutil.iter_modules(knowledge.__path__, "threadlint.knowledge."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if not name.startswith("__"):
                yield from _names(value)


def _names(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if _DOTTED.fullmatch(value):
            yield value
    elif isinstance(value, dict):
        yield from _all((*value.keys(), *value.values()))
    elif isinstance(value, (set, frozenset, tuple, list)):
        yield from _all(value)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _all(getattr(value, field.name) for field in fields(value))


def _all(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        yield from _names(value)
