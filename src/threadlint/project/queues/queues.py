"""Which values are the same queue, and which calls are made on each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Ref, Value
from threadlint.knowledge.stdlib import QUEUES
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.names.types import Types

Origin = tuple[str, int]
"""The identity of an object: the function in which it is made, and the number of the constructor call there."""

_METHODS = frozenset(
    {"get", "get_nowait", "put", "put_nowait", "task_done", "join", "shutdown", "empty", "full", "qsize"}
)


@dataclass(frozen=True, slots=True)
class Use:
    """A method called on a queue."""

    method: str
    func: Func
    call: Call
    receiver: Ref


@dataclass(slots=True)
class Queues:
    """Queues by origin."""

    types: Types
    links: Links
    _uses: dict[Origin, list[Use]] | None = field(default=None)
    kinds: dict[Origin, str] = field(default_factory=dict)
    """the type of each queue, by dotted name"""

    def uses(self) -> dict[Origin, list[Use]]:
        """All calls of queue methods, by the queue that they mean."""
        if self._uses is None:
            found: dict[Origin, list[Use]] = defaultdict(list)
            for func, call in self.links.mentions.calls(_METHODS):
                for origin, use in self._use(func, call):
                    found[origin].append(use)
            self._uses = dict(found)
        return self._uses

    def _use(self, func: Func, call: Call) -> Iterator[tuple[Origin, Use]]:
        callee = call.callee
        if not isinstance(callee, Ref) or not callee.path or callee.path[-1] not in _METHODS:
            return
        receiver = callee.receiver
        for origin in self.origins(receiver, func):
            yield origin, Use(callee.path[-1], func, call, receiver)

    def origins(self, value: Value, func: Func) -> Iterator[Origin]:
        """The queues that the value can be."""
        for thing in self.types.of(value, func):
            if isinstance(thing, Object) and thing.frame is not None and thing.call is not None:
                kind = self._kind(thing)
                if kind:
                    origin = (thing.frame.id, thing.call.id)
                    self.kinds[origin] = kind
                    yield origin

    def kinds_of(self, value: Value, func: Func) -> Iterator[str]:
        """The types of the queues that the value can be; empty text for what is none."""
        for thing in self.types.of(value, func):
            yield self._kind(thing) if isinstance(thing, Object) else ""

    def _kind(self, thing: Object) -> str:
        if isinstance(thing.type, Cls):
            return next((base for base in self.types.mro(thing.type) if isinstance(base, str) and base in QUEUES), "")
        return thing.type if thing.type in QUEUES else ""
