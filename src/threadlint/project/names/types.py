"""What values stand for: a demand-driven, flow-insensitive points-to analysis with one object per constructor call.

In the family of Andersen's analysis (1994), asked for one value at a time (Heintze and Tardieu, PLDI 2001), with attributes kept by
class and name. Cycles and long chains end in "unknown", which rules take as "say nothing".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import (
    Access,
    Call,
    Compare,
    Const,
    Derived,
    Instance,
    Jump,
    Kind,
    Logic,
    Many,
    Ref,
    Root,
    Value,
    walk,
)
from threadlint.knowledge.stdlib import KNOWN, canonical
from threadlint.project.names.elements import Elements, self_name
from threadlint.project.names.linker import Links, absolute, locate
from threadlint.project.names.members import class_attribute, instance_attribute, own_class, super_attribute
from threadlint.project.names.results import call_result, entered
from threadlint.project.names.things import ClassThing, Cls, Container, External, Func, FunctionThing, Object, Thing

Things = tuple[Thing, ...]

Key = tuple[str, Value]

_DEPTH = 400
"""Twice as far as any question in the standard library and in 160 packages goes, so that no answer depends on which was asked first."""
_MOST = 16
_FAR = 1 << 30
_BUILTIN, _GLOBAL, _IMPORT, _VAR = Root.BUILTIN, Root.GLOBAL, Root.IMPORT, Root.VAR
_NOTHING = frozenset({Const, Compare})


@dataclass(slots=True)
class Types:
    """The analysis, with its answers so far."""

    links: Links
    arguments: Callable[[Func], Iterable[tuple[Func, Call, int]]]
    """the calls of a function that are known by name: (caller, call, number of parameters filled by the receiver)"""
    elements: Elements = field(init=False)
    """what is put into containers"""
    _answers: dict[Key, Things] = field(default_factory=dict)
    _open: dict[Key, int] = field(default_factory=dict)
    _guess: dict[Key, Things] = field(default_factory=dict)
    _pending: dict[Key, tuple[Things, int]] = field(default_factory=dict)
    _low: int = _FAR
    _mro: dict[str, tuple[Cls | str, ...]] = field(default_factory=dict)
    _subclasses: dict[str, list[Cls]] | None = None
    _families: dict[str, frozenset[str]] = field(default_factory=dict)
    _own_stores: dict[str, tuple[dict[str, list[int]], list[int]]] = field(default_factory=dict)
    _self_names: dict[str, str] = field(default_factory=dict)
    _externals: dict[Ref, Things] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.elements = Elements(self.links)

    def of(self, value: Value | None, func: Func) -> Things:
        """All that the value can be, as seen in the function; empty where nothing is known.

        Questions that ask themselves again (a parameter handed on in a recursion) are answered by iteration: the outermost one of such a
        group begins with a guess and asks again until the answer no longer grows; only then are the answers of the group kept.
        """
        if value is None or type(value) in _NOTHING:
            return ()
        key = (func.id, value)
        known = self._answers.get(key)
        if known is not None:
            return known
        if type(value) is Ref and (value.root is _IMPORT or (value.root is _GLOBAL and not value.path)):
            whole = absolute(self.links, func.module, value)
            if whole.root is _IMPORT and not (whole.path and any(step.startswith("[") for step in whole.path)):
                return self._external(key, whole)
            if whole.root is _GLOBAL and not whole.path:
                # asked once for all who name it
                same = (f"{whole.owner}:", Ref(_GLOBAL, whole.name))
                found = self._answers.get(same)
                if found is None:
                    found = self._asked(same, same[1], self.links.funcs[same[0]])
                if same in self._answers:
                    self._answers[key] = found
                return found
        elif type(value) is Ref and value.root is _BUILTIN and not value.path:
            return self._external(key, value, "builtins.")
        return self._asked(key, value, func)

    def _external(self, key: Key, whole: Ref, prefix: str = "") -> Things:
        """What the project does not define."""
        found = self._externals.get(whole)
        if found is None:
            name = prefix + ".".join([whole.name, *whole.path])
            found = self._externals[whole] = (External(name if prefix else canonical(name)),)
        self._answers[key] = found
        return found

    def _asked(self, key: Key, value: Value, func: Func) -> Things:
        if key in self._open:
            self._low = min(self._low, self._open[key])
            return self._guess[key]
        if key in self._pending:
            found, low = self._pending[key]
            self._low = min(self._low, low)
            return found
        depth = len(self._open)
        if depth > _DEPTH:
            # unsound: what is further away than this counts as unknown
            return ()
        return self._ask(key, depth, value, func)

    def _ask(self, key: Key, depth: int, value: Value, func: Func) -> Things:
        outer_low, before = self._low, len(self._pending)
        self._open[key] = depth
        guess: Things = ()
        anything = False
        try:
            while True:  # each round finds more, up to _MOST, or ends
                self._guess[key] = guess
                self._low = _FAR
                found = tuple(
                    dict.fromkeys((*guess, *self._evaluate(value, func)) if guess else self._evaluate(value, func))
                )
                if anything or len(found) > _MOST:
                    # unsound: what can be anything is taken as unknown, so that rules say nothing about it
                    anything, found = True, ()
                if self._low != depth or len(found) == len(guess):
                    break
                guess = found
                self._since(before)
        finally:
            low = self._low
            del self._open[key], self._guess[key]
        if low >= depth:
            self._answers[key] = found
            if len(self._pending) > before:
                self._answers.update((member, things) for member, (things, _) in self._since(before))
            self._low = outer_low
        else:
            self._pending[key] = (found, low)
            self._low = min(outer_low, low)
        return found

    def _since(self, before: int) -> list[tuple[Key, tuple[Things, int]]]:
        """Take away the pending answers but for the first."""
        return [self._pending.popitem() for _ in range(len(self._pending) - before)]

    def types(self, value: Value | None, func: Func) -> frozenset[str]:
        """The type names of all objects that the value can be; classes of the project by their id."""
        return frozenset(type_name(thing) for thing in self.of(value, func) if isinstance(thing, (Object, Container)))

    def functions(self, value: Value | None, func: Func) -> Iterator[FunctionThing]:
        """The functions of the project that the value can be."""
        return (thing for thing in self.of(value, func) if isinstance(thing, FunctionThing))

    def mro(self, cls: Cls) -> tuple[Cls | str, ...]:
        """The class and its bases, nearest first; bases outside the project by dotted name."""
        known = self._mro.get(cls.id)
        if known is not None:
            return known
        self._mro[cls.id] = (cls,)
        found: list[Cls | str] = [cls]
        scope = self.links.funcs[f"{cls.module.name}:{cls.facts.owner}"]
        for base in cls.facts.bases:
            for thing in self.of(base, scope):
                if isinstance(thing, ClassThing):
                    found.extend(item for item in self.mro(thing.cls) if item not in found)
                elif isinstance(thing, External) and thing.name not in found:
                    found.append(thing.name)
        self._mro[cls.id] = tuple(found)
        return self._mro[cls.id]

    def subclasses(self, cls: Cls) -> list[Cls]:
        """The known classes that derive from this one, itself left out."""
        if self._subclasses is None:
            self._subclasses = {}
            for other in self.links.classes.values():
                for base in self.mro(other)[1:]:
                    if isinstance(base, Cls):
                        self._subclasses.setdefault(base.id, []).append(other)
        return self._subclasses.get(cls.id, [])

    def family(self, cls: Cls) -> frozenset[str]:
        """The ids of the class, of its bases in the project, and of the classes that derive from it."""
        known = self._families.get(cls.id)
        if known is None:
            above = (base.id for base in self.mro(cls) if isinstance(base, Cls))
            known = self._families[cls.id] = frozenset((*above, *(sub.id for sub in self.subclasses(cls))))
        return known

    def stores_on_self(self, attribute: str) -> tuple[dict[str, list[int]], list[int]]:
        """Which of the stores to an attribute of this name (`Links.attributes`) are to `self`, by the class of the method, and which are not."""
        known = self._own_stores.get(attribute)
        if known is None:
            known = self._own_stores[attribute] = {}, []
            for number, (where, access) in enumerate(self.links.attributes.get(attribute, ())):
                owner = own_class(self, access.ref, where)
                (known[1] if owner is None else known[0].setdefault(owner, [])).append(number)
        return known

    def derives(self, cls: Cls, names: Iterable[str]) -> bool:
        """Whether a base of the class outside the project is one of these."""
        wanted = frozenset(names)
        return any(isinstance(base, str) and base in wanted for base in self.mro(cls))

    def method(self, cls: Cls, name: str) -> Func | None:
        """The method of this name that an instance of the class has."""
        if name not in self.links.method_names:
            return None
        for base in self.mro(cls):
            if isinstance(base, Cls):
                found = self.links.methods.get(base.id, {}).get(name)
                if found is not None:
                    return found
        return None

    def owner(self, func: Func) -> Cls | None:
        """The class that the method belongs to."""
        return self.links.classes.get(f"{func.module.name}:{func.facts.cls}") if func.facts.cls else None

    def self_name(self, func: Func) -> str:
        """The name of the parameter that holds the instance; empty for functions and static methods."""
        known = self._self_names.get(func.id)
        if known is None:
            known = self._self_names[func.id] = self_name(func)
        return known

    # evaluation, by kind of value

    def _evaluate(self, value: Value, func: Func) -> Iterable[Thing]:
        return self._ref(value, func) if type(value) is Ref else self._made(value, func)

    def _made(self, value: Value, func: Func) -> Iterator[Thing]:
        if isinstance(value, Many):
            if value.kind == "star":
                for item in value.items:
                    yield from self.items(item, func)
            else:
                yield Container(value.kind, value.items, func)
        elif isinstance(value, Logic):
            if value.op != "not":
                for item in value.items[:2] if value.op == "if" else value.items:
                    yield from self.of(item, func)
        elif isinstance(value, Instance):
            yield from self.instances(value.of, func)
        elif isinstance(value, Derived):
            yield from self._derived(value, func)

    def instances(self, declared: Value, func: Func) -> Iterator[Thing]:
        """What a name annotated like this can hold."""
        if isinstance(declared, Logic):
            for item in declared.items:
                yield from self.instances(item, func)
        elif isinstance(declared, Many):
            yield Container(declared.kind, tuple(Instance(item) for item in declared.items), func)
        else:
            for thing in self.of(declared, func):
                if isinstance(thing, ClassThing):
                    yield Object(thing.cls)
                elif isinstance(thing, External):
                    yield Object(thing.name)

    def _derived(self, value: Derived, func: Func) -> Iterator[Thing]:
        if value.op == "item":
            yield from self.items(value.parts[0], func)
        elif value.op == "enter":
            for thing in self.of(value.parts[0], func):
                yield from entered(self, thing)
        elif value.op in ("await", "()"):
            yield from self.of(value.parts[0], func)
        elif value.op and len(value.parts) == 1:
            for thing in self.of(value.parts[0], func):
                yield from self._step(thing, value.op)

    def returned(self, func: Func) -> Iterator[Value]:
        """The values that the function returns."""
        for node in walk(func.facts.body):
            if type(node) is Jump and node.kind == "return" and node.value is not None:
                yield node.value

    def items(self, value: Value, func: Func) -> Iterator[Thing]:
        """What iterating over the value, or asking it for an element, can give."""
        for thing in self.of(value, func):
            if isinstance(thing, Container):
                for item in thing.items:
                    yield from self.of(item, thing.frame)
        if isinstance(value, Ref):
            for stored, where in self.elements.of(value, func):
                yield from self.of(stored, where)

    # evaluation of names

    def _ref(self, ref: Ref, func: Func) -> Iterable[Thing]:
        root = ref.root
        if root is _VAR:
            return self._attribute(ref, func) if ref.path else self._variable(ref, func)
        if root is _GLOBAL or root is _IMPORT:
            return self._dotted(ref, func)
        if ref.path:
            return self._attribute(ref, func)
        if root is Root.RESULT:
            call = self.links.calls[func.id].get(int(ref.name))
            return self.result(call, func) if call is not None else ()
        if root is Root.BUILTIN:
            return (External(f"builtins.{ref.name}"),)
        if root is Root.FUNCTION:
            return (FunctionThing(self.links.funcs[f"{func.module.name}:{ref.name}"]),)
        return self._class(self.links.classes[f"{func.module.name}:{ref.name}"]) if root is Root.CLASS else ()

    def _dotted(self, ref: Ref, func: Func) -> Iterable[Thing]:
        whole = absolute(self.links, func.module, ref)
        if not ref.path:
            return self._absolute(whole)
        if whole.root is _IMPORT and not any(step.startswith("[") for step in whole.path):
            return (External(canonical(".".join([whole.name, *whole.path]))),)
        if len(whole.path) < len(ref.path) or (whole.root, whole.name) != (ref.root, ref.name):
            return self._absolute(whole)
        return self._attribute(ref, func)

    def _class(self, cls: Cls) -> Iterable[Thing]:
        dotted = canonical(f"{cls.module.name}.{cls.facts.qualname}")
        return (External(dotted) if dotted in KNOWN else ClassThing(cls),)

    def _absolute(self, ref: Ref) -> Iterator[Thing]:
        """A GLOBAL with its module as owner, or an IMPORT that the project does not define."""
        if ref.root == Root.IMPORT:
            yield External(canonical(".".join([ref.name, *ref.path])))
            return
        module = self.links.modules.get(ref.owner)
        if module is None:
            return
        body = self.links.funcs[f"{module.name}:"]
        if ref.path:
            yield from self._attribute(Ref(Root.GLOBAL, ref.name, ref.path), body)
            return
        for where, access in self.links.bindings.get((module.name, ref.name), ()):
            yield from self.of(access.value, where)

    def _variable(self, ref: Ref, func: Func) -> Iterator[Thing]:
        owner = self.links.funcs.get(f"{func.module.name}:{ref.owner}")
        if owner is None:
            return
        for number, param in enumerate(owner.facts.params):
            if param.name == ref.name:
                yield from self._parameter(owner, number)
                break
        for where, access in self.links.bindings.get((owner.id, ref.name), ()):
            yield from self.of(access.value, where)

    def _parameter(self, func: Func, number: int) -> Iterator[Thing]:
        param = func.facts.params[number]
        cls = self.owner(func)
        if number == 0 and cls is not None:
            if self.self_name(func):
                yield Object(cls)
                return
            if any(isinstance(d, Ref) and d.name == "classmethod" for d in func.facts.decorators):
                yield ClassThing(cls)
                return
        if param.annotation is not None:
            yield from self.instances(param.annotation, self.scope(func))
        for caller, call, filled in self.arguments(func):
            value = argument(call, number - filled, param.name)
            if value is not None:
                yield from self.of(value, caller)
        if param.default is not None:
            yield from self.of(param.default, self.scope(func))

    def scope(self, func: Func) -> Func:
        """The function in which the function's decorators, defaults and annotations are evaluated."""
        return self.links.funcs.get(f"{func.module.name}:{func.facts.owner}", func)

    def _attribute(self, ref: Ref, func: Func) -> Iterator[Thing]:
        base = ref.receiver
        step = ref.path[-1]
        if step.startswith("["):
            yield from self.items(base, func)
            return
        if base.root == Root.SUPER and not base.path:
            yield from super_attribute(self, base, step, func)
            return
        for thing in self.of(base, func):
            for found in self._step(thing, step):
                if (
                    isinstance(found, FunctionThing)
                    and found.receiver is None
                    and isinstance(thing, Object)
                    and self.self_name(found.func)
                ):
                    yield FunctionThing(found.func, base, func)
                else:
                    yield found

    def _step(self, thing: Thing, step: str) -> Iterable[Thing]:
        """One attribute further."""
        kind = type(thing)
        if kind is Object:
            cls = thing.type  # type: ignore[union-attr]
            return (
                (External(canonical(f"{cls}.{step}")),) if isinstance(cls, str) else instance_attribute(self, cls, step)
            )
        if kind is External:
            return (External(canonical(f"{thing.name}.{step}")),)  # type: ignore[union-attr]
        if kind is ClassThing:
            method = self.method(thing.cls, step)  # type: ignore[union-attr]
            found = class_attribute(self, thing.cls, step)  # type: ignore[union-attr]
            return (FunctionThing(method), *found) if method is not None else found
        return (thing,) if kind is FunctionThing and step == "__func__" else ()

    def result(self, call: Call, func: Func) -> Iterator[Thing]:
        """What the call can return."""
        return call_result(self, call, func)


def argument(call: Call, position: int, name: str) -> Value | None:
    """The value that a call gives to the parameter."""
    given = call.keyword(name) if call.keywords else None
    if given is not None:
        return given
    if position < 0 or call.starred:
        return None
    return call.args[position] if position < len(call.args) else None


def type_name(thing: Object | Container) -> str:
    """The dotted name of an object's type, or the id of its class."""
    if isinstance(thing, Container):
        return thing.kind
    return thing.type if isinstance(thing.type, str) else thing.type.id


__all__ = ["Access", "Kind", "Things", "Types", "argument", "locate", "type_name"]
