"""Attributes that are looked up anew each time: properties, thread-local storage, context variables. Each thread may get another object."""

from __future__ import annotations

from collections.abc import Iterable

from threadlint.facts.model import Ref, Root, Value
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.names.thread_local import is_thread_local
from threadlint.project.names.types import Types


def getters(links: Links) -> dict[str, list[Func]]:
    """By name: the getters of all properties; a `cached_property` is looked up once and then kept."""
    found: dict[str, list[Func]] = {}
    for methods in links.method_variants.values():
        for name, variants in methods.items():
            for method in variants:
                if any(
                    isinstance(one, Ref) and not one.path and one.name.rpartition(".")[2] == "property"
                    for one in method.facts.decorators
                ):
                    found.setdefault(name, []).append(method)
    return found


def belongs(types: Types, method: Func, things: Iterable[object]) -> bool:
    """Whether one of the objects may have the method: of its own class, of a base, or of a class that derives from its own."""
    cls = f"{method.module.name}:{method.facts.cls}"
    return any(
        isinstance(thing, Object) and isinstance(thing.type, Cls) and cls in types.family(thing.type)
        for thing in things
    )


def is_per_thread(types: Types, value: Value | None, func: Func, depth: int = 3) -> bool:
    """Whether the value is kept in thread-local storage or a context variable, or was taken out of it by way of local names."""
    if not isinstance(value, Ref) or not depth:
        return False
    holders = (Ref(value.root, value.name, value.path[:end], value.owner) for end in range(len(value.path)))
    if any(
        isinstance(thing, Object) and is_looked_up_anew(types, thing)
        for one in holders
        for thing in types.of(one, func)
    ):
        return True
    if value.root is Root.RESULT:
        call = types.links.calls[func.id].get(int(value.name))
        callee = call.callee if call is not None else None
        taken = isinstance(callee, Ref) and callee.path[-1:] in (("get",), ("setdefault",))
        return taken and is_per_thread(types, callee, func, depth - 1)
    if value.root is not Root.VAR or value.owner != func.facts.qualname:
        return False
    bound = types.links.bindings.get((func.id, value.name), ())
    return bool(bound) and all(is_per_thread(types, access.value, where, depth - 1) for where, access in bound)


def is_looked_up_anew(types: Types, thing: Object) -> bool:
    """Whether each thread, or each context, finds other values in the object."""
    return thing.type == "contextvars.ContextVar" or is_thread_local(types, thing)
