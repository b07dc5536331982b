"""Pause-and-recheck: hold a thread between "computed" and "stored" until another thread has changed the place.

After RaceFuzzer (Sen, "Race directed random testing of concurrent programs", PLDI 2008). The pausing thread itself
reads the place again: what it cannot see (a thread-local, a proxy that leads elsewhere) is no loss.
"""

from __future__ import annotations

import _thread
import sys
from typing import TYPE_CHECKING, Any

from .guards import guard_of, why_blocked
from .readers import LOUD, MISSING, quiet_reader, same, shown
from .registry import Registry, ThreadState, Wait, monotonic, stack_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .events import Events
    from .rewrite import Split

LONGEST = 1.0
"""Seconds that one pause lasts at most while other threads still do something."""
IDLE = 0.08
"""Seconds for which all others must sleep in the kernel before they count as waiting for something unseen."""
MOST_PAUSES = 40
GUARDED_ENOUGH = 20
"""After so many pauses in which the others waited for a lock that the pausing thread holds, more would show the same."""


class Pause:
    """One thread that holds still between reading a place and storing into it."""

    __slots__ = ("base", "before", "end", "frame", "key", "new", "now", "old", "passed", "read", "ready",
                 "retest", "split", "state", "wake", "writers")  # fmt: skip

    def __init__(self, split: Split, state: ThreadState, base: Any, key: Any) -> None:
        self.split = split
        self.state = state
        self.base = base
        self.key = key
        self.wake = _thread.allocate_lock()
        self.wake.acquire()
        self.writers: list[dict[str, Any]] = []
        self.end = ""
        self.old: Any = None
        self.new: Any = None
        self.before: Any = None
        self.now: Any = None
        self.read: Callable[[], Any] | None = None
        self.frame: FrameType | None = None
        self.retest: Callable[[], bool] | None = None
        self.ready = False
        self.passed = ""


class SiteRecord:
    """What happened at one site so far: the evidence when nothing is confirmed."""

    __slots__ = ("executions", "pauses", "skip", "step", "threads")

    def __init__(self) -> None:
        self.executions: dict[int, int] = {}
        self.threads: set[str] = set()
        self.pauses: list[dict[str, Any]] = []
        self.skip = 0
        self.step = 1.0


