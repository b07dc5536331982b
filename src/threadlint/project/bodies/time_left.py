"""Differences between a deadline and a clock: where they are computed, and whether they can reach a place without having been compared with anything.

A backward slice over values: through variables of one function, `min()`, conversions, lists that they are put into, what functions return, and what generators
yield to whoever runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Compare, Derived, Logic, Many, Ref, Root, Span, Suspend, Value, walk
from threadlint.knowledge.clocks import CLOCKS
from threadlint.project.bodies.lifetimes import values
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import ClassThing, External, Func, FunctionThing, Object
from threadlint.project.names.types import Types
from threadlint.project.names.values import refs

_DEEP = 12
_KEEPING = frozenset({"builtins.float", "builtins.int", "builtins.round", "builtins.min"})
"""Functions that give back one of their arguments, or one close to it."""
_SCALING = frozenset({"Multiply", "Divide", "FloorDivide"})
_ORDER = frozenset({"<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Remainder:
    """A difference that is negative once the time is over, and the call of the clock in it; `elapsed` where the clock's reading is a duration."""

    func: Func
    span: Span
    elapsed: bool = False


@dataclass(slots=True)
class TimeLeft:
    """Answers by value."""

    types: Types
    steps: Callable[[Func], list[Step]]
    _compared: dict[str, frozenset[Value]] = field(default_factory=dict)

    def of(self, value: Value | None, func: Func, depth: int = 0) -> Remainder | None:
        """The difference that the value can be, unless something clamps it or tests it on the way."""
        if depth > _DEEP or value in self.compared(func):
            return None
        if isinstance(value, Derived):
            if value.op == "Subtract":
                return self._difference(value, func)
            if value.op in _SCALING:
                return self._first(value.parts, func, depth)
        elif isinstance(value, Ref):
            if value.root == Root.RESULT and not value.path:
                call = self.types.links.calls[func.id].get(int(value.name))
                return self._result(call, func, depth) if call is not None else None
            if not value.path:
                return self._first(self._bound(value, func), func, depth)
        return None

    def _first(self, parts: tuple[Value, ...], func: Func, depth: int) -> Remainder | None:
        return next((found for part in parts if (found := self.of(part, func, depth + 1)) is not None), None)

    def _difference(self, value: Derived, func: Func) -> Remainder | None:
        last = value.parts[-1] if value.parts else None
        clock = self._reading(last, func) if len(value.parts) > 1 else None
        if clock is not None:
            return Remainder(func, clock.span)
        passed = self._elapsed(last, func)
        return Remainder(func, passed.span, elapsed=True) if passed is not None else None

    def _reading(self, value: Value | None, func: Func) -> Call | None:
        """The call of a clock that the value is, at once or by a variable that nothing is compared with."""
        if not isinstance(value, Ref) or value.path or value in self.compared(func):
            return None
        if value.root == Root.RESULT:
            call = self.types.links.calls[func.id].get(int(value.name))
            return call if call is not None and self._names(call, func) & CLOCKS else None
        bound = self._bound(value, func)
        return self._reading(bound[0], func) if len(bound) == 1 and bound[0] != value else None

    def _elapsed(self, value: Value | None, func: Func) -> Call | None:
        """The call of a clock in the time that has passed since a moment: `time.time() - start`."""
        if isinstance(value, Derived) and value.op == "Subtract" and len(value.parts) == 2:
            return self._reading(value.parts[0], func)
        if isinstance(value, Ref) and not value.path and value.root == Root.VAR and value not in self.compared(func):
            bound = self._bound(value, func)
            if len(bound) == 1 and isinstance(bound[0], Derived):
                return self._elapsed(bound[0], func)
        return None

    def _result(self, call: Call, func: Func, depth: int) -> Remainder | None:
        names = self._names(call, func)
        if names & _KEEPING:
            given = call.args if len(call.args) > 1 or "builtins.min" not in names else self._items(call.args, func)
            return self._first(given, func, depth)
        if "builtins.max" in names:
            return self._first(self._items(call.args, func), func, depth) if len(call.args) == 1 else None
        for thing in self.types.of(call.callee, func):
            if isinstance(thing, ClassThing) and self.types.derives(thing.cls, ("float", "builtins.float")):
                return self._first(call.args[:1], func, depth)
            if isinstance(thing, FunctionThing) and not thing.func.facts.is_generator and not thing.func.facts.is_async:
                found = self._first(tuple(self.types.returned(thing.func)), thing.func, depth)
                if found is not None:
                    return found
        for generator in self._generators(call, names, func):
            found = self._first(tuple(_yielded(generator)), generator, depth)
            if found is not None:
                return found
        return None

    def _generators(self, call: Call, names: set[str], func: Func) -> Iterator[Func]:
        """The generator functions that the call runs up to their next `yield`."""
        callee = call.callee
        driven: Value | None = None
        if "builtins.next" in names:
            driven = call.argument(0)
        elif isinstance(callee, Ref) and callee.path[-1:] in (("send",), ("__next__",)):
            driven = callee.receiver
        for thing in self.types.of(driven, func):
            if isinstance(thing, Object) and thing.type == "generator" and thing.frame is not None:
                yield thing.frame

    def _items(self, args: tuple[Value, ...], func: Func) -> tuple[Value, ...]:
        """What is in a list of the function itself: the items of its display, and what is appended to it."""
        found: list[Value] = []
        for value in args:
            bound = self._bound(value, func) if isinstance(value, Ref) else (value,)
            found += [item for one in bound if isinstance(one, Many) for item in one.items]
            found += [
                node.args[0]
                for node in walk(func.facts.body)
                if isinstance(node, Call)
                and isinstance(node.callee, Ref)
                and node.callee.path == ("append",)
                and node.callee.receiver == value
                and node.args
            ]
        return tuple(found)

    def _bound(self, ref: Value, func: Func) -> tuple[Value, ...]:
        """What the function itself gives a local variable; nothing for parameters."""
        if not isinstance(ref, Ref) or ref.path or any(param.name == ref.name for param in func.facts.params):
            return ()
        local = ref.root == Root.VAR and ref.owner == func.facts.qualname
        if not local and not (func.is_module and ref.root == Root.GLOBAL):
            return ()
        key = func.module.name if func.is_module else func.id
        bound = self.types.links.bindings.get((key, ref.name), ())
        return tuple(
            access.value for where, access in bound if where is func and not access.form and access.value is not None
        )

    def compared(self, func: Func) -> frozenset[Value]:
        """What the function compares with something, by `<` and its like: names, and whole values for the sake of `:=`."""
        known = self._compared.get(func.id)
        if known is None:
            known = self._compared[func.id] = frozenset(
                side for node in walk(func.facts.body) for value in values(node) for side in _sides(value)
            )
        return known

    def _names(self, call: Call, func: Func) -> set[str]:
        return {thing.name for thing in self.types.of(call.callee, func) if isinstance(thing, External)}


def _sides(value: Value | None) -> Iterator[Value]:
    """Both sides of the comparisons in the value, and the names in them."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, Compare):
            if one.op in _ORDER:
                yield from (one.left, one.right)
                yield from (ref for ref in (*refs(one.left), *refs(one.right)) if ref.root != Root.RESULT)
        elif isinstance(one, Logic):
            todo.extend(one.items)
        elif isinstance(one, Derived):
            todo.extend(one.parts)


def _yielded(func: Func) -> Iterator[Value]:
    for node in walk(func.facts.body):
        if isinstance(node, Suspend) and node.kind == "yield" and node.value is not None:
            yield node.value
