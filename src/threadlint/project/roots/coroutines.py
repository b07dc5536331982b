"""Which coroutines a value holds: calls of `async def` functions whose result has not run yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Derived, Logic, Many, Ref, Root, Value
from threadlint.project.names.linker import Links
from threadlint.project.names.things import External, Func, FunctionThing
from threadlint.project.names.types import Types

_DEEP = 6


@dataclass(frozen=True, slots=True)
class Coroutine:
    """A coroutine: the call that makes it, what it runs, and whether there is one for each item of something (`map(f, xs)`)."""

    call: Call
    target: FunctionThing
    each: bool = False


@dataclass(slots=True)
class Coroutines:
    """Answers by value."""

    links: Links
    types: Types

    def of(self, value: Value | None, func: Func, depth: int = 0) -> Iterator[Coroutine]:
        """The coroutines that the value is or contains, as far as the function itself makes them."""
        if depth > _DEEP:
            return
        if isinstance(value, Ref):
            if value.root == Root.RESULT and not value.path:
                call = self.links.calls[func.id].get(int(value.name))
                if call is not None:
                    yield from self.made(call, func)
            elif value.root in (Root.VAR, Root.GLOBAL) and all(step.startswith("[") for step in value.path):
                yield from self._held(Ref(value.root, value.name, (), value.owner), func, depth)
        elif isinstance(value, (Many, Logic)):
            for item in value.items:
                yield from self.of(item, func, depth + 1)
        elif isinstance(value, Derived) and value.op in ("item", "()", "Add"):
            for item in value.parts:
                yield from self.of(item, func, depth + 1)

    def made(self, call: Call, func: Func) -> Iterator[Coroutine]:
        """The coroutine that the call itself makes."""
        for thing in self.types.of(call.callee, func):
            if isinstance(thing, FunctionThing) and is_coroutine_function(thing.func):
                yield Coroutine(call, thing)
            elif isinstance(thing, External) and thing.name == "builtins.map" and call.args:
                for target in self.types.functions(call.args[0], func):
                    if is_coroutine_function(target.func):
                        yield Coroutine(Call(call.id, call.span, call.args[0], call.args[1:]), target, each=True)

    def _held(self, name: Ref, func: Func, depth: int) -> Iterator[Coroutine]:
        """What the function itself binds to the name, or adds to the list of this name."""
        scope = func.module.name if name.root == Root.GLOBAL else func.id
        for where, access in self.links.bindings.get((scope, name.name), ()):
            if where is func:
                yield from self.of(access.value, func, depth + 1)
        for where, call in self.links.growing.get(name.name, ()):
            if where is func and isinstance(call.callee, Ref) and call.callee.receiver == name and call.args:
                yield from self.of(call.args[-1], func, depth + 1)


def is_coroutine_function(func: Func) -> bool:
    """Whether calling the function makes a coroutine: `async def` without `yield`."""
    return func.facts.is_async and not func.facts.is_generator
