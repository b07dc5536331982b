"""Calls that are not written as calls: context managers, subscripts and properties of the project's own classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Access, Call, CallUse, Kind, Loop, Node, Ref, Value, With
from threadlint.project.names.things import Cls, Func, FunctionThing, Object
from threadlint.project.names.types import Types

_SUBSCRIPT = {
    Kind.READ: ("__getitem__",),
    Kind.WRITE: ("__setitem__",),
    Kind.UPDATE: ("__getitem__", "__setitem__"),
    Kind.DELETE: ("__delitem__",),
}


@dataclass(slots=True)
class Implicit:
    """Finds them, and asks of no value what it is where no class of the project has a method or property of the name."""

    types: Types
    _properties: frozenset[str] | None = None

    def calls(self, func: Func, node: Node) -> Iterable[tuple[FunctionThing, Call]]:
        """The special methods and properties that a node runs, each as a call without arguments (data model, 3.3)."""
        if self._properties is None:
            self._properties = self._named_properties()
        kind = type(node)
        if kind is Access:
            path = node.ref.path  # type: ignore[union-attr]
            if not path or node.form == "annotation":  # type: ignore[union-attr]
                return ()
            if path[-1].startswith("["):
                return self._run(func, node.ref.receiver, _SUBSCRIPT[node.kind], node)  # type: ignore[union-attr, index]
            if path[-1] in self._properties:
                return _read_or_set(self.types, func, node.ref.receiver, path[-1], node)  # type: ignore[union-attr, arg-type]
        elif kind is With:
            names = ("__aenter__", "__aexit__") if node.is_async else ("__enter__", "__exit__")  # type: ignore[union-attr]
            return [one for item in node.items for one in self._run(func, item.value, names, node)]  # type: ignore[union-attr]
        elif kind is Loop and node.kind != "while":  # type: ignore[union-attr]
            return self._run(func, node.value, ("__iter__", "__next__"), node)  # type: ignore[union-attr, arg-type]
        return ()

    def _named_properties(self) -> frozenset[str]:
        return frozenset(
            name
            for methods in self.types.links.method_variants.values()
            for name, funcs in methods.items()
            if any(func.facts.decorators and _runs(func, kind) for func in funcs for kind in Kind)
        )

    def _run(
        self, func: Func, value: Value, names: tuple[str, ...], node: Node
    ) -> Iterator[tuple[FunctionThing, Call]]:
        if self.types.links.method_names.isdisjoint(names):
            return
        for thing in self.types.of(value, func):
            if isinstance(thing, Object) and isinstance(thing.type, Cls):
                for name in names:
                    method = self.types.method(thing.type, name)
                    if method is not None:
                        yield _call(method, value, func, node, name)


def _read_or_set(types: Types, func: Func, base: Ref, step: str, node: Access) -> Iterator[tuple[FunctionThing, Call]]:
    for thing in types.of(base, func):
        if not isinstance(thing, Object) or not isinstance(thing.type, Cls):
            continue
        for cls in types.mro(thing.type):
            variants = types.links.method_variants.get(cls.id, {}).get(step, ()) if isinstance(cls, Cls) else ()
            for method in variants:
                if _runs(method, node.kind):
                    yield _call(method, base, func, node, step)
            if variants:
                break


def _runs(method: Func, kind: Kind) -> bool:
    for decorator in method.facts.decorators:
        if isinstance(decorator, Ref):
            if decorator.path[-1:] == ("setter",):
                return kind in (Kind.WRITE, Kind.UPDATE)
            if decorator.name.rpartition(".")[2] in ("property", "cached_property"):
                return kind in (Kind.READ, Kind.UPDATE)
    return False


def _call(method: Func, receiver: Value, func: Func, node: Node, name: str) -> tuple[FunctionThing, Call]:
    callee = (
        Ref(receiver.root, receiver.name, (*receiver.path, name), receiver.owner)
        if isinstance(receiver, Ref)
        else receiver
    )
    use: CallUse = "awaited" if name.startswith("__a") else "used"
    return FunctionThing(method, receiver, func), Call(-1, node.span, callee, use=use)
