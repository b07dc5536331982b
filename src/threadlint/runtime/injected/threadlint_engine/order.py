"""Forces lock-order inversions: before a nested acquire at a flagged line, wait until someone else has the wanted lock.

After DeadlockFuzzer (Joshi, Park, Sen and Naik, "A randomized dynamic program analysis technique for detecting real
deadlocks", PLDI 2009). The circle itself is seen by the watch, or here when every lock in it is one that only its
holder releases.
"""

from __future__ import annotations

import _thread
import sys
from typing import TYPE_CHECKING, Any

from .registry import Registry, ThreadState, Wait, monotonic, stack_of
from .stuck import circle, cycle_steps, describe, own_lock_steps, strip

if TYPE_CHECKING:
    from .events import Events
    from .stuck import Watch

LONGEST = 1.0
MOST_PAUSES = 40


class Order:
    """Holds threads at flagged nested acquires."""

    def __init__(self, registry: Registry, events: Events, watch: Watch, budget: float) -> None:
        self.registry = registry
        self.events = events
        self.watch = watch
        self.budget = budget
        self.pauses = 0
        self.skip = 0
        self.reached: set[str] = set()
        self.closed: set[tuple[int, ...]] = set()

    def nested(self, lock: Any, state: ThreadState) -> None:
        """Called before a thread that has a lock takes another one."""
        holder = lock._holder
        if holder is state or all(held.what is lock for held in state.held):
            return
        stack = stack_of(sys._getframe(3), 6)
        if not any(self.watch.at_place(frame) for frame in stack):
            return
        if state.name not in self.reached and len(self.reached) < 6:
            self.reached.add(state.name)
            self.events.send("reached", site=0, thread=state.name)
        if self.skip > 0:
            self.skip -= 1
            return
        if holder is not None or self.budget <= 0 or self.pauses >= MOST_PAUSES:
            return
        if not (self.registry.starting or self.registry.others(state)):
            return
        self.pauses += 1
        end = self.hold(lock, state)
        if end != "held":
            self.skip = int(1.6 ** min(self.pauses, 16)) - 1
            self.events.send("pause", end=end, site=0, thread=state.name, guard=self.guard(state))

    def hold(self, lock: Any, state: ThreadState) -> str:
        """Wait until another thread has the lock, or nobody else can run."""
        began = monotonic()
        limit = began + min(LONGEST, self.budget)
        wait = Wait("pause", lock, limit, lambda: True)
        wait.frame = None
        clock = self.clock()
        state.waits.append(wait)
        state.ticks += 1
        quiet, progress = 0, -1
        marks: tuple[str, ...] = ()
        marked = began
        try:
            while True:
                clock.acquire(True, 0.001)
                if lock._holder is not None:
                    return "held"
                now = monotonic()
                if now > limit:
                    return "timeout"
                outlook, seen = self.registry.outlook(state), self.registry.progress()
                # Two threads that hold still for each other's sake make no progress either.
                if (outlook == "blocked" or self.all_pause(state)) and seen == progress:
                    quiet += 1
                    if quiet >= 5:
                        return "guarded" if self.guard(state) else "blocked"
                    continue
                quiet, progress = 0, seen
                fresh = self.registry.idle_marks(state)
                if outlook == "timed" or "" in fresh or fresh != marks:
                    marks, marked = fresh, now
                elif now - marked > 0.1:
                    return "idle"
        finally:
            self.budget -= monotonic() - began
            state.waits.remove(wait)
            state.ticks += 1

    def clock(self) -> Any:
        """A lock that nobody opens: waiting for it lets time pass."""
        clock = _thread.allocate_lock()
        clock.acquire()
        return clock

    def all_pause(self, me: ThreadState) -> bool:
        """Whether every other thread pauses or is blocked."""
        waits = [state.wait for state in self.registry.others(me)]
        return not self.registry.starting and all(
            wait is not None and wait.blocked() and (wait.deadline is None or wait.kind == "pause") for wait in waits
        )

    def guard(self, state: ThreadState) -> dict[str, Any] | None:
        """Which lock of the pausing thread the others wait for."""
        waits = [other.wait for other in self.registry.others(state)]
        wanted = [wait.what for wait in waits if wait is not None]
        for held in state.held.copy():
            if any(held.what is one for one in wanted):
                path, line = held.place
                return {"path": path, "line": line, "kind": type(held.what).__name__, "waiting": 1}
        return None

    def look(self) -> None:
        """On every tick: a circle of locks that only their holders release is a deadlock whatever else runs."""
        closed: set[tuple[int, ...]] = set()
        for state in self.registry.others(None):
            found = circle(state)
            if len(found) < 2 or not all(firm(one) for one in found):
                continue
            # The threads were read one after the other: only a circle that is there twice is one.
            mark = tuple(id(one.wait) for one in found)
            closed.add(mark)
            if mark in self.closed:
                rows = [describe(one) for one in found]
                if any(self.watch.on_flagged(row) for row in rows):
                    steps = cycle_steps(rows)
                    self.events.send("witness", kind="lock-order-deadlock", steps=steps, tier="here", table=strip(rows))
                    self.watch.stopped = True
                    return
        self.closed = closed


def firm(state: ThreadState) -> bool:
    """Whether the lock that a thread waits for will only be released by the one who holds it."""
    wait = state.wait
    if wait is None or wait.kind == "join":
        return wait is not None
    lock: Any = wait.what
    holder = lock._holder
    if holder is None:
        return False
    styles = [held.style for held in holder.held.copy() if held.what is lock]
    return type(lock).__name__ == "RLock" or styles == ["with"]


class OwnLock:
    """Sees a thread wait for a lock that its own `with` holds, also while other threads go on."""

    def __init__(self, registry: Registry, events: Events, watch: Watch) -> None:
        self.registry = registry
        self.events = events
        self.watch = watch
        self.seen: dict[int, float] = {}

    def look(self) -> None:
        """On every tick."""
        for state in self.registry.others(None):
            wait = state.wait
            if wait is None or wait.kind != "lock" or wait.deadline is not None or wait.what._holder is not state:  # type: ignore[attr-defined]
                continue
            began = self.seen.setdefault(id(wait), monotonic())
            if monotonic() - began > 0.5 and firm(state):
                row = describe(state)
                if self.watch.on_flagged(row):
                    steps = own_lock_steps(row, wait.what, state)
                    self.events.send("witness", kind="self-deadlock", steps=steps, tier="here", table=strip([row]))
                    self.watch.stopped = True
                    return
