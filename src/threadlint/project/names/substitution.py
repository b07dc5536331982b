"""A callee's names from the caller's point of view: what it calls `self` or a parameter is what the caller gave it."""

from __future__ import annotations

from threadlint.facts.model import Call, Ref, Root, Value
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.names.types import argument


def substitute(value: Value | None, target: FunctionThing, call: Call, caller: Func) -> Value | None:
    """The callee's value as the caller would name it: globals as they are, parameters by what they are given."""
    if not isinstance(value, Ref):
        return None
    if value.root != Root.VAR:
        return value if target.func.module is caller.module or value.root == Root.IMPORT else None
    if value.owner != target.func.facts.qualname:
        return value
    params = target.func.facts.params
    number = next((n for n, param in enumerate(params) if param.name == value.name), None)
    if number is None:
        return None
    bound = bool(target.func.facts.cls) and target.receiver is not None
    given = target.receiver if bound and number == 0 else argument(call, number - (1 if bound else 0), value.name)
    if not isinstance(given, Ref):
        return None
    return Ref(given.root, given.name, (*given.path, *value.path), given.owner)
