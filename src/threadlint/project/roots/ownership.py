"""Whose an object is: one thread's own, or one that several threads can reach, and which.

After RacerD's ownership (Blackshear et al., OOPSLA 2018): what a function made itself and has not let go is confined; what it was given
is as shared as the caller says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from threadlint.facts.model import Access, Call, Const, Derived, Logic, Loop, Many, Ref, Root, Value, is_inside
from threadlint.project.names.linker import absolute
from threadlint.project.names.things import ClassThing, Cls, Container, External, Func, FunctionThing, Object
from threadlint.project.names.types import Types, argument
from threadlint.project.roots.looked_up import belongs, getters, is_per_thread
from threadlint.project.roots.tokens import (
    CLOSURE,
    EACH,
    HANDED,
    NEW,
    OWN,
    UNKNOWN,
    Binding,
    ByParameters,
    Given,
    Token,
    Unknown,
    met,
    part,
)

if TYPE_CHECKING:
    from threadlint.project.roots.handed import Handed

_CALLS_DEEP = 3
_COPYING = frozenset({"list", "tuple", "sorted", "set", "reversed"})
_NEW = frozenset({Const, Many})
"""Values that are made where they stand."""


@dataclass(slots=True)
class Ownership:
    """Answers whose an object is, in a function whose parameters are bound to tokens."""

    types: Types
    handed: Handed
    _returned: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    _answers: dict[str, dict[Ref | tuple[Ref, int], Token | ByParameters[Token | None] | None]] = field(
        default_factory=dict
    )
    """by function id, and value (with the depth, where it is not asked for from outside)"""
    _getters: dict[str, list[Func]] | None = None

    def of(self, value: Value | None, func: Func, binding: Mapping[str, Token], depth: int = 0) -> Token | None:
        """Whose the object is; None where that is not known."""
        if isinstance(value, Ref):
            given = binding if isinstance(binding, Given) else Given(binding.items())
            if value.root == Root.VAR and not value.path and value.owner == func.facts.qualname:
                token = given.of(value.name)
                if token is not None:
                    return token
            return self._known(value, func, given, depth)
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

    def _known(self, ref: Ref, func: Func, given: Given, depth: int) -> Token | None:
        answers = self._answers.get(func.id)
        if answers is None:
            answers = self._answers[func.id] = {}
        key = (ref, depth) if depth else ref
        known = answers.get(key, UNKNOWN)
        if isinstance(known, ByParameters):
            answer = known.of(given)
            if not isinstance(answer, Unknown):
                return answer
        elif not isinstance(known, Unknown):
            return known
        outer, given.asked = given.asked, set()
        found = self._ref(ref, func, given, depth)
        asked, given.asked = given.asked, outer
        if asked:
            outer |= asked
            if not isinstance(known, ByParameters):
                known = answers[key] = ByParameters()
            known.put(found, given, asked)
        else:
            answers[key] = found
        return found

    def _derived(self, value: Derived, func: Func, binding: Mapping[str, Token], depth: int) -> Token | None:
        if value.op == "item":
            return part(self.of(self._gone_through(value.parts[0], func), func, binding, depth), "[]")
        if value.op in ("enter", "await"):
            return self.of(value.parts[0], func, binding, depth)
        return OWN if value.op in ("Add", "f-string") else None

    def _gone_through(self, value: Value, func: Func, depth: int = 0) -> Value:
        """The container whose elements come when the value is gone through: a copy that is made for the loop, or a view, has the same."""
        if not isinstance(value, Ref) or value.root is not Root.RESULT or value.path or depth > _CALLS_DEEP:
            return value
        call = self.types.links.calls[func.id].get(int(value.name))
        callee = call.callee if call is not None else None
        if call is None or not isinstance(callee, Ref):
            return value
        if callee.path and callee.path[-1] in ("values", "copy") and not call.args:
            return self._gone_through(callee.receiver, func, depth + 1)
        if callee.root is Root.BUILTIN and callee.name in _COPYING and not callee.path and call.args:
            return self._gone_through(call.args[0], func, depth + 1)
        return value

    def _ref(self, ref: Ref, func: Func, given: Given, depth: int) -> Token | None:
        if ref.path and ref.path[-1].startswith("["):
            return part(self.of(ref.receiver, func, given, depth), "[]")
        if ref.path:
            return self._attribute(ref, func, given, depth)
        if ref.root in (Root.GLOBAL, Root.IMPORT):
            found = absolute(self.types.links, func.module, ref)
            return Token("global", ".".join(filter(None, (found.owner, found.name, *found.path))))
        if ref.root == Root.VAR:
            return self._variable(ref, func, given, depth)
        if ref.root == Root.RESULT:
            call = self.types.links.calls[func.id].get(int(ref.name))
            return self._result(call, func, given, depth) if call is not None else None
        return None

    def _variable(self, ref: Ref, func: Func, given: Given, depth: int) -> Token | None:
        if ref.owner != func.facts.qualname:
            # the outer function's variable: shared only where this function was handed to a thread by it
            outer = f"{func.module.name}:{ref.owner}"
            token = closure_token(f"{outer}.{ref.name}", ref.name, given.of(CLOSURE))
            around = self.types.links.funcs.get(outer)
            made = self.handed.of(around).get(ref.name) if around is not None else None
            return Token(token.kind, made.id) if token is not None and token.shared and made is not None else token
        bound = given.of(ref.name)
        if bound is not None:
            return bound
        handed = self.handed.of(func).get(ref.name)
        if handed is not None:
            return handed
        values = [
            access.value
            for where, access in self.types.links.bindings.get((func.id, ref.name), ())
            if where is func and access.form != "annotation"
        ]
        if not values or depth > _CALLS_DEEP:
            return None
        tokens = [self.of(value, func, given, depth + 1) for value in values]
        return met(tokens)

    def _attribute(self, ref: Ref, func: Func, given: Given, depth: int) -> Token | None:
        base = ref.receiver
        step = ref.path[-1]
        whole = absolute(self.types.links, func.module, ref)
        if whole.root in (Root.GLOBAL, Root.IMPORT) and len(whole.path) < len(ref.path):
            return Token("global", ".".join(filter(None, (whole.owner, whole.name, *whole.path))))
        token = self.of(base, func, given, depth)
        things = self.types.of(base, func)
        for thing in things:
            if isinstance(thing, ClassThing):
                return Token("global", f"{thing.cls.id}.{step}")
        if token is not None and (token in (EACH, OWN) or token.kind == HANDED):
            handed = self._handed(things, step, depth)
            if handed is not None:
                return handed
        if token is not None and token.shared and self._looked_up(things, step, token, depth):
            return None
        if token is not None and token.id.startswith(NEW) and not self._makes(things, step):
            token = Token(token.kind, token.id.removeprefix(NEW))
        return part(token, step)

    def _makes(self, things: tuple[object, ...], step: str) -> bool:
        """Whether each object makes its own value for the attribute: `self.rows = []`, `self.meter = Meter()`."""
        for thing in things:
            if not isinstance(thing, Object) or not isinstance(thing.type, Cls):
                return False
            on_self, others = self.types.stores_on_self(step)
            stores = self.types.links.attributes.get(step, ())
            mine = [number for cls in self.types.family(thing.type) for number in on_self.get(cls, ())]
            if (
                others
                or not mine
                or not all(self._is_made(stores[number][1].value, stores[number][0]) for number in mine)
            ):
                return False
        return bool(things)

    def _is_made(self, value: Value | None, func: Func) -> bool:
        """Whether the value is a new object, and holds nothing that somebody else has: containers are empty."""
        if isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
            call = self.types.links.calls[func.id].get(int(value.name))
            made = self.types.of(value, func)
            return bool(made) and all(
                isinstance(one, Object)
                and one.call is call
                and call is not None
                and (isinstance(one.type, Cls) or not (call.args or call.keywords))
                for one in made
            )
        return isinstance(value, Const) or (isinstance(value, Many) and not value.items and not value.keys)

    def _looked_up(self, things: tuple[object, ...], step: str, token: Token, depth: int) -> bool:
        """Whether the attribute is a property that may give each thread another object, although all ask the same one."""
        for getter in self._properties(things, step) if depth <= _CALLS_DEEP else ():
            bound = {self.types.self_name(getter): token}
            for value in self.types.returned(getter):
                if isinstance(value, Const):
                    continue
                found = None if is_per_thread(self.types, value, getter) else self.of(value, getter, bound, depth + 1)
                if found is None or not found.shared:
                    return True
        return False

    def per_thread(self, things: tuple[object, ...], step: str) -> bool:
        """Whether the attribute is a property that takes its value out of thread-local storage."""
        return any(
            is_per_thread(self.types, value, getter)
            for getter in self._properties(things, step)
            for value in self.types.returned(getter)
        )

    def _properties(self, things: tuple[object, ...], step: str) -> Iterator[Func]:
        """The getters of this name that one of the objects may have."""
        if self._getters is None:
            self._getters = getters(self.types.links)
        return (getter for getter in self._getters.get(step, ()) if belongs(self.types, getter, things))

    def _handed(self, things: tuple[object, ...], step: str, depth: int) -> Token | None:
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
            return self.of(value, init, {}, depth + 1)
        if value.root != Root.VAR or value.path or thing.call is None or thing.frame is None:
            return None
        number = next((n for n, param in enumerate(init.facts.params) if param.name == value.name), None)
        if number is None:
            return None
        handed = argument(thing.call, number - 1, value.name)
        if not isinstance(handed, Ref) or handed.root != Root.GLOBAL:
            return None
        return self.of(handed, thing.frame, {}, depth + 1)

    def _result(self, call: Call, func: Func, given: Given, depth: int) -> Token | None:
        if depth > _CALLS_DEEP:
            return None
        callee = call.callee
        found: list[Token | None] = []
        for thing in self.types.of(callee, func):
            if isinstance(thing, ClassThing):
                found.append(OWN)
            elif isinstance(thing, FunctionThing):
                inner = Given(self.bind(self.matched(thing, call.args, call.keywords), func, given, depth + 1).items())
                found += [self.of(value, thing.func, inner, depth + 1) for value in self._returns(thing.func)] or [None]
            elif isinstance(thing, External):
                found.append(self._external(thing.name, callee, func, given, depth))
        if not found and isinstance(callee, Ref) and callee.path[-1:] in (("get",), ("setdefault",)):
            found.append(part(self.of(callee.receiver, func, given, depth), "[]"))
        return met(found)

    def _returns(self, func: Func) -> tuple[Value, ...]:
        known = self._returned.get(func.id)
        if known is None:
            known = self._returned[func.id] = tuple(dict.fromkeys(self.types.returned(func)))
        return known

    def _external(self, name: str, callee: Value, func: Func, given: Given, depth: int) -> Token | None:
        last = name.rpartition(".")[2]
        if last in ("get", "setdefault") and isinstance(callee, Ref) and callee.path:
            return part(self.of(callee.receiver, func, given, depth), "[]")
        if last[:1].isupper() or name in (
            "builtins.list",
            "builtins.dict",
            "builtins.set",
            "builtins.sorted",
            "builtins.tuple",
        ):
            return OWN
        return None

    def matched(
        self, target: FunctionThing, args: tuple[Value, ...], keywords: tuple[tuple[str, Value], ...]
    ) -> tuple[tuple[str, Value | Token], ...]:
        """The parameters that a call of the target gives a value, and the value; a token where whose it is does not hang on the value."""
        params = target.func.facts.params
        found: list[tuple[str, Value | Token]] = []
        skip = 0
        if self.types.owner(target.func) is not None and params and not _static(target.func):
            skip = 1
            if target.receiver is not None:
                found.append((params[0].name, target.receiver))
            elif target.func.facts.name == "__init__":
                found.append((params[0].name, OWN))
        named = dict(reversed(keywords)) if keywords else {}
        for number, param in enumerate(params[skip:]):
            given = named.get(param.name)
            if given is None and number < len(args) and param.kind == "pos":
                given = args[number]
            if given is not None:
                found.append((param.name, OWN if type(given) in _NEW else given))
        return tuple(found)

    def bind(
        self, matched: Iterable[tuple[str, Value | Token]], func: Func, binding: Mapping[str, Token], depth: int = 0
    ) -> dict[str, Token]:
        """The tokens of the parameters of what is called from the function with these values."""
        found: dict[str, Token] = {}
        for name, value in matched:
            token = value if type(value) is Token else self.of(value, func, binding, depth)  # type: ignore[arg-type]
            if token is not None:
                found[name] = token
        return found


def _static(func: Func) -> bool:
    return any(isinstance(d, Ref) and d.name == "staticmethod" for d in func.facts.decorators)


def closure_token(key: str, name: str, closure: Token | None) -> Token | None:
    """Whose the variable of an outer function is; None where this thread has called the outer function itself."""
    if closure is None:
        return None
    return EACH if name in closure.id.split(",") else Token("var", key)


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
                if where is func and any(is_inside(access.span, span) for span in inside):
                    return True
        return False
    return not isinstance(value, Const)


__all__ = ["CLOSURE", "EACH", "OWN", "Binding", "Container", "Given", "Ownership", "Token", "part", "varies"]
