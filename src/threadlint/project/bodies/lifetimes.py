"""What becomes of an object in the function that makes it: its names, the methods called on it, and whether it goes elsewhere.

An escape analysis of one function, flow-insensitive, in the manner of Choi and others (OOPSLA 1999): an object that is returned, yielded, stored in an attribute,
used by an inner function or given to unknown code escapes, and nothing is said about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import (
    Access,
    Assert,
    Call,
    Derived,
    If,
    Jump,
    Kind,
    Logic,
    Loop,
    Many,
    Match,
    Node,
    Ref,
    Root,
    Suspend,
    Value,
    With,
)
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import External, Func
from threadlint.project.names.types import Types
from threadlint.project.names.values import refs

_GROWING = frozenset({"append", "appendleft", "add", "insert", "extend", "setdefault", "update"})
_TAKING = frozenset({"values", "items", "keys", "copy", "pop", "popleft", "popitem", "get"})
_HARMLESS = frozenset(
    {
        "builtins.len", "builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.enumerate", "builtins.zip", "builtins.iter",
        "builtins.next", "builtins.reversed", "builtins.print", "builtins.id", "builtins.repr", "builtins.str", "builtins.bool", "builtins.isinstance",
        "builtins.frozenset", "builtins.type", "itertools.chain", "itertools.islice",
    }
)  # fmt: skip
"""Functions that neither keep an argument nor do to it what the rules ask about; what they return may hold it."""


_Name = tuple[Root, str, str] | str
"""What a reference begins with, or an element as facts write it (`[name]`)."""


@dataclass(slots=True)
class Life:
    """What one function does to an object: method calls and attributes by the number of the step."""

    methods: list[tuple[str, Call, int]] = field(default_factory=list)
    attributes: list[tuple[str, int]] = field(default_factory=list)
    """attributes that are read or assigned"""
    assigned: list[tuple[str, Access, int]] = field(default_factory=list)
    passed: list[tuple[str, Call, int]] = field(default_factory=list)
    """functions of the library that got it, by dotted name"""
    loops: list[Loop] = field(default_factory=list)
    """loops over containers that hold it"""
    names: set[Ref] = field(default_factory=set)
    """variables and results, without attributes and elements"""
    escapes: bool = False
    awaited: bool = False

    def called(self, *names: str) -> list[tuple[str, Call, int]]:
        """The calls of these methods."""
        return [one for one in self.methods if one[0] in names]

    def has(self, ref: Ref) -> bool:
        """Whether the name is the object, or an element of a container that holds it."""
        return self.rest(ref) == ()

    def rest(self, ref: Ref) -> tuple[str, ...] | None:
        """The attributes by which the reference goes on from the object; empty where it is the object or an element; None where it is something else."""
        if not ref.path:
            return () if ref in self.names else None
        if Ref(ref.root, ref.name, (), ref.owner) not in self.names:
            return None
        return tuple(part for part in ref.path if not part.startswith("["))


@dataclass(slots=True)
class Lifetimes:
    """Answers for calls that make objects."""

    links: Links
    types: Types
    steps: Callable[[Func], list[Step]]
    _globals: dict[str, set[str]] = field(default_factory=dict)
    """by module: the names of its top level that its functions use"""
    _naming: dict[str, dict[_Name, list[int]]] = field(default_factory=dict)
    """by function id: the steps that speak of a name, in order"""
    _exported: frozenset[str] | None = None

    def of(self, func: Func, call: Call, harmless: frozenset[str] = frozenset()) -> Life:
        """The life of what the call makes; `harmless` adds library functions that it may be given to without escaping."""
        known = harmless | _HARMLESS
        life = Life(names={call.result})
        if call.use == "returned":
            life.escapes = True
        if call.use.startswith("awaited"):
            life.awaited = True
        steps = self.steps(func)
        while True:
            concerned = self._concerned(life, func)
            before = len(life.names)
            for number in concerned:
                self._names(steps[number].node, life, func, known)
            if len(life.names) == before:
                break
        seen = call.use != "used"
        for number in concerned:
            seen |= self._uses(steps[number].node, number, life, func, known)
        life.escapes |= not seen or any(self._seen_elsewhere(name, func) for name in life.names)
        return life

    def _concerned(self, life: Life, func: Func) -> list[int]:
        """The steps that speak of one of the object's names, in order: no others can do anything to it."""
        naming = self._naming.get(func.id)
        if naming is None:
            naming = self._naming[func.id] = {}
            for number, step in enumerate(self.steps(func)):
                for name in _spoken_of(step.node):
                    naming.setdefault(name, []).append(number)
        asked = {one for name in life.names for one in (_base(name), f"[{name.name}]")}
        return sorted({number for name in asked for number in naming.get(name, ())})

    def _names(self, node: Node, life: Life, func: Func, known: frozenset[str]) -> None:
        if isinstance(node, Access) and node.kind in (Kind.WRITE, Kind.UPDATE) and _stores(node, life):
            base = Ref(node.ref.root, node.ref.name, (), node.ref.owner)
            if _is_local(base, func) and all(part.startswith("[") for part in node.ref.path):
                life.names.add(base)
        elif isinstance(node, Call):
            given = (*node.args, *(value for _, value in node.keywords))
            receiver = receiver_of(node)
            if any(carries(value, life) for value in given):
                if _is_growing(node, func) and isinstance(receiver, Ref):
                    life.names.add(Ref(receiver.root, receiver.name, (), receiver.owner))
                elif self.library(node, func) in known:
                    life.names.add(node.result)
            if (
                receiver is not None
                and life.has(receiver)
                and isinstance(node.callee, Ref)
                and node.callee.path[-1] in _TAKING
                and not any(name.root == Root.RESULT and name == receiver for name in life.names)
            ):
                life.names.add(node.result)

    def _uses(self, node: Node, number: int, life: Life, func: Func, known: frozenset[str]) -> bool:
        """Write down what the node does to the object; whether it names it."""
        seen = any(
            carries(value, life) or any(life.rest(ref) is not None for ref in refs(value)) for value in values(node)
        )
        for value in values(node):
            for ref in refs(value):
                rest = life.rest(ref)
                if rest:
                    life.attributes.append((rest[-1], number))
        if isinstance(node, Call):
            seen |= self._call(node, number, life, func, known)
        elif isinstance(node, Jump) and node.kind == "return" and carries(node.value, life):
            life.escapes = True
        elif isinstance(node, Suspend) and carries(node.value, life):
            life.awaited |= node.kind == "await"
            life.escapes |= node.kind != "await"
        elif isinstance(node, Loop) and carries(node.value, life):
            life.loops.append(node)
        elif isinstance(node, Access):
            seen |= self._access(node, number, life, func)
        return seen

    def _access(self, node: Access, number: int, life: Life, func: Func) -> bool:
        if node.kind != Kind.READ and _stores(node, life):
            base = Ref(node.ref.root, node.ref.name, (), node.ref.owner)
            if not _is_local(base, func) or any(not part.startswith("[") for part in node.ref.path):
                life.escapes = True
        rest = life.rest(node.ref)
        if rest:
            life.attributes.append((rest[-1], number))
            if node.kind != Kind.READ:
                life.assigned.append((rest[-1], node, number))
        return rest is not None and node.kind == Kind.READ

    def _call(self, node: Call, number: int, life: Life, func: Func, known: frozenset[str]) -> bool:
        receiver = receiver_of(node)
        seen = False
        if isinstance(node.callee, Ref) and life.has(node.callee):
            life.escapes = True  # the object itself is called
        if receiver is not None and isinstance(node.callee, Ref) and life.has(receiver):
            life.methods.append((node.callee.path[-1], node, number))
            seen = True
        if any(carries(value, life) for value in (*node.args, *(value for _, value in node.keywords))):
            seen = True
            library = self.library(node, func)
            if library in known:
                life.passed.append((library, node, number))
            elif not _is_growing(node, func):
                life.escapes = True
        return seen

    def library(self, node: Call, func: Func) -> str:
        """The dotted name of the function that the call means, where it is one of the library and the only one; else empty."""
        things = self.types.of(node.callee, func)
        return things[0].name if len(things) == 1 and isinstance(things[0], External) else ""

    def _seen_elsewhere(self, name: Ref, func: Func) -> bool:
        """Whether other functions use the variable."""
        if name.root == Root.VAR:
            return name.name in func.facts.captured
        if name.root != Root.GLOBAL:
            return False
        module = func.module.name
        if module not in self._globals:
            self._globals[module] = {
                ref.name
                for other in self.links.ordered()
                if other.module is func.module and not other.is_module
                for step in self.steps(other)
                for ref in named(step.node)
                if ref.root == Root.GLOBAL
            }
        if self._exported is None:
            self._exported = frozenset(dotted for one in self.links.exports.values() for dotted in one.values())
        return name.name in self._globals[module] or f"{module}.{name.name}" in self._exported


