"""Calls that are not written as calls: context managers, subscripts and properties of the project's own classes."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Call, Kind, Loop, Node, Ref, Value, With
from threadlint.project.names.things import Cls, Func, FunctionThing, Object
from threadlint.project.names.types import Types

_SUBSCRIPT = {
    Kind.READ: ("__getitem__",),
    Kind.WRITE: ("__setitem__",),
    Kind.UPDATE: ("__getitem__", "__setitem__"),
    Kind.DELETE: ("__delitem__",),
}


def implicit_calls(types: Types, func: Func, node: Node) -> Iterator[tuple[FunctionThing, Call]]:
    """The special methods and properties that a node runs, each as a call without arguments (data model, 3.3)."""
    if isinstance(node, With):
        names = ("__aenter__", "__aexit__") if node.is_async else ("__enter__", "__exit__")
        for item in node.items:
            yield from _methods(types, func, item.value, names, node)
    elif isinstance(node, Loop):
        if node.kind != "while":
            yield from _methods(types, func, node.value, ("__iter__", "__next__"), node)
    elif isinstance(node, Access) and node.ref.path and node.form != "annotation":
        base = node.ref.receiver
        step = node.ref.path[-1]
        if step.startswith("["):
            yield from _methods(types, func, base, _SUBSCRIPT[node.kind], node)
        else:
            yield from _properties(types, func, base, step, node)


def _methods(
    types: Types, func: Func, value: Value, names: tuple[str, ...], node: Node
) -> Iterator[tuple[FunctionThing, Call]]:
    for thing in types.of(value, func):
        if isinstance(thing, Object) and isinstance(thing.type, Cls):
            for name in names:
                method = types.method(thing.type, name)
                if method is not None:
                    yield _call(method, value, func, node, name)


def _properties(types: Types, func: Func, base: Ref, step: str, node: Access) -> Iterator[tuple[FunctionThing, Call]]:
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
    use = "awaited" if name.startswith("__a") else "used"
    return FunctionThing(method, receiver, func), Call(-1, node.span, callee, use=use)
