"""Judges by what happens between processes: updates lost in shared memory, and children that start more children.

A process pauses between "computed" and "stored" as a thread does in `pauses`; that only one pauses at a time is kept by a lock on a file, and whether
another has stored in between is seen by reading again.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from .readers import LOUD, same, shown
from .registry import stack_of

if TYPE_CHECKING:
    from .events import Events
    from .rewrite import Split
    from .start import Engine

PAUSE = 0.25
"""Seconds that a process gives the others to store."""
MOST_PAUSES = 6
BOOTSTRAPPING = b"finished its bootstrapping phase"
"""Part of what multiprocessing says when a child starts a process while it imports the main module."""


def prefer(method: str, events: Events) -> None:
    """Make this the start method of a program that asks for none; one that asks gets what it asks for."""
    import multiprocessing
    from multiprocessing import context

    with contextlib.suppress(ValueError, AttributeError):
        default: Any = context._default_context
        before = default._default_context.get_start_method()
        default._default_context = multiprocessing.get_context(method)
        if before != method:
            events.send("start-method", method=method, default=before)


class SharedPause:
    """The pause between reading shared memory and storing into it."""

    def __init__(self, events: Events, splits: list[Split], token: str, budget: float) -> None:
        self.events = events
        self.splits = splits
        self.token = token
        self.budget = budget
        self.pid = os.getpid()
        self.reached = False
        self.pauses = 0
        self.hit: tuple[int, Any, Any, Any, list[dict[str, Any]]] | None = None

    def before(self, index: int, base: Any, key: Any, old: Any, new: Any, *_: object) -> None:
        """Between computing and storing: pause, if no other process does."""
        split = self.splits[index]
        if index != 0 or split.kind not in ("attribute", "item"):
            return
        if not self.reached:
            self.reached = True
            self.events.send("reached", site=0, thread=self.name())
        if self.pauses >= MOST_PAUSES or self.budget <= 0 or not split.reads:
            return
        with self.alone() as turn:
            if turn:
                self.pauses += 1
                self.look(split, base, key, old, new)

    def store(self, index: int, base: Any, key: Any, new: Any, *_: object) -> None:
        """As `before`, for an assignment: what was read before it is not at hand, so it is read now."""
        self.before(index, base, key, LOUD, new)

    def look(self, split: Split, base: Any, key: Any, old: Any, new: Any) -> None:
        """Wait for another process to store."""
        began = monotonic()
        first = split.reread(base, key) if old is LOUD else old
        now = first
        while same(first, now) and monotonic() - began < PAUSE:
            sleep(0.001)
            now = split.reread(base, key)
        self.budget -= monotonic() - began
        if same(first, now):
            self.events.send("pause", site=split.index, thread=self.name(), end="alone", passed="")
        else:
            self.hit = (split.index, first, now, new, stack_of(sys._getframe(3)))

    def after(self, index: int) -> None:
        """After the store: tell what it has overwritten."""
        hit, self.hit = self.hit, None
        if hit is None or hit[0] != index:
            return
        _, first, now, new, stack = hit
        split = self.splits[index]
        here = {"thread": self.name(), "path": split.path, "line": split.line, "text": split.text}
        steps = [
            {**here, "action": "read", "values": {"read": shown(first)}, "stack": stack},
            {**here, "thread": "another process", "action": "stored", "values": {"stored": shown(now)}},
            {**here, "action": "overwrote", "values": {"stored": shown(new), "lost": shown(now)}},
        ]
        self.events.send("witness", kind="process-race", steps=steps, tier="here")

    def name(self) -> str:
        """This process, for people."""
        return f"process {os.getpid()}"

    @contextlib.contextmanager
    def alone(self) -> Any:
        """True for one process at a time."""
        import fcntl

        handle = os.open(self.token, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
        finally:
            os.close(handle)

    def forked(self) -> None:
        """A new process: it has not been here yet."""
        self.reached = False
        self.pauses = 0
        self.hit = None


class Bootstrap:
    """What children print, read from a file that stands in for the standard error."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.path = engine.job.events + ".stderr"
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, 2)
        os.close(handle)
        self.told = False

    def look(self) -> None:
        """Whether a child has been stopped from starting more."""
        if self.told:
            return
        with open(self.path, "rb") as file:
            text = file.read()
        if BOOTSTRAPPING in text:
            self.told = True
            place = self.engine.job.flagged
            line = "An attempt has been made to start a new process before the current process has finished its bootstrapping phase"
            here = {"path": place.path, "line": place.line}
            steps = [
                {**here, "thread": "the program", "action": "started a process"},
                {
                    **here,
                    "thread": "the process",
                    "action": "came to the same line and raised RuntimeError",
                    "values": {"message": line},
                },
            ]
            self.engine.events.send("witness", kind="spawn-import-fails", steps=steps)


def install(engine: Engine) -> None:
    """Put in what the oracle needs."""
    from .start import guarded

    if engine.job.oracle == "spawn-import-fails":
        prefer("spawn", engine.events)
        watch = Bootstrap(engine)
        engine.watch.on_tick.append(watch.look)
        engine.at_end.append(watch.look)
        return
    prefer("fork", engine.events)
    pause = SharedPause(engine.events, engine.splits, engine.job.events + ".turn", engine.job.budget)
    engine.shared = pause
    for name in ("before", "store", "after"):
        setattr(builtins, f"__threadlint_{name}__", guarded(getattr(pause, name), engine.events))
    for name in ("gap", "act", "doing", "acted"):
        setattr(builtins, f"__threadlint_{name}__", lambda *_: None)