def receiver_of(call: Call) -> Ref | None:
    """The object whose method is called: `x.items` for `x.items.append(v)`."""
    callee = call.callee
    if not isinstance(callee, Ref) or not callee.path or callee.path[-1].startswith("["):
        return None
    return callee.receiver


def carries(value: Value | None, life: Life) -> bool:
    """Whether the value is the object, or a container that holds it."""
    if isinstance(value, Ref):
        return life.has(value)
    if isinstance(value, Many):
        return any(carries(item, life) for item in (*value.items, *value.keys))
    if isinstance(value, Logic):
        return value.op != "not" and any(
            carries(item, life) for item in (value.items[:2] if value.op == "if" else value.items)
        )
    if isinstance(value, Derived):
        return value.op in ("item", "enter", "Add", "await") and any(carries(part, life) for part in value.parts)
    return False


def _stores(node: Access, life: Life) -> bool:
    """Whether the object is stored: as the value, or as the key of an element (`rows[future] = row`)."""
    return carries(node.value, life) or (
        bool(node.ref.path)
        and any(name.root != Root.RESULT and f"[{name.name}]" in node.ref.path for name in life.names)
    )


def values(node: Node) -> Iterator[Value]:
    """The values that a node uses, but for a call's callee and an access's own name."""
    if isinstance(node, Call):
        yield from node.args
        for _, value in node.keywords:
            yield value
    elif isinstance(node, (Access, Jump, Suspend)):
        if node.value is not None:
            yield node.value
    elif isinstance(node, (If, Assert)):
        yield node.test
    elif isinstance(node, (Loop, Match)):
        yield node.value
    elif isinstance(node, With):
        for item in node.items:
            yield item.value


