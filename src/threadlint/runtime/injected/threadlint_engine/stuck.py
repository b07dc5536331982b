"""The watch: sees that nobody can go on any more, and says what each thread waits for.

A wait counts only if it has no end and what it waits for is not there; all threads must be in such a wait, so a
program that still reads from a socket, sleeps or computes is never called stuck.
"""

from __future__ import annotations

import _thread
import os
import signal
from typing import TYPE_CHECKING, Any

from .machine import end_now, is_gone
from .registry import Registry, ThreadState, Wait, monotonic, stack_of, user_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from .events import Events
    from .job import Job

TICK = 0.01
SIGNS = frozenset({"Event.wait", "Condition.wait"})
STEADY = 4
"""So many looks in a row must show the same before it counts."""


class Watch:
    """Looks at the registry from a thread of its own, which the program cannot see."""

    def __init__(self, registry: Registry, events: Events, job: Job) -> None:
        self.registry = registry
        self.events = events
        self.job = job
        self.count: Callable[[], int] = _thread._count
        self.stopped = False
        self.last = monotonic()
        self.late = 0.0
        """Seconds by which looks came late in all: time that the machine gave to others."""
        self.resolved: dict[str, str] = {}
        self.on_tick: list[Callable[[], None]] = []
        self.steady = 0
        self.progress = -1

    def start(self) -> None:
        """Begin to look; `_thread` directly, so that nothing of the program counts this thread."""
        _thread.start_new_thread(self.run, ())

    def run(self) -> None:
        """Look until the process ends; end it when the companion is gone, also after all has been told."""
        clock = _thread.allocate_lock()
        clock.acquire()
        while True:
            clock.acquire(True, TICK)
            if is_gone(self.job.companion):
                end_now()
            if self.stopped:
                continue
            now = monotonic()
            self.late, self.last = self.late + max(now - self.last - 2 * TICK, 0.0), now
            try:
                self.look()
            except Exception:  # noqa: BLE001  # a watch that fails must be heard, not silent
                self.stopped = True
                self.events.error("watch")

    def look(self) -> None:
        """Look once; tell when everybody has waited without a change for several looks."""
        for call in self.on_tick:
            call()
        seen = self.registry.progress()
        if seen == self.progress and self.everybody_waits():
            self.steady += 1
            if self.steady >= STEADY:
                self.stopped = True
                self.tell()
        else:
            self.steady, self.progress = 0, seen

    def everybody_waits(self) -> bool:
        """Whether every thread is in a wait without end for something that is not there."""
        if self.registry.starting or self.stopped:
            return False
        states = self.registry.states.copy().values()
        for state in states:
            wait = state.wait
            if wait is None or wait.deadline is not None or not wait.blocked():
                return False
        labels = [state.label for state in states]
        if any(label is not None and label[0] in SIGNS for label in labels) and signals_are_handled():
            return False
        # Threads that the registry has not met run, for all we know. One of those counted is this one.
        return bool(states) and self.count() <= len([s for s in states if s is not self.registry.main]) + 1

    def tell(self) -> None:
        """Send what each thread waits for, and the verdict if it is the one asked for."""
        table = [describe(state) for state in self.registry.states.copy().values()]
        table.sort(key=lambda row: row["thread"] != "MainThread")
        judge = JUDGES.get(self.job.oracle)
        found = judge(self, table) if judge is not None else None
        if found is not None:
            self.events.send("witness", kind=self.job.oracle, steps=found, tier="here", table=strip(table))
        else:
            # A failure of ours may end a worker that others wait for: that is not what was asked.
            self.events.send("harmless" if self.job.inject else "hang", table=strip(table))

    def on_flagged(self, row: dict[str, Any]) -> bool:
        """Whether a thread stands at the flagged line or at one of its partners."""
        return any(self.at_place(frame) for frame in row["stack"])

    def real(self, path: str) -> str:
        """The resolved path; asked for at every nested acquire, so remembered."""
        found = self.resolved.get(path)
        if found is None:
            found = self.resolved[path] = os.path.realpath(path)
        return found

    def at_place(self, frame: dict[str, Any]) -> bool:
        """Whether a frame is at a line of the job."""
        path = self.real(frame["path"])
        return any(path == place.path and place.line <= frame["line"] <= place.end_line for place in self.job.places)

    def near_flagged(self, code: Any) -> bool:
        """Whether the flagged line lies in the function of this code."""
        if self.real(code.co_filename) != self.job.flagged.path:
            return False
        lines = [line for _, _, line in code.co_lines() if line]
        return bool(lines) and min(lines) <= self.job.flagged.line <= max(lines)


def signals_are_handled() -> bool:
    """Whether the program has a handler for some signal: it may set an event that nobody else sets."""
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler) and handler is not signal.default_int_handler:
            return True
    return False


