"""What a test looks at: the state that other threads can change, by names that are the same in all methods of a class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Assert, Call, If, Jump, Ref, Root, Value, walk
from threadlint.project.bodies.uses import Uses
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.names.types import Types
from threadlint.project.names.values import refs

_DEEP = 2

State = tuple[str, ...]
"""A variable and the attributes asked of it; `self` for the instance whatever its name, a parameter with its function before it."""


@dataclass(slots=True)
class Predicates:
    """Answers by value."""

    types: Types
    uses: Uses
    _answers: dict[tuple[str, Value], frozenset[State]] = field(default_factory=dict)

    def of(self, value: Value | None, func: Func, depth: int = 0) -> frozenset[State]:
        """The state that the value depends on: attributes, variables of the module and of outer functions, also inside what it calls."""
        if value is None:
            return frozenset()
        key = (func.id, value)
        if key not in self._answers:
            self._answers[key] = frozenset()
            self._answers[key] = frozenset(self._find(value, func, depth))
        return self._answers[key]

    def called(self, call: Call, func: Func) -> frozenset[State]:
        """The state that the answer of the call depends on."""
        return frozenset(self._called(call, func, 0))

    def _find(self, value: Value, func: Func, depth: int) -> Iterator[State]:
        for ref in refs(value):
            if ref.root == Root.RESULT:
                call = self.types.links.calls[func.id].get(int(ref.name))
                if call is not None:
                    yield from self._called(call, func, depth)
                continue
            state = self.state(ref, func)
            if state:
                yield state

    def _called(self, call: Call, func: Func, depth: int) -> Iterator[State]:
        for value in call.args:
            yield from self.of(value, func, depth)
        callee = call.callee
        if not isinstance(callee, Ref):
            return
        if callee.path:
            yield from self.of(callee.receiver, func, depth)
            if not callee.receiver.path and callee.root == Root.VAR:
                yield from filter(None, [self.state(callee, func)])
        if depth < _DEEP:
            for thing in self.types.of(callee, func):
                if isinstance(thing, FunctionThing):
                    for node in walk(thing.func.facts.body):
                        yield from self._told(node, thing.func, depth + 1)

    def _told(self, node: object, func: Func, depth: int) -> Iterator[State]:
        """What decides the answer of a function: its tests and what it returns."""
        if isinstance(node, (If, Assert)):
            yield from self.of(node.test, func, depth)
        elif isinstance(node, Jump) and node.kind == "return":
            yield from self.of(node.value, func, depth)

    def state(self, ref: Ref, func: Func) -> State:
        """The name as state; empty for what only this call of the function has."""
        home = self.uses.home(ref, func)
        if home.root == Root.RESULT or home.root in (Root.BUILTIN, Root.CLASS, Root.FUNCTION, Root.SUPER):
            return ()
        path = tuple(step for step in home.path if not step.startswith("["))
        if home.root == Root.VAR:
            owner = self.types.links.funcs.get(f"{func.module.name}:{home.owner}")
            if owner is not None and home.name == self.types.self_name(owner):
                return ("self", *path) if path else ()
            if not path and home.owner == func.facts.qualname and home.name not in func.facts.captured:
                return (f"{func.id}:{home.name}",) if self._is_object(home, func) else ()
        return (home.name, *path)

    def _is_object(self, ref: Ref, func: Func) -> bool:
        """Whether the variable is a parameter of which the function asks attributes: an object, maybe shared, and not just a yes or no."""
        if not any(param.name == ref.name for param in func.facts.params):
            return False
        callees = (call.callee for call in self.types.links.calls[func.id].values())
        return any(
            isinstance(callee, Ref)
            and callee.path
            and (callee.root, callee.name, callee.owner) == (ref.root, ref.name, ref.owner)
            for callee in callees
        )


def told(state: State) -> str:
    """The state as messages name it."""
    return ".".join(state).rpartition(":")[2]


def meet(one: frozenset[State], other: frozenset[State]) -> bool:
    """Whether the two look at something in common: the same name, or an attribute of it."""
    return any(a[: len(b)] == b or b[: len(a)] == a for a in one for b in other)