class Pauser:
    """Decides who pauses, for how long, and what was seen then."""

    def __init__(self, registry: Registry, events: Events, splits: list[Split], budget: float) -> None:
        self.registry = registry
        self.events = events
        self.splits = splits
        self.budget = budget
        self.current: Pause | None = None
        self.hits: dict[int, Pause] = {}
        self.records: dict[int, SiteRecord] = {}
        self.gate = _thread.allocate_lock()
        self.last_look = False
        self.done = False

    def record(self, index: int) -> SiteRecord:
        """The record of a site, made on first use."""
        found = self.records.get(index)
        if found is None:
            found = self.records.setdefault(index, SiteRecord())
        return found

    def before(  # called from rewritten statements, where every argument is a place
        self, index: int, base: Any, key: Any, old: Any, new: Any, read: Callable[[], Any] | None
    ) -> None:
        """Between computing and storing: announce the store to a pausing thread, or pause oneself."""
        if self.done:
            return
        state = self.registry.state()
        record = self.arrive(index, state)
        split = self.splits[index]
        if split.region is not None:
            hit = self.hits.get(state.ident)
            if hit is not None and hit.split is split:
                hit.new = new
        current = self.current
        if current is not None:
            if current.state is state:
                return
            if self.same_place(current, index, base, key, read):
                self.announce(current, index, state, shown(new))
            else:
                current.passed = "elsewhere"
            return
        # A plain store has read nothing before, so nothing that it overwrites was missed by it.
        if split.reads and split.region is None:
            self.pause(index, (base, key, old, new, read), record, state)

    def gap(self, index: int, base: Any, key: Any, read: Callable[[], Any] | None) -> None:
        """Between two locked regions, the place read in the first and to be stored in the second: pause here."""
        state = self.registry.state()
        # What an earlier turn saw is over if it did not come to the store: it may have looked again.
        if self.take_hit(index) is not None:
            self.missed(index, state)
        if not self.done and self.current is None:
            self.pause(index, (base, key, LOUD, None, read), self.record(index), state)

    def pause(self, index: int, place: tuple[Any, ...], record: SiteRecord, state: ThreadState) -> None:
        """Hold the thread at a place, if a pause is worth its time and nobody else is paused."""
        base, key, old, new, read = place
        split = self.splits[index]
        if not self.may_pause(record, state) or not self.gate.acquire(False):
            return
        try:
            if self.current is not None:
                return
            pause = Pause(split, state, base, read if split.kind == "name" else key)
            pause.read = quiet_reader(split.kind, base, key, read)
            pause.old, pause.new = old, new
            pause.before = pause.read() if pause.read is not None else LOUD
            pause.frame = sys._getframe(1)
            self.current = pause
        finally:
            self.gate.release()
        self.hold(pause, record, index)

    def store(self, index: int, base: Any, key: Any, new: Any, read: Callable[[], Any] | None) -> None:
        """As `before`, for an assignment: what was read before it is not at hand."""
        self.before(index, base, key, LOUD, new, read)

    def act(self, index: int, retest: Callable[[], bool], look: Callable[[], Any] | None) -> None:
        """After a test came out true: let another thread act on the same test first, then test again.

        `look` reads the place that the test decides by, where the act itself is in another function.
        """
        if self.done:
            return
        state = self.registry.state()
        record = self.arrive(index, state)
        current = self.current
        if current is not None:
            if current.state is not state and current.split.index == index:
                self.announce(current, index, state, "")
            return
        split = self.splits[index]
        if not self.may_pause(record, state) or not self.gate.acquire(False):
            return
        try:
            if self.current is not None:
                return
            pause = Pause(split, state, None, None)
            pause.retest = retest
            pause.frame = sys._getframe(1)
            self.current = pause
        finally:
            self.gate.release()
        self.hold(pause, record, index)
        if look is not None and state.ident in self.hits:
            pause.read = lambda: quietly(look)
            pause.now = pause.read()

    def doing(self, index: int) -> None:
        """Before the act: the thread whose test is no longer true acts all the same."""
        if self.hits:
            hit = self.take_hit(index)
            if hit is not None:
                self.witness(hit)

    def acted(self, index: int) -> None:
        """At the end of what a test guards: the pausing thread may test again; a hit shows whether it has acted."""
        current = self.current
        if current is not None and current.split.index == index and current.state is not self.registry.state():
            current.ready = True
            release(current.wake)
        hit = self.take_hit(index) if self.hits else None
        # An act in another function is seen by its effect only; a body that asked again has none.
        if hit is not None and hit.read is not None and hit.read() is not hit.now:
            self.witness(hit)
        elif hit is not None:
            self.missed(index, hit.state)

    def arrive(self, index: int, state: ThreadState) -> SiteRecord:
        """Count an execution."""
        record = self.records.get(index) or self.record(index)
        count = state.counts.get(index, 0) + 1
        state.counts[index] = count
        record.executions[state.ident] = count
        if state.name not in record.threads:
            record.threads.add(state.name)
            if len(record.threads) <= 4:
                self.events.send("reached", site=index, thread=state.name)
        return record

    def may_pause(self, record: SiteRecord, state: ThreadState) -> bool:
        """Whether a pause is worth its time here: somebody else is there, and the last ones did not fail in a row."""
        if record.skip > 0:
            record.skip -= 1
            return False
        pauses = record.pauses
        if self.budget <= 0 or len(pauses) >= MOST_PAUSES:
            return False
        if len(pauses) >= GUARDED_ENOUGH and all(one["end"] == "guarded" for one in pauses):
            return False
        return bool(self.registry.starting or self.registry.others(state))

    def same_place(self, pause: Pause, index: int, base: Any, key: Any, read: Callable[[], Any] | None) -> bool:
        """Whether another thread is about to store into the place of the pause."""
        split = self.splits[index]
        if split.kind != pause.split.kind:
            return False
        if split.kind == "name":
            return split.name == pause.split.name and cell_of(read) == cell_of(pause.key)
        return base is pause.base and (key is pause.key or (type(key) is type(pause.key) and bool(key == pause.key)))

    def announce(self, pause: Pause, index: int, state: ThreadState, value: str) -> None:
        """Tell the pausing thread who stores; one side of a witness must be the flagged line."""
        if index == 0 or pause.split.index == 0:
            split = self.splits[index]
            pause.writers.append(
                {
                    "thread": state.name,
                    "ident": state.ident,
                    "path": split.path,
                    "line": split.act_line,
                    "text": "" if split.act is not None else split.text,
                    "value": value,
                    "stack": stack_of(sys._getframe(2)),
                }
            )

    def after(self, index: int) -> None:
        """After the store: wake the pausing thread; tell what a hit has overwritten."""
        current = self.current
        if current is not None and current.writers and current.wake.locked():
            release(current.wake)
        if self.hits:
            hit = self.take_hit(index)
            if hit is not None:
                self.witness(hit)

    def take_hit(self, index: int) -> Pause | None:
        """The hit that this thread has at a site, taken off the list."""
        ident = _thread.get_ident()
        hit = self.hits.get(ident)
        if hit is None or hit.split.index != index:
            return None
        del self.hits[ident]
        return hit

    def missed(self, index: int, state: ThreadState) -> None:
        """Another thread came first, and this one took notice."""
        self.events.send("pause", end="no-act", site=index, thread=state.name, passed="")

    def hold(self, pause: Pause, record: SiteRecord, index: int) -> None:
        """The pause itself, until the place has changed or nobody else can run."""
        began = monotonic()
        limit = began + min(LONGEST, max(self.budget, 0.05))
        try:
            pause.end = self.watch(pause, limit, lambda: self.changed(pause))
            if pause.end != "hit" and self.changed(pause):
                pause.end = "hit"
        finally:
            self.current = None
        self.budget -= monotonic() - began
        self.settle(pause, record, index)

    def watch(self, pause: Pause, limit: float, changed: Callable[[], bool]) -> str:
        """Wait for the change; the answer is `hit`, `guarded`, `blocked`, `alone`, `idle`, `exit` or `timeout`."""
        state, registry = pause.state, self.registry
        wait = Wait("pause", pause, limit, lambda: True)
        wait.frame = None
        state.waits.append(wait)
        state.ticks += 1
        marks: tuple[str, ...] = ()
        marked = monotonic()
        quiet = 0
        progress = -1
        try:
            while True:
                pause.wake.acquire(True, 0.001 if quiet else 0.003)
                if changed():
                    return "hit"
                now = monotonic()
                if self.last_look:
                    return "exit"
                if now > limit:
                    return "timeout"
                outlook = registry.outlook(state)
                seen = registry.progress()
                if outlook == "blocked" and seen == progress:
                    quiet += 1
                    if quiet >= 3:
                        return why_blocked(pause, registry)
                    continue
                quiet, progress = 0, seen
                fresh = registry.idle_marks(state)
                if outlook == "timed" or "" in fresh or fresh != marks:
                    marks, marked = fresh, now
                elif now - marked > IDLE:
                    return "idle"
        finally:
            state.waits.remove(wait)
            state.ticks += 1

    def changed(self, pause: Pause) -> bool:
        """Whether the pausing thread itself now sees another value at the place, or its test fails now."""
        if pause.retest is not None:
            if not (pause.ready or (pause.split.quiet and pause.writers)):
                return False
            pause.ready = False
            try:
                return not pause.retest()
            except Exception:  # noqa: BLE001  # the program's own test; what it raises now is no witness
                return False
        if pause.read is not None:
            pause.now = pause.read()
            return not same(pause.before, pause.now) and (pause.split.index == 0 or bool(pause.writers))
        if not pause.writers:
            return False
        # Reading runs the program's code here, so it is done once, and only after a store was announced.
        pause.now = pause.split.reread(pause.base, pause.key)
        pause.read = lambda: pause.now
        pause.before = pause.old
        return not same(pause.old, pause.now)

    def settle(self, pause: Pause, record: SiteRecord, index: int) -> None:
        """Note how the pause ended, and when to try again."""
        if pause.end == "hit":
            self.hits[pause.state.ident] = pause
            record.pauses.append({"end": "hit"})
            return
        outcome: dict[str, Any] = {"end": pause.end, "site": index, "thread": pause.state.name}
        outcome["passed"] = "unchanged" if pause.writers else pause.passed
        if pause.end in {"guarded", "idle", "blocked"}:
            outcome["guard"] = guard_of(pause, self.registry)
        record.pauses.append(outcome)
        record.step = min(record.step * 1.6, 4096.0)
        record.skip = int(record.step) - 1
        self.events.send("pause", **outcome)

    def writer(self, pause: Pause) -> dict[str, Any]:
        """Who stored what the pausing thread sees now, as far as it was seen."""
        if not pause.writers:
            return {"thread": "another thread", "path": pause.split.path, "line": 0, "text": ""}
        return next((one for one in reversed(pause.writers) if one["value"] == shown(pause.now)), pause.writers[-1])

    def witness(self, pause: Pause) -> None:
        """A thread read, another stored, the first one overwrote: send it, and be done."""
        self.done = True
        split = pause.split
        first = {"thread": pause.state.name, "path": split.path, "line": split.line, "text": split.text}
        writer = self.writer(pause)
        where = stack_of(pause.frame)
        now = shown(pause.now)
        old = shown(pause.before if pause.old is LOUD or pause.before is MISSING else pause.old)
        if split.kind == "test":
            # Of `if done: return` the way on is the one where the test fails.
            then, later = ("false", "true") if split.fall_through else ("true", "false")
            steps = [
                {**first, "action": "tested", "values": {"result": then}, "stack": where},
                {**writer, "action": "acted", "values": {}},
                {**first, "line": split.act_line, "text": "", "action": "acted too", "values": {"test now": later}},
            ]
        else:
            steps = [
                {**first, "action": "read", "values": {"read": old}, "stack": where},
                {**writer, "action": "stored", "values": {"stored": now}},
                {**first, "action": "overwrote", "values": {"stored": shown(pause.new), "lost": now}},
            ]
        self.events.send("witness", kind="race", steps=steps, tier=split.tier(pause.base, pause.key, pause.old))


def cell_of(read: Any) -> int:
    """Tells one variable of a name from another: its closure cell, or the module's namespace."""
    if read is None:
        return 0
    return id(read.__closure__[0]) if read.__closure__ else id(read.__globals__)


def quietly(look: Callable[[], Any]) -> Any:
    """What the program's expression gives; MISSING where it raises."""
    try:
        return look()
    except Exception:  # noqa: BLE001  # a key that is not there yet, an attribute that was deleted
        return MISSING


def release(lock: Any) -> None:
    """Open a lock that somebody else may open at the same time."""
    try:
        lock.release()
    except RuntimeError:
        return
