"""Whose an object is: one thread's own, or one that several threads can reach, and which.

After RacerD's ownership (Blackshear et al., OOPSLA 2018): what a function made itself and has not let go is confined; what it was given
is as shared as the caller says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Call, Const, Derived, Logic, Loop, Many, Ref, Root, Value
from threadlint.project.names.linker import absolute
from threadlint.project.names.things import ClassThing, Cls, Container, External, Func, FunctionThing, Object
from threadlint.project.names.types import Types, argument


@dataclass(frozen=True, slots=True)
class Token:
    """Which object a value is, seen across threads.

    `kind`: `global` (one object, `id` says which), `self` (an instance of the class `id`, whichever the program made), `var` (the object that a
    variable of the spawning function holds), `part` (something inside a shared object), `each` (every thread has its own), `own` (made here).
    """

    kind: str
    id: str = ""

    @property
    def shared(self) -> bool:
        """Whether another thread can reach the same object."""
        return self.kind in ("global", "self", "var", "part")


EACH = Token("each")
OWN = Token("own")

Binding = tuple[tuple[str, Token], ...]
"""Parameters of a function and whose their objects are, sorted by name; what is not listed is unknown."""

_CALLS_DEEP = 3


@dataclass(slots=True)
class Ownership:
    """Answers whose an object is, in a function whose parameters are bound to tokens."""

    types: Types
    _returned: dict[str, tuple[Value, ...]] = field(default_factory=dict)

    def of(self, value: Value | None, func: Func, binding: Mapping[str, Token], depth: int = 0) -> Token | None:
        """Whose the object is; None where that is not known."""
        if isinstance(value, Ref):
            return self._ref(value, func, binding, depth)
        if isinstance(value, Many):
            return OWN
        if isinstance(value, Derived):
            return self._derived(value, func, binding, depth)
        if isinstance(value, Logic) and value.op != "not":
            found = [
                self.of(item, func, binding, depth) for item in (value.items[:2] if value.op == "if" else value.items)
            ]
            return met(found)
        return OWN if isinstance(value, Const) else None

    def _derived(self, value: Derived, func: Func, binding: Mapping[str, Token], depth: int) -> Token | None:
        if value.op in ("item", "enter", "await"):
            inner = self.of(value.parts[0], func, binding, depth)
            return part(inner, "[]") if value.op == "item" else inner
        return OWN if value.op in ("Add", "f-string") else None

    def _ref(self, ref: Ref, func: Func, binding: Mapping[str, Token], depth: int) -> Token | None:
        if ref.path and ref.path[-1].startswith("["):
            return part(self._ref(ref.receiver, func, binding, depth), "[]")
        if ref.path:
            return self._attribute(ref, func, binding, depth)
        if ref.root in (Root.GLOBAL, Root.IMPORT):
            found = absolute(self.types.links, func.module, ref)
            return Token("global", ".".join(filter(None, (found.owner, found.name, *found.path))))
        if ref.root == Root.VAR:
            return self._variable(ref, func, binding, depth)
        if ref.root == Root.RESULT:
            call = self.types.links.calls[func.id].get(int(ref.name))
            return self._result(call, func, binding, depth) if call is not None else None
        return None

    def _variable(self, ref: Ref, func: Func, binding: Mapping[str, Token], depth: int) -> Token | None:
        if ref.owner != func.facts.qualname:
            # the outer function's variable: shared only where this function was handed to a thread by it
            return closure_token(f"{func.module.name}:{ref.owner}.{ref.name}", ref.name, binding)
        bound = binding.get(ref.name)
        if bound is not None:
            return bound
        values = [
            access.value
            for where, access in self.types.links.bindings.get((func.id, ref.name), ())
            if where is func and access.form != "annotation"
        ]
        if not values or depth > _CALLS_DEEP:
            return None
        tokens = [self.of(value, func, binding, depth + 1) for value in values]
        return met(tokens)

    def _attribute(self, ref: Ref, func: Func, binding: Mapping[str, Token], depth: int) -> Token | None:
        base = ref.receiver
        step = ref.path[-1]
        whole = absolute(self.types.links, func.module, ref)
        if whole.root in (Root.GLOBAL, Root.IMPORT) and len(whole.path) < len(ref.path):
            return Token("global", ".".join(filter(None, (whole.owner, whole.name, *whole.path))))
        token = self._ref(base, func, binding, depth)
        things = self.types.of(base, func)
        for thing in things:
            if isinstance(thing, ClassThing):
                return Token("global", f"{thing.cls.id}.{step}")
        if token in (EACH, OWN):
            given = self._given(things, step, depth)
            if given is not None:
                return given
        return part(token, step)

    def _given(self, things: tuple[object, ...], step: str, depth: int) -> Token | None:
        """A shared object that was handed to the constructor: `Worker(stats)` with `self.stats = stats`."""
        if depth > _CALLS_DEEP:
            return None
        for thing in things:
            if not isinstance(thing, Object) or not isinstance(thing.type, Cls):
                continue
            init = self.types.method(thing.type, "__init__")
            for where, access in self.types.links.attributes.get(step, ()):
                if where is init and isinstance(access.value, Ref):
                    token = self._constructor_argument(access, init, thing, depth)
                    if token is not None:
                        return token
        return None

    def _constructor_argument(self, access: Access, init: Func, thing: Object, depth: int) -> Token | None:
        value = access.value
        assert isinstance(value, Ref)
        if value.root in (Root.GLOBAL, Root.IMPORT):
            return self._ref(value, init, {}, depth + 1)
        if value.root != Root.VAR or value.path or thing.call is None or thing.frame is None:
            return None
        number = next((n for n, param in enumerate(init.facts.params) if param.name == value.name), None)
        if number is None:
            return None
        given = argument(thing.call, number - 1, value.name)
        return (
            self.of(given, thing.frame, {}, depth + 1) if isinstance(given, Ref) and given.root == Root.GLOBAL else None
        )

    def _result(self, call: Call, func: Func, binding: Mapping[str, Token], depth: int) -> Token | None:
        if depth > _CALLS_DEEP:
            return None
        callee = call.callee
        found: list[Token | None] = []
        for thing in self.types.of(callee, func):
            if isinstance(thing, ClassThing):
                found.append(OWN)
            elif isinstance(thing, FunctionThing):
                inner = dict(self.bind(thing, call.args, call.keywords, func, binding, depth + 1))
                found += [self.of(value, thing.func, inner, depth + 1) for value in self._returns(thing.func)] or [None]
            elif isinstance(thing, External):
                found.append(self._external(thing.name, callee, func, binding, depth))
        if not found and isinstance(callee, Ref) and callee.path[-1:] in (("get",), ("setdefault",)):
            found.append(part(self._ref(callee.receiver, func, binding, depth), "[]"))
        return met(found)

    def _returns(self, func: Func) -> tuple[Value, ...]:
        known = self._returned.get(func.id)
        if known is None:
            known = self._returned[func.id] = tuple(dict.fromkeys(self.types.returned(func)))
        return known

    def _external(self, name: str, callee: Value, func: Func, binding: Mapping[str, Token], depth: int) -> Token | None:
        last = name.rpartition(".")[2]
        if last in ("get", "setdefault") and isinstance(callee, Ref) and callee.path:
            return part(self._ref(callee.receiver, func, binding, depth), "[]")
        if last[:1].isupper() or name in (
            "builtins.list",
            "builtins.dict",
            "builtins.set",
            "builtins.sorted",
            "builtins.tuple",
        ):
            return OWN
        return None

    def bind(
        self,
        target: FunctionThing,
        args: tuple[Value, ...],
        keywords: tuple[tuple[str, Value], ...],
        func: Func,
        binding: Mapping[str, Token],
        depth: int = 0,
    ) -> Binding:
        """The tokens of the target's parameters when it is called from the function with these arguments."""
        params = target.func.facts.params
        found: dict[str, Token] = {}
        skip = 0
        if self.types.owner(target.func) is not None and params and not _static(target.func):
            skip = 1
            token = self.of(target.receiver, func, binding, depth) if target.receiver is not None else None
            if target.receiver is None and target.func.facts.name == "__init__":
                token = OWN
            if token is not None:
                found[params[0].name] = token
        for number, param in enumerate(params[skip:]):
            given = next((value for key, value in keywords if key == param.name), None)
            if given is None and number < len(args) and param.kind == "pos":
                given = args[number]
            token = self.of(given, func, binding, depth) if given is not None else None
            if token is not None:
                found[param.name] = token
        return tuple(sorted(found.items()))


