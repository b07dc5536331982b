"""How often something in a loop happens, where the program says it in numbers."""

from __future__ import annotations

import operator

from threadlint.facts.model import Access, Const, Derived, Kind, Loop, Many, Ref, Root, Value
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func

_DEEP = 5
_OPERATIONS = {"Add": operator.add, "Subtract": operator.sub, "Multiply": operator.mul}


def number(links: Links, value: Value | None, func: Func, depth: int = 0) -> int | None:
    """The whole number that the value always is: a literal, a name that is bound once, to one, a `len()`, or the sum of such; None where that is not known."""
    if isinstance(value, Const):
        return value.value if isinstance(value.value, int) and not isinstance(value.value, bool) else None
    if isinstance(value, Derived):
        return _computed(links, value, func, depth)
    if not isinstance(value, Ref) or value.path or depth > _DEEP:
        return None
    if value.root == Root.RESULT:
        call = links.calls[func.id].get(int(value.name))
        counted = call is not None and call.callee == Ref(Root.BUILTIN, "len") and len(call.args) == 1
        return length(links, call.args[0], func, depth + 1) if call is not None and counted else None
    bound = _bindings(links, value, func)
    if len(bound) == 1 and bound[0][1].kind == Kind.WRITE and bound[0][1].form == "":
        return number(links, bound[0][1].value, bound[0][0], depth + 1)
    return None


def _computed(links: Links, value: Derived, func: Func, depth: int) -> int | None:
    if len(value.parts) != 2 or value.op not in _OPERATIONS:
        return None
    left, right = (number(links, part, func, depth + 1) for part in value.parts)
    return _OPERATIONS[value.op](left, right) if left is not None and right is not None else None


def turns(links: Links, loop: Loop, func: Func) -> int | None:
    """How many turns a loop makes if nothing leaves it: over `range(n)`, or over a display; None where that is not known."""
    return length(links, loop.value, func) if loop.kind != "while" and not loop.is_async else None


def length(links: Links, value: Value | None, func: Func, depth: int = 0) -> int | None:
    """How many items a value has: a `range()`, a display, or a comprehension over one."""
    if isinstance(value, Many):
        return (
            len(value.items)
            if not value.repeated and not any(isinstance(item, Many) and item.kind == "star" for item in value.items)
            else None
        )
    if not isinstance(value, Ref) or value.path or depth > _DEEP:
        return None
    if value.root == Root.RESULT:
        call = links.calls[func.id].get(int(value.name))
        if call is not None and call.callee == Ref(Root.BUILTIN, "range") and len(call.args) == 1:
            return number(links, call.args[0], func)
        return None
    bound = _bindings(links, value, func)
    if len(bound) == 1 and bound[0][1].form == "":
        return length(links, bound[0][1].value, bound[0][0], depth + 1)
    return None


def total(links: Links, loops: tuple[Loop, ...], func: Func) -> int | None:
    """How often a step inside these loops runs; None where that is not known."""
    found = 1
    for loop in loops:
        times = turns(links, loop, func)
        if times is None:
            return None
        found *= times
    return found


def _bindings(links: Links, ref: Ref, func: Func) -> list[tuple[Func, Access]]:
    if ref.root == Root.VAR:
        owner = links.funcs.get(f"{func.module.name}:{ref.owner}")
        if owner is None or any(param.name == ref.name for param in owner.facts.params):
            return []
        return list(links.bindings.get((owner.id, ref.name), []))
    return list(links.bindings.get((func.module.name, ref.name), [])) if ref.root == Root.GLOBAL else []