def named(node: Node) -> Iterator[Ref]:
    """Every name that the node uses."""
    for value in values(node):
        yield from refs(value)
    if isinstance(node, Call):
        yield from refs(node.callee)
    elif isinstance(node, Access):
        yield node.ref


def _base(ref: Ref) -> _Name:
    return (ref.root, ref.name, ref.owner)


def _spoken_of(node: Node) -> set[_Name]:
    """What the references in the node begin with, and their elements; the keys of displays too, which are given away with them."""
    found: set[_Name] = set()
    todo = [*named(node), *values(node)]
    while todo:
        value = todo.pop()
        if isinstance(value, Ref):
            found.add(_base(value))
            found.update(part for part in value.path if part.startswith("["))
        elif isinstance(value, Many):
            todo += (*value.items, *value.keys)
        elif isinstance(value, Logic):
            todo += value.items
        elif isinstance(value, Derived):
            todo += value.parts
    return found


def _is_local(ref: Ref, func: Func) -> bool:
    """A variable of the function itself and no parameter; at the top level of a module a global."""
    if func.is_module:
        return ref.root == Root.GLOBAL
    return (
        ref.root == Root.VAR
        and ref.owner == func.facts.qualname
        and not any(param.name == ref.name for param in func.facts.params)
    )


def _is_growing(call: Call, func: Func) -> bool:
    receiver = receiver_of(call)
    return (
        receiver is not None
        and isinstance(call.callee, Ref)
        and call.callee.path[-1] in _GROWING
        and _is_local(Ref(receiver.root, receiver.name, (), receiver.owner), func)
        and all(part.startswith("[") for part in receiver.path)
    )