def describe(state: ThreadState) -> dict[str, Any]:
    """One row of the thread table: who, where, waiting for what, holding what."""
    wait = state.wait
    frame = user_frame(wait.frame) if wait is not None else None
    stack = stack_of(wait.frame) if wait is not None else []
    row: dict[str, Any] = {"thread": state.name, "stack": stack, "state": state, "frame": frame, "wait": wait}
    row["path"], row["line"] = (stack[0]["path"], stack[0]["line"]) if stack else ("", 0)
    row["waits_for"], row["what"] = waits_for(state)
    row["holds"] = [
        {"what": type(held.what).__name__, "path": held.place[0], "line": held.place[1]} for held in state.held.copy()
    ]
    return row


def waits_for(state: ThreadState) -> tuple[str, object]:
    """In words what a thread waits for, and the object."""
    wait, label = state.wait, state.label
    if wait is None:
        return "runs", None
    if label is not None and wait.kind in {"signal", "lock"}:
        return label
    if wait.kind == "lock":
        holder: ThreadState | None = wait.what._holder  # type: ignore[attr-defined]
        owner = "nobody" if holder is None else "itself" if holder is state else holder.name
        if holder is not None and not holder.alive:
            owner += ", which has ended"
        return f"{type(wait.what).__name__} held by {owner}", wait.what
    if wait.kind == "join":
        return f"Thread.join of {getattr(wait.what, 'name', '?')}", wait.what
    if wait.kind == "shutdown":
        return "the end of all threads (the main program has finished)", None
    return wait.kind, wait.what


