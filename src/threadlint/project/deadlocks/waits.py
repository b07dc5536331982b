"""Calls that wait, without a limit, for something that another thread does; and which locks that thread has to take first.

Waits as edges of the wait-for graph, as in the "may block" and "monitor wait" events of Infer's starvation analysis: a wait while a lock is held is a
deadlock when whoever ends the wait needs that lock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from threadlint.facts.model import UNKNOWN, Call, Const, If, Loop, Ref, Root, Span, Suspend, Value, With, WithItem
from threadlint.knowledge.event_loops import TIMEOUTS
from threadlint.knowledge.stdlib import POOLS, QUEUES
from threadlint.project.locks.acquires import Acquire, Acquires
from threadlint.project.locks.entry_locks import EntryLocks
from threadlint.project.locks.kept_from import kept_from
from threadlint.project.locks.locks import Locks, Step, text
from threadlint.project.names.linker import Links
from threadlint.project.names.things import ClassThing, Cls, External, Func, FunctionThing, Object
from threadlint.project.names.values import refs
from threadlint.project.queues.queues import Queues
from threadlint.project.roots.thread_roots import THREADS, Spawn

_DEEP = 6
_MOST = 40


@dataclass(frozen=True, slots=True)
class Need:
    """What must happen for a wait to end: `func` has to come to `span`, where it holds or takes the locks with these keys."""

    func: Func
    span: Span
    story: str
    locks: frozenset[str]
    acquires: tuple[Acquire, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """A call that waits: `what` tells it to people, `own` is the key of the lock that the wait itself gives up, `receiver` what is waited for."""

    what: str
    func: Func
    span: Span
    needs: tuple[Need, ...]
    own: str = ""
    chain: tuple[tuple[Func, Span], ...] = ()
    asked: frozenset[str] = frozenset()
    """the attributes that conditions around the call ask for"""
    step: Step | None = field(default=None, compare=False)
    """where it stands in its function"""


@dataclass(slots=True)
class Waits:
    """Answers by function."""

    links: Links
    locks: Locks
    acquires: Acquires
    queues: Queues
    entry: EntryLocks
    spawns: tuple[Spawn, ...]
    tasks: tuple[Spawn, ...]
    steps: Callable[[Func], list[Step]]
    calls: Callable[[Func, Step], tuple[tuple[FunctionThing | ClassThing, Call], ...]]
    _answers: dict[str, tuple[Wait, ...]] = field(default_factory=dict)
    _spawned: dict[tuple[str, int], list[Spawn]] | None = field(default=None)
    _started: dict[tuple[str, int], list[Spawn]] | None = field(default=None)
    _signals: dict[tuple[str, object], list[tuple[Func, Call, frozenset[str]]]] | None = field(default=None)

    def of(self, func: Func, depth: int = 0) -> tuple[Wait, ...]:
        """Every wait that calling the function can come to."""
        known = self._answers.get(func.id)
        if known is not None:
            return known
        self._answers[func.id] = ()
        found: list[Wait] = []
        for step in self.steps(func):
            found.extend(self.own(func, step))
            if depth < _DEEP:
                found.extend(self.called(func, step, depth))
            if len(found) > _MOST:
                break
        self._answers[func.id] = tuple(found[:_MOST])
        return self._answers[func.id]

    def called(self, func: Func, step: Step, depth: int = 0) -> Iterator[Wait]:
        """The waits below the call at this step."""
        for thing, node in self.calls(func, step):
            if not isinstance(thing, FunctionThing) or thing.func.facts.is_generator:
                continue
            if not thing.func.facts.is_async or node.use.startswith("awaited"):
                for wait in self.of(thing.func, depth + 1):
                    place = wait.step
                    if place is not None and kept_from(self.links, thing, self.steps(thing.func), place, node):
                        continue
                    yield Wait(
                        wait.what,
                        wait.func,
                        wait.span,
                        wait.needs,
                        wait.own,
                        ((func, node.span), *wait.chain),
                        wait.asked,
                    )

    def own(self, func: Func, step: Step) -> Iterator[Wait]:
        """The waits of the step itself."""
        node = step.node
        if isinstance(node, With):
            for item in node.items:
                needs = tuple(self._of_pool(item.value, func))
                if needs:
                    yield Wait("leaving the `with` of the executor", func, item.span, needs)
                needs = tuple(self._of_group(item, func)) if node.is_async else ()
                if needs:
                    yield Wait("leaving the `async with` of the task group", func, item.span, needs)
        elif isinstance(node, Suspend):
            needs = tuple(self._of_task(node, func)) if node.kind == "await" and not self._timed(func, step) else ()
            if needs:
                yield Wait(f"`await {text(node.value or UNKNOWN)}`", func, node.span, needs)
        elif isinstance(node, Call) and isinstance(node.callee, Ref) and node.callee.path:
            found = self._method(func, node, node.callee) if not self._timed(func, step) else None
            if found is not None and found.needs and not self._asked(func, step, node.callee):
                yield replace(found, asked=_flags(step), step=step)

    def _asked(self, func: Func, step: Step, callee: Ref) -> bool:
        """`while not queue.empty(): queue.get()`: with everybody under the lock the answer still holds."""
        asks = [(*callee.path[:-1], name) for name in ("empty", "full", "qsize")]
        for node, _ in step.context:
            test = node.test if isinstance(node, If) else node.value if isinstance(node, Loop) else None
            for ref in refs(test):
                call = self.links.calls[func.id].get(int(ref.name)) if ref.root == Root.RESULT else None
                if call is not None and isinstance(call.callee, Ref) and call.callee.path in asks:
                    return True
        return False

    def _method(self, func: Func, node: Call, callee: Ref) -> Wait | None:
        name = callee.path[-1]
        receiver = callee.receiver
        if name not in _METHODS or _limited(node, name):
            return None
        shown = f"`{self._shown(func, callee)}()`"
        objects = [thing for thing in self.locks.types.of(receiver, func) if isinstance(thing, Object)]
        if name in ("join", "terminate") and any(thing.type in POOLS for thing in objects):
            return Wait(shown, func, node.span, tuple(self._of_callbacks(objects)))
        if name in ("join", "result", "exception"):
            needs = [need for thing in objects for need in self._of_thread(thing)]
            if not needs and name == "join":
                needs = list(self._of_queue(receiver, func))
            return Wait(shown, func, node.span, tuple(needs))
        if name == "shutdown":
            return Wait(shown, func, node.span, tuple(self._of_pool(receiver, func)))
        if name in ("get", "put"):
            return Wait(shown, func, node.span, tuple(self._other_end(receiver, func, node)))
        lock = self.locks.of(receiver, func)
        if lock is not None and lock.kind.kind == "condition":
            return Wait(shown, func, node.span, tuple(self._signalled("notify", lock.key)), own=lock.key)
        for thing in objects:
            if thing.frame is None or thing.call is None:
                continue
            origin = (thing.frame.id, thing.call.id)
            if thing.type == "threading.Event" or (thing.type == "asyncio.Event" and node.use.startswith("awaited")):
                return Wait(shown, func, node.span, tuple(self._signalled("set", origin)))
            if thing.type == "threading.Barrier" or (
                thing.type == "asyncio.Barrier" and node.use.startswith("awaited")
            ):
                return Wait(shown, func, node.span, tuple(self._signalled("wait", origin)))
        return None

    def _shown(self, func: Func, callee: Ref) -> str:
        """`pool.submit().result` for a method of what a call returns."""
        call = self.links.calls[func.id].get(int(callee.name)) if callee.root == Root.RESULT else None
        if call is None or not isinstance(call.callee, Ref) or call.callee.root == Root.RESULT:
            return text(callee)
        return ".".join((f"{text(call.callee)}()", *callee.path))

    def _of_thread(self, thing: Object) -> Iterator[Need]:
        """The thread's target, or what was submitted, has to run to its end."""
        if self._spawned is None:
            self._spawned = defaultdict(list)
            for spawn in self.spawns:
                self._spawned[spawn.func.id, spawn.call.id].append(spawn)
        if thing.frame is not None and thing.call is not None:
            for spawn in self._spawned.get((thing.frame.id, thing.call.id), ()):
                yield self._to_the_end(spawn)

    def _timed(self, func: Func, step: Step) -> bool:
        """`async with asyncio.timeout(3):` around the wait."""
        values = [
            item.value
            for node, _ in step.context
            if isinstance(node, With)
            for item in node.items
            if isinstance(item.value, Ref) and item.value.root == Root.RESULT and not item.value.path
        ]
        calls = [self.links.calls[func.id].get(int(value.name)) for value in values]
        return any(
            isinstance(thing, External) and thing.name in TIMEOUTS
            for call in calls
            if call is not None
            for thing in self.locks.types.of(call.callee, func)
        )

    def _of_task(self, node: Suspend, func: Func) -> Iterator[Need]:
        """The awaited task, or what is gathered, has to run to its end."""
        if self._started is None:
            self._started = defaultdict(list)
            for spawn in self.tasks:
                begin = self.steps(spawn.func)[spawn.begin].node if spawn.kind == "task" else None
                if isinstance(begin, Call):
                    self._started[spawn.func.id, begin.id].append(spawn)
        value = node.value
        made = {
            (thing.frame.id, thing.call.id)
            for thing in self.locks.types.of(value, func)
            if isinstance(thing, Object) and thing.frame is not None and thing.call is not None
        }
        if isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
            made.add((func.id, int(value.name)))
        for key in sorted(made):
            yield from map(self._to_the_end, self._started.get(key, ()))

    def _of_group(self, item: WithItem, func: Func) -> Iterator[Need]:
        """The tasks that are made of a group have to run to their end."""
        for spawn in self.tasks if item.target is not None else ():
            begin = self.steps(func)[spawn.begin].node if spawn.func is func and spawn.kind == "task" else None
            if isinstance(begin, Call) and isinstance(begin.callee, Ref) and begin.callee.receiver == item.target:
                yield self._to_the_end(spawn)

    def _to_the_end(self, spawn: Spawn) -> Need:
        target = spawn.target.func
        found = self.acquires.of(target)
        return Need(
            target,
            target.facts.span,
            f"`{target.name}` has to end first",
            frozenset(one.lock.key for one in found),
            found,
        )

    def _of_pool(self, value: Value, func: Func) -> Iterator[Need]:
        pools = {
            (thing.frame.id, thing.call.id)
            for thing in self.locks.types.of(value, func)
            if isinstance(thing, Object)
            and thing.type in THREADS
            and thing.frame is not None
            and thing.call is not None
        }
        if not pools:
            return
        for spawn in self.spawns:
            callee = spawn.call.callee
            if spawn.kind in ("executor", "pool") and isinstance(callee, Ref) and callee.path:
                receiver = callee.receiver
                for thing in self.locks.types.of(receiver, spawn.func):
                    if (
                        isinstance(thing, Object)
                        and thing.frame
                        and thing.call
                        and (thing.frame.id, thing.call.id) in pools
                    ):
                        yield self._to_the_end(spawn)
                        break

    def _of_callbacks(self, pools: list[Object]) -> Iterator[Need]:
        """`join()` and `terminate()` of a `multiprocessing` pool wait for the thread that runs the callbacks (`Pool._terminate_pool`, CPython 3.13)."""
        made = {
            (thing.frame.id, thing.call.id) for thing in pools if thing.frame is not None and thing.call is not None
        }
        for func, call in self.links.mentions.calls(self.links.mentions.ending("_async")):
            given = [value for key, value in call.keywords if key in ("callback", "error_callback")]
            callee = call.callee
            if not given or not isinstance(callee, Ref) or not callee.path:
                continue
            receiver = callee.receiver
            owners = {
                (thing.frame.id, thing.call.id)
                for thing in self.locks.types.of(receiver, func)
                if isinstance(thing, Object) and thing.frame is not None and thing.call is not None
            }
            if owners & made:
                for target in (target for value in given for target in self._callables(value, func)):
                    found = self.acquires.of(target)
                    keys = frozenset(one.lock.key for one in found)
                    yield Need(target, target.facts.span, f"`{target.name}` has to end first", keys, found)

    def _callables(self, value: Value, func: Func) -> Iterator[Func]:
        """The functions of the project that calling the value runs: functions, methods, and `__call__` of an object."""
        for thing in self.locks.types.of(value, func):
            if isinstance(thing, FunctionThing):
                yield thing.func
            elif isinstance(thing, Object) and isinstance(thing.type, Cls):
                method = self.locks.types.method(thing.type, "__call__")
                if method is not None:
                    yield method

    def _of_queue(self, value: Ref, func: Func) -> Iterator[Need]:
        """`Queue.join()` ends when the consumers have marked every item."""
        for origin in set(self.queues.origins(value, func)):
            uses = self.queues.uses().get(origin, [])
            consumers = {use.func.id: use for use in uses if use.method == "task_done"}
            for use in consumers.values():
                found = self.acquires.of(use.func)
                keys = frozenset(one.lock.key for one in found)
                yield Need(
                    use.func, use.call.span, f"`{use.func.name}` has to come to `task_done()` first", keys, found
                )

    def _other_end(self, value: Ref, func: Func, wait: Call) -> Iterator[Need]:
        """`get()` ends when somebody puts; it is stuck when every `put()` needs the lock. The same for `put()` on a queue with a limit."""
        method = wait.callee.path[-1] if isinstance(wait.callee, Ref) else ""
        other = ("put", "put_nowait") if method == "get" else ("get", "get_nowait")
        for origin in set(self.queues.origins(value, func)):
            world = "tasks" if wait.use.startswith("awaited") else "threads"
            if QUEUES[self.queues.kinds[origin]] != world or (method == "put" and not self._bounded(origin)):
                continue
            ends = [use for use in self.queues.uses().get(origin, []) if use.method in other]
            needed = [self._held_at(use.func, use.call) for use in ends]
            if ends:
                common = frozenset.intersection(*needed)
                first = ends[0]
                story = f"`{first.method}()` is only called here with the lock held"
                yield Need(first.func, first.call.span, story, common)

    def _bounded(self, origin: tuple[str, int]) -> bool:
        call = self.links.calls[origin[0]].get(origin[1])
        size = call.argument(0, "maxsize") if call is not None else None
        return isinstance(size, Const) and isinstance(size.value, int) and size.value > 0

    def _signalled(self, method: str, key: object) -> Iterator[Need]:
        """Who sets the event, notifies the condition or comes to the barrier, when each of them holds the lock."""
        if self._signals is None:
            self._signals = self._all_signals()
        ends = self._signals.get((method, key), [])
        if ends:
            func, call, _ = ends[0]
            common = frozenset.intersection(*(held for _, _, held in ends))
            yield Need(func, call.span, f"`{method}()` is only called with the lock held, as here", common)

    def _all_signals(self) -> dict[tuple[str, object], list[tuple[Func, Call, frozenset[str]]]]:
        found: dict[tuple[str, object], list[tuple[Func, Call, frozenset[str]]]] = defaultdict(list)
        for func in self.links.ordered():
            for call in self.links.calls[func.id].values():
                callee = call.callee
                name = callee.path[-1] if isinstance(callee, Ref) and callee.path else ""
                if name not in ("set", "notify", "notify_all", "notifyAll", "wait") or not isinstance(callee, Ref):
                    continue
                receiver = callee.receiver
                if name.startswith("notify"):
                    lock = self.locks.of(receiver, func)
                    if lock is not None:
                        found["notify", lock.key].append((func, call, self._held_at(func, call)))
                    continue
                for thing in self.locks.types.of(receiver, func):
                    wanted = _EVENTS if name == "set" else _BARRIERS
                    if isinstance(thing, Object) and thing.type in wanted and thing.frame and thing.call:
                        found[name, (thing.frame.id, thing.call.id)].append((func, call, self._held_at(func, call)))
        return found

    def _held_at(self, func: Func, call: Call) -> frozenset[str]:
        held = next((step.held for step in self.steps(func) if step.node is call), ())
        return frozenset(one.lock.key for one in held if one.lock.excludes) | self.entry.always.get(
            func.id, frozenset()
        )


_EVENTS = frozenset({"threading.Event", "asyncio.Event"})
_BARRIERS = frozenset({"threading.Barrier", "asyncio.Barrier"})
_METHODS = frozenset({"join", "terminate", "result", "exception", "shutdown", "get", "put", "wait"})


def _limited(call: Call, name: str) -> bool:
    """Whether the call has a timeout, or does not wait at all."""
    if name == "shutdown":
        wait = call.argument(0, "wait")
        return isinstance(wait, Const) and not wait.value
    block = call.argument(1, "block") if name == "put" else call.keyword("block")
    if isinstance(block, Const) and not block.value:
        return True
    if name == "put":
        return call.keyword("timeout") is not None or len(call.args) > 1
    return bool(call.args) or call.keyword("timeout") is not None


def _flags(step: Step) -> frozenset[str]:
    tests = [node.test for node, _ in step.context if isinstance(node, If)]
    return frozenset(ref.path[-1] for test in tests for ref in refs(test) if ref.path)