def _static(func: Func) -> bool:
    return any(isinstance(d, Ref) and d.name == "staticmethod" for d in func.facts.decorators)


CLOSURE = "<closure>"
"""Stands in a binding where the function was handed to a thread by the function around it: that one's variables are shared then.

The token's `id` lists the variables that each turn of the spawning loop binds anew."""


def closure_token(key: str, name: str, binding: Mapping[str, Token]) -> Token | None:
    """Whose the variable of an outer function is; None where this thread has called the outer function itself."""
    closure = binding.get(CLOSURE)
    if closure is None:
        return None
    return EACH if name in closure.id.split(",") else Token("var", key)


def met(tokens: list[Token | None]) -> Token | None:
    """Whose a value is that can be any of these; not known where it can be both a shared object and one of the thread's own."""
    shared = [token for token in tokens if token is not None and token.shared]
    own = [token for token in tokens if token is not None and not token.shared]
    return None if shared and own else next(iter(shared or own), None)


def part(token: Token | None, step: str) -> Token | None:
    """Something inside the object: as shared as the object."""
    if token is None or not token.shared:
        return token
    if token.kind == "part" and token.id.count(".") > 3:
        return token
    return Token("part", f"{token.id}.{step}")


def varies(value: Value | None, func: Func, loops: tuple[Loop, ...], types: Types) -> bool:
    """Whether the value is another object in each turn of the loops: bound by one of them, or made inside."""
    if not loops:
        return False
    if isinstance(value, Ref):
        if value.root == Root.RESULT:
            return True
        if value.root == Root.VAR and value.owner == func.facts.qualname:
            inside = [loop.span for loop in loops]
            for where, access in types.links.bindings.get((func.id, value.name), ()):
                if where is func and any(_within(access.span, span) for span in inside):
                    return True
        return False
    return not isinstance(value, Const)


def _within(inner: tuple[int, int, int, int], outer: tuple[int, int, int, int]) -> bool:
    return outer[:2] <= inner[:2] and inner[2:] <= outer[2:]


__all__ = ["EACH", "OWN", "Binding", "Container", "Ownership", "Token", "part", "varies"]
