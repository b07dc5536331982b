"""Which values are conditions, events, barriers and semaphores, and what is called on each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Ref, Value
from threadlint.knowledge.primitives import Primitive, of_kind
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Cls, Func, Object, Thing
from threadlint.project.names.types import Types

Origin = tuple[str, int]
"""The identity of a signal: the function in which it is made, and the number of the constructor call there."""

_SIGNALS = of_kind("condition", "event", "barrier", "semaphore")
_METHODS = frozenset(
    {"wait", "wait_for", "notify", "notify_all", "notifyAll", "set", "clear", "abort", "reset", "acquire", "release"}
)


@dataclass(frozen=True, slots=True)
class SignalCall:
    """A method called on a signal; `number` is the step of `func` at which that is, `origins` are the signals that it can be."""

    method: str
    type: Primitive
    func: Func
    call: Call
    number: int
    step: Step
    receiver: Ref
    origins: frozenset[Origin]


@dataclass(slots=True)
class Signals:
    """Answers for the whole project."""

    types: Types
    links: Links
    steps: Callable[[Func], list[Step]]
    _calls: tuple[SignalCall, ...] | None = None
    _by_origin: dict[Origin, list[SignalCall]] = field(default_factory=lambda: defaultdict(list))

    def calls(self, kind: str, *methods: str) -> Iterator[SignalCall]:
        """The calls of these methods on signals of this kind, function by function in the order of evaluation."""
        return (one for one in self._known() if one.type.kind == kind and one.method in methods)

    def on(self, origins: frozenset[Origin], kind: str, *methods: str) -> Iterator[SignalCall]:
        """Those of the calls that can mean one of these signals."""
        self._known()
        found = {id(one): one for origin in sorted(origins) for one in self._by_origin.get(origin, ())}
        return (one for one in found.values() if one.type.kind == kind and one.method in methods)

    def _known(self) -> tuple[SignalCall, ...]:
        if self._calls is None:
            self._calls = tuple(self._all())
            for one in self._calls:
                for origin in one.origins:
                    self._by_origin[origin].append(one)
        return self._calls

    def made(self, origin: Origin) -> tuple[Func, Call]:
        """Where the signal is made: the function, and the call of its class."""
        func = self.links.funcs[origin[0]]
        return func, self.links.calls[func.id][origin[1]]

    def kind(self, value: Value | None, func: Func) -> Primitive | None:
        """What kind of signal the value is; None where it can be something else, or is not known.

        Classes of the same name in other libraries (`eventlet.green.threading.Condition`) count as the same.
        """
        things = self.types.of(value, func)
        found = [kind for thing in things if isinstance(thing, Object) and (kind := self._kind(thing)) is not None]
        if not found or any(kind.kind != found[0].kind for kind in found):
            return None
        return found[0] if all(self._fits(thing, found[0]) for thing in things) else None

    def origins(self, value: Value | None, func: Func) -> frozenset[Origin]:
        """The signals that the value can be, where their making is seen."""
        return frozenset(
            (thing.frame.id, thing.call.id)
            for thing in self.types.of(value, func)
            if isinstance(thing, Object) and thing.frame is not None and thing.call is not None and self._kind(thing)
        )

    def _all(self) -> Iterator[SignalCall]:
        for func in self.links.mentions.callers(_METHODS):
            yield from self._of(func)

    def _of(self, func: Func) -> Iterator[SignalCall]:
        for number, step in enumerate(self.steps(func)):
            node = step.node
            method = _method(node) if isinstance(node, Call) else ""
            if not method or not isinstance(node, Call) or not isinstance(node.callee, Ref):
                continue
            receiver = node.callee.receiver
            kind = self.kind(receiver, func)
            if kind is not None:
                origins = self.origins(receiver, func)
                yield SignalCall(method, kind, func, node, number, step, receiver, origins)

    def _fits(self, thing: Thing, kind: Primitive) -> bool:
        if not isinstance(thing, Object):
            return False
        if self._kind(thing) is not None:
            return True
        return isinstance(thing.type, str) and thing.type.rpartition(".")[2].lower() == kind.kind

    def _kind(self, thing: Object) -> Primitive | None:
        if isinstance(thing.type, Cls):
            bases = (_SIGNALS.get(base) for base in self.types.mro(thing.type) if isinstance(base, str))
            return next((base for base in bases if base is not None), None)
        return _SIGNALS.get(thing.type)


def _method(call: Call) -> str:
    callee = call.callee
    name = callee.path[-1] if isinstance(callee, Ref) and callee.path else ""
    return ("notify_all" if name == "notifyAll" else name) if name in _METHODS else ""
