"""What a function does to variables and containers: reads, rebinds and updates them, adds and removes items, goes through them.

Facts know reads and writes; here calls of container methods (`xs.append(v)`), loops over views (`for v in d.values()`) and local
names for a location (`d = self.rows; d[k] = v`) are brought into the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from threadlint.facts.model import Access, Call, Kind, Loop, Many, Ref, Root, Span, Value
from threadlint.knowledge.containers import ADDING, CONSUMING, KEYED, KINDS, LAZY, REMOVING, REORDERING, VIEWS
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import absolute
from threadlint.project.names.things import Cls, Container, External, Func, Object
from threadlint.project.names.types import Types

_DEEP = 4


class Act(Enum):
    """What is done to a location."""

    READ = "read"
    REBIND = "assigned"
    UPDATE = "changed in steps"
    ADD = "added to"
    REMOVE = "removed from"
    REORDER = "reordered"
    ITERATE = "iterated"

    @property
    def in_place(self) -> bool:
        """Whether the object itself changes, not only which object the location holds."""
        return self in {Act.ADD, Act.REMOVE, Act.REORDER}

    @property
    def writes(self) -> bool:
        """Whether the location or its object changes."""
        return self not in {Act.READ, Act.ITERATE}


class Use(NamedTuple):
    """One thing done to a location: `ref` names it in `func`, `step` is the number of the step.

    `how` is the method or form (`pop`, `[]=`, `del`, `augmented`), `key` the element concerned as facts write it (`[name]`); `value` is what is stored.
    """

    func: Func
    step: int
    span: Span
    ref: Ref
    act: Act
    how: str = ""
    key: str = ""
    value: Value | None = None
    access: Access | None = None


@dataclass(slots=True)
class Uses:
    """Answers by function."""

    types: Types
    steps: Callable[[Func], list[Step]]
    _answers: dict[str, tuple[Use, ...]] = field(default_factory=dict)
    _acts: dict[str, tuple[Use, ...]] = field(default_factory=dict)
    _by_name: dict[str, list[Use]] = field(default_factory=dict)
    _rebinds: dict[str, frozenset[Ref]] = field(default_factory=dict)

    def of(self, func: Func) -> tuple[Use, ...]:
        """Everything that the function does to locations that are not just its own local names, in the order of evaluation."""
        known = self._answers.get(func.id)
        if known is None:
            known = self._answers[func.id] = tuple(self._collect(func, reading=True))
        return known

    def acts(self, func: Func) -> tuple[Use, ...]:
        """The same without plain reads, which most uses are."""
        known = self._acts.get(func.id)
        if known is None:
            known = self._acts[func.id] = tuple(self._collect(func, reading=False))
        return known

    def acts_on(self, name: str) -> list[Use]:
        """What the whole program does, other than read, to locations whose last name this is, without what is in brackets; in its order."""
        known = self._by_name.get(name)
        if known is None:
            functions = self.types.links.mentions.functions([name])
            known = [use for func in functions for use in self.acts(func) if location_name(use.ref) == name]
            self._by_name[name] = known
        return known

    def kind(self, ref: Ref, func: Func) -> str:
        """Which builtin container the value is: list, dict, set or deque; empty where it is none, or not known to be one."""
        found = ""
        for thing in self.types.of(ref, func):
            if isinstance(thing, Container):
                found = found or KINDS.get(thing.kind, "")
            elif isinstance(thing, Object):
                if isinstance(thing.type, Cls):
                    return ""
                found = found or KINDS.get(thing.type, "")
        return found

    def home(self, ref: Ref, func: Func) -> Ref:
        """The location that a local name stands for, where the function binds it just once: `d = self.rows` makes `d` another name of `self.rows`."""
        for _ in range(_DEEP):
            if (
                ref.root != Root.VAR
                or ref.owner != func.facts.qualname
                or any(param.name == ref.name for param in func.facts.params)
            ):
                return ref
            bound = [
                access
                for where, access in self.types.links.bindings.get((func.id, ref.name), ())
                if access.form != "annotation"
            ]
            if len(bound) != 1 or bound[0].form or not isinstance(bound[0].value, Ref):
                return ref
            source = bound[0].value
            if (
                source in self._rebound(func)
                or source.root == Root.RESULT
                or (
                    source.root == Root.VAR
                    and not source.path
                    and source.owner == func.facts.qualname
                    and source.name == ref.name
                )
            ):
                return ref
            ref = Ref(source.root, source.name, (*source.path, *ref.path), source.owner)
        return ref

    def _rebound(self, func: Func) -> frozenset[Ref]:
        """What the function gives a new object: a name for it taken before keeps the old one, which may be nobody else's."""
        known = self._rebinds.get(func.id)
        if known is None:
            nodes = (step.node for step in self.steps(func))
            known = self._rebinds[func.id] = frozenset(
                node.ref
                for node in nodes
                if isinstance(node, Access) and node.kind == Kind.WRITE and node.form not in _NO_STORE
            )
        return known

    def _collect(self, func: Func, *, reading: bool) -> Iterator[Use]:
        for number, step in enumerate(self.steps(func)):
            node = step.node
            kind = type(node)
            if kind is Access:
                if reading or node.kind is not Kind.READ:  # type: ignore[union-attr]
                    yield from self._access(func, number, node, reading=reading)  # type: ignore[arg-type]
            elif kind is Call:
                if reading or _may_act(node):  # type: ignore[arg-type]
                    yield from self._call(func, number, node, reading=reading)  # type: ignore[arg-type]
            elif isinstance(node, Loop) and node.kind != "while":
                for ref in self.gone_through(node.value, func):
                    yield Use(func, number, node.span, ref, Act.ITERATE, node.kind)

    def _access(self, func: Func, number: int, node: Access, *, reading: bool) -> Iterator[Use]:
        if node.form in _NO_STORE:
            return
        ref = node.ref
        if (
            not ref.path
            and ref.root == Root.VAR
            and ref.owner == func.facts.qualname
            and ref.name not in func.facts.captured
        ):
            return
        if ref.path and ref.path[-1].startswith("["):
            container = self.home(ref.receiver, func)
            act, how = _ELEMENT[node.kind]
            yield Use(func, number, node.span, container, act, how, ref.path[-1], node.value, node)
            return
        act, how = _WHOLE[node.kind]
        home = self.home(ref, func) if ref.path else ref
        yield Use(func, number, node.span, home, act, how or node.form, "", node.value, node)
        if reading and len(home.path) > 1 and home.path[-2].startswith("["):
            yield Use(func, number, node.span, Ref(home.root, home.name, home.path[:-2], home.owner), Act.READ)

    def _call(self, func: Func, number: int, node: Call, *, reading: bool) -> Iterator[Use]:
        callee = node.callee
        if isinstance(callee, Ref) and callee.path and (reading or callee.path[-1] in _CHANGING):
            method = callee.path[-1]
            receiver = self.home(callee.receiver, func)
            own = (
                not receiver.path
                and receiver.root == Root.VAR
                and receiver.owner == func.facts.qualname
                and receiver.name not in func.facts.captured
            )
            act = (
                Act.ADD
                if method in ADDING
                else Act.REMOVE
                if method in REMOVING
                else Act.REORDER
                if method in REORDERING
                else Act.READ
            )
            if not own:
                value = node.args[-1] if node.args else None
                yield Use(func, number, node.span, receiver, act, method, _key(node, method), value)
            if reading and receiver.path and receiver.path[-1].startswith("["):
                yield Use(func, number, node.span, receiver.receiver, Act.READ)
        if _may_go_through(node):
            for name in self._names(callee, func):
                given = (
                    node.args[1:]
                    if name in CONSUMING
                    else node.args[:1]
                    if name in KEYED and node.keyword("key") is not None
                    else ()
                )
                for value in given:
                    for ref in self.gone_through(value, func):
                        yield Use(func, number, node.span, ref, Act.ITERATE, name.rpartition(".")[2])

    def gone_through(self, value: Value, func: Func, depth: int = 0) -> Iterator[Ref]:
        """The locations whose items come one by one when the value is iterated over; copies of a location are none of them."""
        if depth > _DEEP:
            return
        if isinstance(value, Many) and value.kind == "star":
            return
        if not isinstance(value, Ref):
            return
        ref = self.home(value, func)
        if ref.root != Root.RESULT:
            local = ref.root == Root.VAR and not ref.path and ref.owner == func.facts.qualname
            if not local or ref.name in func.facts.captured:
                yield ref
            elif ref == value:
                yield from self._view(ref, func, depth)
            return
        if ref.path:
            return
        call = self.types.links.calls[func.id].get(int(ref.name))
        if call is None:
            return
        if isinstance(call.callee, Ref) and call.callee.path and call.callee.path[-1] in VIEWS and not call.args:
            yield from self.gone_through(call.callee.receiver, func, depth + 1)
        elif any(name in LAZY for name in self._names(call.callee, func)):
            for argument in call.args:
                yield from self.gone_through(argument, func, depth + 1)

    def _view(self, ref: Ref, func: Func, depth: int) -> Iterator[Ref]:
        """`values = d.values(); for v in values`: the local name is bound once, to a view or a lazy wrapper."""
        bound = [
            access
            for _, access in self.types.links.bindings.get((func.id, ref.name), ())
            if access.form != "annotation"
        ]
        if (
            len(bound) == 1
            and not bound[0].form
            and isinstance(bound[0].value, Ref)
            and bound[0].value.root == Root.RESULT
        ):
            yield from self.gone_through(bound[0].value, func, depth + 1)

    def _names(self, callee: Value, func: Func) -> Iterator[str]:
        """Dotted names of the library functions that a plain name can mean."""
        if isinstance(callee, Ref):
            if callee.root == Root.BUILTIN and not callee.path:
                yield f"builtins.{callee.name}"
            elif callee.root in {Root.IMPORT, Root.GLOBAL}:
                for thing in self.types.of(callee, func) if callee.root == Root.GLOBAL else ():
                    if isinstance(thing, External):
                        yield thing.name
                whole = absolute(self.types.links, func.module, callee)
                if whole.root == Root.IMPORT:
                    yield ".".join([whole.name, *whole.path])


