"""Who waits for what: one record per thread, written by that thread only, read by pausing threads and the watch.

After the wait-for graph of Coffman, Elphick and Shoshani, "System deadlocks" (1971), with one edge more: a
thread that waits for a signal waits for everybody who could still give it.
"""

from __future__ import annotations

import _thread
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from .machine import idle_mark

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

get_ident = _thread.get_ident
monotonic = time.monotonic
_ENGINE = os.path.dirname(os.path.abspath(__file__))
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__))
MACHINERY = frozenset(
    os.path.join(_LIBRARY, *name.split("/"))
    for name in (
        "threading.py",
        "queue.py",
        "contextlib.py",
        "_threading_local.py",
        "concurrent/futures/_base.py",
        "concurrent/futures/thread.py",
        "multiprocessing/pool.py",
    )
)
"""Files of the standard library that stand between a statement and the lock it takes."""


class Wait:
    """One thing that a thread waits for.

    `deadline` is on the monotonic clock, None for a wait without end; `blocked` says whether the thing is still not there.
    """

    __slots__ = ("blocked", "deadline", "frame", "kind", "what")

    def __init__(self, kind: str, what: object, deadline: float | None, blocked: Callable[[], bool]) -> None:
        self.kind = kind
        self.what = what
        self.deadline = deadline
        self.blocked = blocked
        self.frame: FrameType | None = sys._getframe(1)


class Held:
    """A lock or a permit that a thread has, and where it got it. `style` is "with" or "acquire"."""

    __slots__ = ("code", "lasti", "style", "what")

    def __init__(self, what: object, frame: FrameType, style: str) -> None:
        self.what = what
        self.code = frame.f_code
        self.lasti = frame.f_lasti
        self.style = style

    @property
    def place(self) -> tuple[str, int]:
        """File and line of the acquire."""
        line = self.code.co_firstlineno
        for start, end, number in self.code.co_lines():
            if start <= self.lasti < end and number is not None:
                line = number
        return self.code.co_filename, line


class ThreadState:
    """What is known of one thread. Only the thread itself writes, so no lock guards it."""

    __slots__ = (
        "alive",
        "armed",
        "counts",
        "daemon",
        "held",
        "ident",
        "labels",
        "name",
        "native",
        "pool",
        "ticks",
        "waits",
    )

    def __init__(self, ident: int) -> None:
        self.ident = ident
        self.native: int | None = _thread.get_native_id() if hasattr(_thread, "get_native_id") else None
        self.name = ""
        self.daemon = False
        self.alive = True
        self.armed = 0
        """First line of the function that is to fail in this thread."""
        self.waits: list[Wait] = []
        self.labels: list[tuple[str, Any]] = []
        self.held: list[Held] = []
        self.counts: dict[int, int] = {}
        self.ticks = 0
        self.pool: Any = None

    @property
    def wait(self) -> Wait | None:
        """The innermost wait. Read once and kept by those who ask: the thread may end it in between."""
        try:
            return self.waits[-1]
        except IndexError:
            return None

    @property
    def label(self) -> tuple[str, Any] | None:
        """The outermost call of the library that the thread is in, with its object."""
        try:
            return self.labels[0]
        except IndexError:
            return None


class Registry:
    """The states of all threads that were seen."""

    def __init__(self) -> None:
        self.states: dict[int, ThreadState] = {}
        self.starting: set[object] = set()
        self.dead: list[ThreadState] = []
        self.deaths: list[tuple[str, str, str, int]] = []
        """Threads that an error has ended: name, error, file and line."""
        self.on_thread: Callable[[], None] | None = None
        self.on_finish: list[Callable[[], None]] = []
        self.main = self.state()
        self.main.name = "MainThread"

    def state(self) -> ThreadState:
        """The record of the calling thread, made on first use."""
        ident = get_ident()
        found = self.states.get(ident)
        if found is None:
            found = ThreadState(ident)
            threading = sys.modules.get("threading")
            known = getattr(threading, "_active", {}).get(ident)
            found.name = known.name if known is not None else f"thread {ident}"
            found.daemon = bool(getattr(known, "_daemonic", True))
            self.states[ident] = found
        return found

    def gone(self, state: ThreadState) -> None:
        """A thread has ended; it is remembered only if it took a lock or a permit along."""
        if state.held:
            self.dead.append(state)

    def finished(self) -> None:
        """All threads that the program waits for have ended."""
        for call in self.on_finish:
            call()

    def others(self, me: ThreadState | None) -> list[ThreadState]:
        """Every live thread but the given one."""
        return [state for state in self.states.copy().values() if state is not me]

    def progress(self) -> int:
        """A number that changes whenever some thread begins or ends a wait."""
        return sum(state.ticks for state in self.states.copy().values())

    def reset(self) -> None:
        """Forget all threads but the calling one: after a fork nobody else lives on."""
        me = self.state()
        self.states.clear()
        self.states[me.ident] = me
        self.starting.clear()
        me.waits.clear()

    def runnable(self, state: ThreadState) -> bool:
        """Whether the thread can go on by itself, as far as the registry knows."""
        wait = state.wait
        return wait is None or not wait.blocked()

    def outlook(self, me: ThreadState) -> str:
        """What the other threads can do while `me` pauses: `running`, `timed` (they will wake by the clock) or `blocked`."""
        if self.starting:
            return "running"
        timed = False
        for state in self.others(me):
            wait = state.wait
            if wait is None or not wait.blocked():
                return "running"
            timed = timed or wait.deadline is not None
        return "timed" if timed else "blocked"

    def idle_marks(self, me: ThreadState) -> tuple[str, ...]:
        """Marks of the others that stay equal while all of them sleep in the kernel; with "" in it if one runs."""
        return tuple("waits" if not self.runnable(state) else idle_mark(state.native) for state in self.others(me))

    def holders(self, what: object) -> list[tuple[ThreadState, Held]]:
        """Which threads have the lock or a permit of the semaphore."""
        everybody = self.others(None) + self.dead.copy()
        return [(state, held) for state in everybody for held in state.held.copy() if held.what is what]


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame that is neither the engine's nor of the library's thread modules."""
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return frame
        frame = frame.f_back
    return None


def is_library(filename: str) -> bool:
    """Whether a file belongs to the machinery that stands between a statement and the lock it takes."""
    return filename in MACHINERY or filename.startswith(_ENGINE)


def raised_at(trace: TracebackType | None) -> tuple[str, int]:
    """File and line of the program's innermost frame of a traceback; no file where there is none."""
    found = ("", 0)
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not is_library(name):
            found = (name, trace.tb_lineno or 0)
        trace = trace.tb_next
    return found


def stack_of(frame: FrameType | None, limit: int = 12) -> list[dict[str, Any]]:
    """The frames of the program from the innermost outwards: path, line, function."""
    found: list[dict[str, Any]] = []
    while frame is not None and len(found) < limit:
        name = frame.f_code.co_filename
        if not is_library(name) and not name.startswith("<frozen"):
            found.append({"path": name, "line": frame.f_lineno or 0, "function": frame.f_code.co_name})
        frame = frame.f_back
    return found
