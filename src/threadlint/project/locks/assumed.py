"""Functions that say of themselves that their caller holds a lock."""

from __future__ import annotations

from collections.abc import Iterable

from threadlint.project.names.things import Func

_PHRASES = (
    "must hold",
    "holding the lock",
    "lock must be held",
    "lock is held",
    "lock held",
    "must be called with",
    "caller holds",
    "with the lock",
    "already locked",
    "must be locked",
    "while holding",
)


_NAMES = ("_locked", "_unlocked", "_with_lock", "_lock_held", "_nolock", "_unsafe")


def assuming(funcs: Iterable[Func]) -> frozenset[str]:
    """The ids of the functions whose name, docstring or comment says that their caller holds a lock."""
    return frozenset(func.id for func in funcs if _assumes(func))


def _assumes(func: Func) -> bool:
    facts = func.facts
    if facts.name.endswith(_NAMES):
        return True
    doc = facts.doc.lower()
    if doc and any(phrase in doc for phrase in _PHRASES):
        return True
    line = facts.span[0]
    return any(note.kind == "requires-lock" and line - 1 <= note.line <= line for note in func.module.facts.annotations)
