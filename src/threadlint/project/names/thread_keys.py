"""Keys that name the current thread or task: what is stored under them belongs to that thread, although the container is shared."""

from __future__ import annotations

from threadlint.facts.model import Call, Ref, Root, Value
from threadlint.project.names.things import External, Func, FunctionThing
from threadlint.project.names.types import Types

IDENTITIES = frozenset(
    {
        "threading.get_ident",
        "_thread.get_ident",
        "threading.get_native_id",
        "threading.current_thread",
        "threading.currentThread",
        "asyncio.current_task",
        "asyncio.tasks.current_task",
        "os.getpid",
    }
)
"""Functions whose result tells the thread, task or process that calls them from every other (library reference)."""

_DEEP = 3


def keyed_by_thread(types: Types, func: Func, key: str) -> bool:
    """Whether the variable `key` of the function holds the identity of the current thread, or something computed from it."""
    bound = types.links.bindings.get((func.id, key), ())
    return bool(bound) and any(_is_identity(types, access.value, where, _DEEP) for where, access in bound)


def names_thread(types: Types, func: Func, value: Value | None) -> bool:
    """Whether the value is the identity of the current thread, or something computed from it."""
    return _is_identity(types, value, func, _DEEP)


def _is_identity(types: Types, value: Value | None, func: Func, depth: int) -> bool:
    if not isinstance(value, Ref) or depth == 0:
        return False
    if value.root == Root.VAR and not value.path and value.owner == func.facts.qualname:
        bound = types.links.bindings.get((func.id, value.name), ())
        return any(_is_identity(types, access.value, where, depth - 1) for where, access in bound)
    if value.root != Root.RESULT:
        return False
    call = types.links.calls[func.id].get(int(value.name))
    return call is not None and _gives_identity(types, call, func, depth)


def _gives_identity(types: Types, call: Call, func: Func, depth: int) -> bool:
    for thing in types.of(call.callee, func):
        if isinstance(thing, External):
            if thing.name in IDENTITIES:
                return True
            if thing.name == "builtins.id":
                return any(_is_identity(types, arg, func, depth - 1) for arg in call.args)
        elif isinstance(thing, FunctionThing) and any(
            _is_identity(types, value, thing.func, depth - 1) for value in types.returned(thing.func)
        ):
            return True
    return False
