"""Which coroutines a value holds: calls of `async def` functions whose result has not run yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Const, Derived, Instance, Logic, Many, Ref, Root, Value
from threadlint.knowledge.event_loops import LIBRARY_COROUTINES, SAME_FUNCTION
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
    _assignments: dict[str, bool] = field(default_factory=dict)

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

    def certain(self, call: Call, func: Func) -> str:
        """How people call the coroutine function that the call certainly calls, whatever else the name may mean; else empty."""
        callee = call.callee
        things = self.types.of(callee, func)
        if not things or not isinstance(callee, Ref) or not self._all_known(callee, func):
            return ""
        if len(callee.path) > 1 and not self._kept_are_known(callee.receiver, func):
            return ""
        if all(isinstance(thing, External) for thing in things):
            known = [thing.name for thing in things if isinstance(thing, External) and thing.name in LIBRARY_COROUTINES]
            return known[0].replace("AbstractEventLoop", "loop") if len(known) == len(things) else ""
        if callee.path and self._assigned(callee.path[-1]):
            return ""  # some object may have another function under this name
        for thing in things:
            if not isinstance(thing, FunctionThing) or not self._plain(thing.func):
                return ""
        return next(thing.func.name for thing in things if isinstance(thing, FunctionThing))

    def _assigned(self, name: str) -> bool:
        """Whether some attribute of this name is given a value other than by a definition."""
        known = self._assignments.get(name)
        if known is None:
            stores = self.links.attributes.get(name, ())
            known = self._assignments[name] = any(access.form != "def" for _, access in stores)
        return known

    def _all_known(self, name: Ref, func: Func) -> bool:
        """Whether it is known of each value that the variable gets what it is."""
        if name.path or name.root not in (Root.VAR, Root.GLOBAL):
            return True
        scope = func.module.name if name.root == Root.GLOBAL else f"{func.module.name}:{name.owner}"
        return all(
            access.form == "annotation" or self.types.of(access.value, where)
            for where, access in self.links.bindings.get((scope, name.name), ())
        )

    def _kept_are_known(self, kept: Ref, func: Func) -> bool:
        """Whether it is known of each value that the attribute of `self` gets, in any class of the family, what it is."""
        owner = self.types.owner(func)
        if owner is None or len(kept.path) != 1 or kept.name != self.types.self_name(func):
            return True
        stores = self.links.attributes.get(kept.path[0], ())
        by_class, _ = self.types.stores_on_self(kept.path[0])
        family = self.types.family(owner)
        ours = (stores[number] for cls, numbers in by_class.items() if cls in family for number in numbers)
        return all(
            access.form == "annotation"
            or access.value == Const(None)
            or isinstance(access.value, Instance)
            or self.types.of(access.value, where)
            for where, access in ours
        )

    def _plain(self, func: Func) -> bool:
        """Whether the name of the coroutine function means the function itself, in all its definitions."""
        variants = [func]
        if func.facts.cls:
            variants = self.links.method_variants[f"{func.module.name}:{func.facts.cls}"][func.facts.name]
        return all(
            is_coroutine_function(variant) and all(self._same(one, variant) for one in variant.facts.decorators)
            for variant in variants
        )

    def _same(self, decorator: Value, func: Func) -> bool:
        """Whether the decorator leaves a coroutine function one."""
        scope = self.types.scope(func)
        if isinstance(decorator, Ref) and decorator.root == Root.RESULT:
            call = self.links.calls[scope.id].get(int(decorator.name))
            decorator = call.callee if call is not None else decorator
        things = self.types.of(decorator, scope)
        return bool(things) and all(
            (isinstance(thing, External) and thing.name in SAME_FUNCTION)
            or (isinstance(thing, FunctionThing) and self._returns_coroutine_function(thing.func))
            for thing in things
        )

    def _returns_coroutine_function(self, decorator: Func, depth: int = 3) -> bool:
        """Whether all that the decorator can return are wrappers which are coroutine functions themselves."""
        inner = self.links.inner.get(decorator.id, ())
        return bool(inner and depth) and all(
            is_coroutine_function(one) or self._returns_coroutine_function(one, depth - 1) for one in inner
        )

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
