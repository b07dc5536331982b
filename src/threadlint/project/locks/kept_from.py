"""Which steps of a function the constants that a call gives it keep it from: `read(cache=False)` does not come to what stands under `if cache:`."""

from __future__ import annotations

from threadlint.facts.model import Call, Compare, Const, If, Jump, Logic, Ref, Root, Value
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.names.types import argument


def kept_from(links: Links, target: FunctionThing, steps: list[Step], place: Step, call: Call) -> bool:
    """Whether the call, with its constants and the defaults of what it leaves out, does not come to the place among the function's steps."""
    given = _constants(links, target, call)
    if not given:
        return False
    for node, part in place.context:
        if isinstance(node, If) and _truth(node.test, target.func, given) not in (None, part == "body"):
            return True
    for step in steps:
        if step is place:
            return False
        node = step.node
        if isinstance(node, If) and place.context[: len(step.context)] == step.context:
            taken = {True: node.body, False: node.orelse, None: ()}[_truth(node.test, target.func, given)]
            if taken and isinstance(taken[-1], Jump) and not any(inner is node for inner, _ in place.context):
                return True
    return False


def _constants(links: Links, target: FunctionThing, call: Call) -> dict[str, Const]:
    """What the parameters are known to be."""
    func = target.func
    filled = 1 if func.facts.cls and target.receiver is not None else 0
    found: dict[str, Const] = {}
    for number, param in enumerate(func.facts.params):
        value = argument(call, number - filled, param.name) if number >= filled else None
        if value is None and not call.starred:
            value = param.default
        if isinstance(value, Const) and not links.bindings.get((func.id, param.name)):
            found[param.name] = value
    return found


def _truth(test: Value, func: Func, given: dict[str, Const]) -> bool | None:
    """Whether the test is true; None where that is not known."""
    if isinstance(test, Logic) and test.op != "if":
        parts = [_truth(item, func, given) for item in test.items]
        if test.op == "not":
            return None if parts[0] is None else not parts[0]
        decides = test.op == "or"
        return decides if decides in parts else None if None in parts else not decides
    if isinstance(test, Compare) and test.op in ("is", "==", "is not", "!=") and isinstance(test.right, Const):
        left = _constant(test.left, func, given)
        return None if left is None else (left.value == test.right.value) == (test.op in ("is", "=="))
    known = _constant(test, func, given)
    return None if known is None else bool(known.value)


def _constant(value: Value, func: Func, given: dict[str, Const]) -> Const | None:
    if isinstance(value, Const):
        return value
    if isinstance(value, Ref) and value.root == Root.VAR and not value.path and value.owner == func.facts.qualname:
        return given.get(value.name)
    return None
