"""Attributes that are looked up anew each time: properties, thread-local storage, context variables. Each thread may get another object."""

from __future__ import annotations

from collections.abc import Iterable

from threadlint.facts.model import Ref, Value
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Cls, Func, Object
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


def is_per_thread(types: Types, value: Value, func: Func) -> bool:
    """Whether the value is kept in thread-local storage or a context variable."""
    if not isinstance(value, Ref):
        return False
    holders = (Ref(value.root, value.name, value.path[:end], value.owner) for end in range(len(value.path)))
    return any(
        isinstance(thing, Object) and is_thread_local(types, thing) for one in holders for thing in types.of(one, func)
    )


def is_thread_local(types: Types, thing: Object) -> bool:
    """Whether each thread, or each context, sees other attributes of the object."""
    if isinstance(thing.type, str):
        return thing.type in ("threading.local", "contextvars.ContextVar")
    return types.derives(thing.type, ("threading.local", "_thread._local"))
