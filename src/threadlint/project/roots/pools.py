"""Which values are the same pool, and whether what is handed to a pool is waited for in the same function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Span
from threadlint.project.bodies.lifetimes import Lifetimes, receiver_of
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import ClassThing, Func, FunctionThing, Object
from threadlint.project.names.types import Types
from threadlint.project.roots.thread_roots import THREADS

Pool = tuple[str, int]
"""The identity of a pool: the function in which it is made, and the number of the constructor call there."""

_WAITING = frozenset({"concurrent.futures.wait", "concurrent.futures.as_completed"})
_READING = frozenset(
    {"builtins.list", "builtins.tuple", "builtins.set", "builtins.dict", "builtins.sorted", "builtins.sum", "builtins.max", "builtins.min",
     "builtins.any", "builtins.all"}
)  # fmt: skip
_AT_ONCE = frozenset({"apply", "map", "starmap"})
_MOST = 400


@dataclass(slots=True)
class Pools:
    """Questions about pools of threads."""

    types: Types
    lifetimes: Lifetimes
    steps: Callable[[Func], list[Step]]
    calls: Callable[[Func, Step], tuple[tuple[FunctionThing | ClassThing, Call], ...]]
    _reached: dict[str, dict[str, Func]] = field(default_factory=dict)

    def of(self, func: Func, call: Call) -> frozenset[Pool]:
        """The pools whose method the call calls."""
        receiver = receiver_of(call)
        if receiver is None:
            return frozenset()
        return frozenset(
            (thing.frame.id, thing.call.id)
            for thing in self.types.of(receiver, func)
            if isinstance(thing, Object)
            and thing.type in THREADS
            and thing.frame is not None
            and thing.call is not None
        )

    def waited_for(self, func: Func, call: Call) -> Span | None:
        """Where the function waits, for as long as it takes, for what the call hands to a pool; None where it does not."""
        method = call.callee.path[-1] if hasattr(call.callee, "path") else ""
        owners = {thing.type for thing in self.types.of(receiver_of(call), func) if isinstance(thing, Object)}
        if method in _AT_ONCE and any(str(owner).startswith("multiprocessing") for owner in owners):
            return call.span
        life = self.lifetimes.of(func, call, _WAITING | _READING)
        for name, node, _ in life.methods:
            if name in ("result", "exception", "get", "wait") and not node.args and not node.keywords:
                return node.span
        for name, node, _ in life.passed:
            if name in _WAITING and len(node.args) < 2 and node.keyword("timeout") is None:
                return node.span
            if method == "map" and name in _READING:
                return node.span
        if method in ("map", "imap", "imap_unordered") and life.loops and call.keyword("timeout") is None:
            return life.loops[0].span
        return None

    def reached(self, func: Func) -> dict[str, Func]:
        """The functions that calling this one can lead to on the same thread, itself included, by id."""
        known = self._reached.get(func.id)
        if known is None:
            known = {func.id: func}
            todo = [func]
            while todo and len(known) < _MOST:
                for inner in self._callees(todo.pop()):
                    if inner.id not in known:
                        known[inner.id] = inner
                        todo.append(inner)
            self._reached[func.id] = known
        return known

    def _callees(self, func: Func) -> Iterator[Func]:
        for step in self.steps(func):
            for thing, _ in self.calls(func, step):
                if isinstance(thing, FunctionThing) and not thing.func.facts.is_async:
                    yield thing.func
