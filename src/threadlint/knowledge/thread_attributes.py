"""Attributes and methods that `Thread` and `Process` use themselves, and what breaks when a subclass takes their names.

Sources: Lib/threading.py of CPython 3.8 to 3.14 and Lib/multiprocessing/process.py of 3.13.
"""

from __future__ import annotations

from dataclasses import dataclass

_BEFORE_313 = (3, 12)
_ONLY_313 = (3, 13)


@dataclass(frozen=True, slots=True)
class OwnAttribute:
    """What breaks; `until` is the last version that has it; `run` says that only the base's `run()` uses it, `none` that None does no harm.

    `set_by_init` says that the base's constructor sets it, so that what was there before is lost without harm.
    """

    effect: str
    until: tuple[int, int] | None = None
    run: bool = False
    none: bool = False
    set_by_init: bool = True


OWN_ATTRIBUTES: dict[str, dict[str, OwnAttribute]] = {
    "thread": {
        "_stop": OwnAttribute("`join()` calls it as a method until Python 3.12", _BEFORE_313, set_by_init=False),
        "_started": OwnAttribute("`start()`, `join()` and `is_alive()` use it as an event"),
        "_tstate_lock": OwnAttribute("`join()` waits for it until Python 3.12", _BEFORE_313, none=True),
        "_handle": OwnAttribute("`start()` and `join()` use it in Python 3.13", _ONLY_313),
        "_os_thread_handle": OwnAttribute("`start()` and `join()` use it from Python 3.14"),
        "_target": OwnAttribute("`run()` calls it", run=True, none=True),
        "_args": OwnAttribute("`run()` unpacks it as the arguments of the target", run=True),
        "_kwargs": OwnAttribute("`run()` unpacks it as the keyword arguments of the target", run=True),
        "_context": OwnAttribute("`start()` runs the thread in it from Python 3.14", none=True),
        "_bootstrap": OwnAttribute("`start()` runs it", set_by_init=False),
        "_bootstrap_inner": OwnAttribute("`start()` runs it", set_by_init=False),
    },
    "process": {
        "_target": OwnAttribute("`run()` calls it", run=True, none=True),
        "_args": OwnAttribute("`run()` unpacks it as the arguments of the target", run=True),
        "_kwargs": OwnAttribute("`run()` unpacks it as the keyword arguments of the target", run=True),
        "_popen": OwnAttribute("`start()` and `join()` use it", none=True),
        "_config": OwnAttribute("`start()` and `daemon` use it"),
        "_identity": OwnAttribute("`start()` and `name` use it"),
        "_parent_pid": OwnAttribute("`start()` and `join()` compare it with the current process"),
    },
}

OWN_METHODS: dict[str, tuple[tuple[int, int], str]] = {
    "_stop": ((3, 12), "`join()` and `is_alive()` call it when the thread has ended, until Python 3.12"),
    "_bootstrap": ((3, 99), "`start()` runs it in the new thread"),
    "_bootstrap_inner": ((3, 99), "`start()` runs it in the new thread"),
}

NEEDS_BASE = frozenset({"name", "daemon"})
"""Properties of a thread whose setters fail before the constructor has run."""
