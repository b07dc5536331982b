"""Objects that may only be used in the thread that made them.

Sources: the library reference of CPython 3.14, `sqlite3.connect` (`check_same_thread`: "ProgrammingError is raised if the database connection is used by a
thread other than the one that created it"), and `tkinter`, "Threading model".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Affine:
    """A kind of such objects: `what` they are for messages, and what happens elsewhere; `free` are methods that other threads may call."""

    what: str
    outcome: str
    free: frozenset[str]


_SQLITE = Affine("an SQLite connection", "sqlite3 raises `ProgrammingError`", frozenset({"interrupt"}))
_CURSOR = Affine("a cursor of an SQLite connection", "sqlite3 raises `ProgrammingError`", frozenset())
_TKINTER = Affine(
    "a Tk widget or variable",
    "Tk raises `RuntimeError` or hangs",
    frozenset({"after", "after_idle", "after_cancel", "event_generate", "mainloop"}),
)

TYPES: dict[str, Affine] = {
    "sqlite3.Connection": _SQLITE,
    "sqlite3.dbapi2.Connection": _SQLITE,
    "sqlite3.Cursor": _CURSOR,
    "sqlite3.dbapi2.Cursor": _CURSOR,
}

_TKINTER_MODULES = ("tkinter.", "customtkinter.", "ttkbootstrap.")
_TKINTER_OTHERS = frozenset({"tkinter.TclError", "tkinter.Event"})


def affine(name: str) -> Affine | None:
    """The kind of the type with this dotted name; None where any thread may use its instances."""
    if name.startswith(_TKINTER_MODULES) and name not in _TKINTER_OTHERS:
        return _TKINTER
    return TYPES.get(name)
