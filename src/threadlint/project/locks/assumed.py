"""Functions that say of themselves that their caller holds a lock."""

from __future__ import annotations

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


def assumes_lock(func: Func) -> bool:
    """Whether the function's name, docstring or comment says that its caller holds a lock."""
    if func.facts.name.endswith(("_locked", "_unlocked", "_with_lock", "_lock_held", "_nolock", "_unsafe")):
        return True
    doc = func.facts.doc.lower()
    return any(phrase in doc for phrase in _PHRASES) or _requires_lock(func)


def _requires_lock(func: Func) -> bool:
    line = func.facts.span[0]
    return any(note.kind == "requires-lock" and line - 1 <= note.line <= line for note in func.module.facts.annotations)