def _may_act(call: Call) -> bool:
    """Whether the call may do more than read: asked first, as most calls do not."""
    callee = call.callee
    return (type(callee) is Ref and bool(callee.path) and callee.path[-1] in _CHANGING) or _may_go_through(call)


def _may_go_through(call: Call) -> bool:
    """Whether some argument may be one that functions like `map()`, or `max()` with a key, go through."""
    return len(call.args) > 1 or (bool(call.args) and call.keyword("key") is not None)


def _key(call: Call, method: str) -> str:
    first = call.args[0] if call.args else None
    return f"[{value_text(first)}]" if method in _KEYED_METHODS and first is not None else ""


def value_text(value: Value | None) -> str:
    """A key as facts write the steps of subscripts: names and literals as they are, `...` for anything longer."""
    if isinstance(value, Ref) and value.root != Root.RESULT and not any(step.startswith("[") for step in value.path):
        return ".".join([value.name.rpartition(".")[2], *value.path])
    literal = getattr(value, "value", None)
    return repr(literal) if isinstance(literal, (int, str)) else "..."


def location_name(ref: Ref) -> str:
    """The last name in the reference, without what is in brackets."""
    return next((step for step in reversed(ref.path) if not step.startswith("[")), ref.name.rpartition(".")[2])


_CHANGING = ADDING | REMOVING | REORDERING
_KEYED_METHODS = frozenset(
    {"pop", "setdefault", "get", "add", "remove", "discard", "append", "__setitem__", "__delitem__", "move_to_end"}
)
_NO_STORE = frozenset({"annotation", "def", "class", "import", "param"})
_ELEMENT = {
    Kind.READ: (Act.READ, "[]"),
    Kind.WRITE: (Act.ADD, "[]="),
    Kind.UPDATE: (Act.UPDATE, "[]"),
    Kind.DELETE: (Act.REMOVE, "del"),
}
_WHOLE = {
    Kind.READ: (Act.READ, ""),
    Kind.WRITE: (Act.REBIND, ""),
    Kind.UPDATE: (Act.UPDATE, ""),
    Kind.DELETE: (Act.REBIND, "del"),
}