def strip(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table without what JSON cannot carry."""
    return [{k: v for k, v in row.items() if k not in {"state", "frame", "wait", "what"}} for row in table]


def step(row: dict[str, Any], action: str, **values: Any) -> dict[str, Any]:
    """One step of a witness."""
    return {
        "thread": row["thread"],
        "path": row["path"],
        "line": row["line"],
        "text": "",
        "action": action,
        "values": values,
        "stack": row["stack"],
    }


def self_deadlock(watch: Watch, table: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """A thread waits for a lock that it holds itself."""
    for row in table:
        what = row["what"]
        if row["wait"].kind == "lock" and row["wait"].what._holder is row["state"] and watch.on_flagged(row):
            return own_lock_steps(row, row["wait"].what, row["state"])
        del what
    return None


def own_lock_steps(row: dict[str, Any], lock: object, state: ThreadState) -> list[dict[str, Any]]:
    """First the acquire that worked, then the one that cannot."""
    held = next((one for one in reversed(state.held) if one.what is lock), None)
    steps = []
    if held is not None:
        path, line = held.place
        kind = type(lock).__name__
        steps.append({**step(row, f"took the {kind}"), "path": path, "line": line, "stack": []})
    return [*steps, step(row, "waits for the same lock, for ever", holder=row["thread"])]


def cycle(watch: Watch, table: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Threads wait for each other's locks in a circle."""
    for row in table:
        found = circle(row["state"])
        if found and len(found) > 1:
            rows = [one for state in found for one in table if one["state"] is state]
            if any(watch.on_flagged(one) for one in rows):
                return cycle_steps(rows)
    return None


def circle(state: ThreadState) -> list[ThreadState]:
    """The threads of the wait-for circle that begins with this one; empty if there is none.

    An edge leads from a thread that waits for a lock to the one that holds it, and from one that joins to the one joined.
    """
    seen: list[ThreadState] = []
    current: ThreadState | None = state
    while current is not None and current not in seen:
        wait = current.wait
        if wait is None or wait.deadline is not None:
            return []
        seen.append(current)
        current = waited_for(wait)
    return seen if current is state and seen else []


def waited_for(wait: Wait) -> ThreadState | None:
    """The one thread that can end a wait, if it is one."""
    what: Any = wait.what
    if wait.kind == "lock":
        return what._holder  # type: ignore[no-any-return]
    return getattr(what, "_threadlint_state", None) if wait.kind == "join" else None


def cycle_steps(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each thread of the circle: what it took, then what it waits for."""
    steps = []
    wanted = [row["wait"].what for row in rows if row["wait"].kind == "lock"]
    taken = [
        (row, held) for row in rows for held in row["state"].held.copy() if any(held.what is one for one in wanted)
    ]
    # Letters go by the order in which the story tells of the locks.
    wanted = [held.what for _, held in taken] + wanted
    for row, held in taken:
        path, line = held.place
        steps.append({**step(row, f"took {lock_name(held.what, wanted)}"), "path": path, "line": line})
    for row in rows:
        holder = waited_for(row["wait"])
        name = holder.name if holder is not None else "nobody"
        if row["wait"].kind == "join":
            steps.append(step(row, f"waits for ever for the end of {name}"))
        else:
            steps.append(step(row, f"waits for ever for {lock_name(row['wait'].what, wanted)}, which {name} holds"))
    return steps


def lock_name(lock: object, wanted: list[object]) -> str:
    """A letter for each lock of a circle."""
    return "lock " + "ABCDEFGHIJ"[min(next(i for i, one in enumerate(wanted) if one is lock), 9)]


def queue_join(watch: Watch, table: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """A queue is joined, has unfinished tasks, and nobody is left who could finish them."""
    for row in table:
        if row["waits_for"] == "Queue.join" and row["what"].unfinished_tasks > 0:
            queue = row["what"]
            users = getattr(queue, "_threadlint_codes", ())
            # Of what was never taken nobody skipped the mark: the injected failure has only ended the worker.
            if watch.job.inject and queue.unfinished_tasks <= queue.qsize():
                continue
            if watch.on_flagged(row) or any(watch.near_flagged(code) for code in users):
                counts = {
                    "put": queue.unfinished_tasks + getattr(queue, "_threadlint_done", 0),
                    "task_done": getattr(queue, "_threadlint_done", 0),
                    "missing": queue.unfinished_tasks,
                }
                return story(watch, table, row, step(row, "waits in join() for ever", **counts))
    return None


def story(watch: Watch, table: list[dict[str, Any]], row: dict[str, Any], main: dict[str, Any]) -> list[dict[str, Any]]:
    """Threads that an error has ended, then the wait that matters, then what the others wait for, alike ones together."""
    ended = [
        {
            "thread": name,
            "path": path,
            "line": line,
            "text": "",
            "action": f"ended by {error}",
            "values": {},
            "stack": [],
        }
        for name, error, path, line in watch.registry.deaths
    ]
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for other in table:
        if other is not row:
            groups.setdefault((other["waits_for"], other["path"], other["line"]), []).append(other)
    waiting = []
    for (what, _, _), rows in groups.items():
        one = step(rows[0], f"waits: {what}")
        if len(rows) > 1:
            one["thread"] += f" and {len(rows) - 1} more"
        waiting.append(one)
    return [*ended, main, *waiting]


def labelled(label: str, action: str, values: Callable[[Any, Registry], dict[str, Any]]) -> Any:
    """A judge for threads that wait inside one kind of call."""

    def judge(watch: Watch, table: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
        rows = [
            row for row in table if row["waits_for"] == label and (watch.on_flagged(row) or made_there(row["what"]))
        ]
        if not rows:
            return None
        first = rows[0]
        return story(watch, table, first, step(first, action, **values(first["what"], watch.registry)))

    return judge


def made_there(what: object) -> bool:
    """Whether a thing that is waited for is a future that the flagged line has submitted."""
    return getattr(what, "_threadlint_number", None) is not None


def event(watch: Watch, table: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """An event or a condition is waited for, and everybody who could give the sign waits too or has ended."""
    for row in table:
        if row["waits_for"] == "Event.wait" and getattr(row["what"], "_threadlint_pulsed", False):
            return story(
                watch, table, row, step(row, "came just after the event was set and cleared, and waits for ever")
            )
    for label in ("Event.wait", "Condition.wait"):
        judge = labelled(
            label, "waits for ever: everybody who could give the sign waits too, or has ended", lambda *_: {}
        )
        found: list[dict[str, Any]] | None = judge(watch, table)
        if found is not None:
            return found
    return None


def leaked(watch: Watch, table: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """A lock is waited for whose holder has ended, or took it at the flagged line and waits elsewhere."""
    for row in table:
        wait = row["wait"]
        holder = getattr(wait.what, "_holder", None) if wait.kind == "lock" else None
        if holder is None:
            continue
        for held in holder.held.copy():
            path, line = held.place
            if held.what is wait.what and watch.at_place({"path": path, "line": line}):
                ended = "and ended without releasing it" if not holder.alive else "and has not released it"
                first = {
                    **step(row, f"took the lock {ended}"),
                    "thread": holder.name,
                    "path": path,
                    "line": line,
                    "stack": [],
                }
                return [first, step(row, "waits for that lock, for ever")]
    return None


def permits(semaphore: Any, registry: Registry) -> dict[str, Any]:
    """Who has the permits of a semaphore."""
    holders = registry.holders(semaphore)
    return {"permits left": semaphore._value, "taken by": ", ".join(
        f"{state.name} (line {held.place[1]}{'' if state.alive else ', has ended'})" for state, held in holders
    )}  # fmt: skip


JUDGES: dict[str, Callable[[Watch, list[dict[str, Any]]], list[dict[str, Any]] | None]] = {
    "self-deadlock": self_deadlock,
    "lock-order-deadlock": cycle,
    "queue-join-never-returns": queue_join,
    "barrier-never-filled": labelled(
        "Barrier.wait",
        "waits for ever: too few threads come",
        lambda barrier, _: {"waiting": barrier.n_waiting, "parties": barrier.parties},
    ),
    "semaphore-exhausted": labelled("Semaphore.acquire", "waits for a permit that nobody gives back", permits),
    "event-wait-never-woken": event,
    "lock-never-released": leaked,
    "pool-self-deadlock": labelled(
        "Future.result", "waits for a job that no worker of the pool is free to do", lambda *_: {}
    ),
}
