"""Changes of how long is waited, and of what may end it: times that are never negative, clocks that do not jump, cancellations that are let through."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import indented, pieces
from threadlint.fixes.names import is_bound, reach
from threadlint.fixes.tree import Edits, Refused, Tree, code, expression


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {
        Change.NOT_NEGATIVE: _not_negative,
        Change.MONOTONIC: _monotonic,
        Change.LET_CANCEL: _let_cancel,
    }


def _not_negative(tree: Tree, fix: Fix) -> Edits:
    """`time.sleep(deadline - now)` never gets less than 0."""
    call = tree.at(fix.sites[0], cst.Call)
    if len(call.args) != 1 or call.args[0].star:
        raise Refused("the call has several arguments")
    if is_bound(tree, "max"):
        raise Refused("`max` is not the built-in here")
    value = call.args[0].value
    least = isinstance(value, cst.Call) and code(value.func) == "min"
    if not fix.text and not least and not isinstance(value, cst.BinaryOperation):
        raise Refused("the time may be None")
    new = cst.Call(cst.Name("max"), [cst.Arg(cst.Integer("0")), cst.Arg(value)])
    return {id(value): (new,)}


def _monotonic(tree: Tree, fix: Fix) -> Edits:
    """`time.time()` becomes `time.monotonic()`, where the function compares it with the deadline and does nothing else with it."""
    holder = tree.at(fix.sites[0], cst.Assign)
    target = holder.targets[0].target
    if not isinstance(target, cst.Name) or len(holder.targets) != 1:
        raise Refused("the deadline is no variable of its own")
    function = tree.nearest(target, cst.FunctionDef)
    clocks = [node for node in tree.inside(function) if _is_clock(node)]
    seen: set[int] = set()
    for name in tree.inside(function):
        if isinstance(name, cst.Name) and name.value == target.value:
            seen |= {id(clock) for clock in _clocks_beside(tree, name)}
    if not clocks or any(id(clock) not in seen for clock in clocks):
        raise Refused("the clock is read for other things too")
    monotonic, edits = reach(tree, "time", "monotonic")
    return {**edits, **{id(clock.func): (expression(monotonic),) for clock in clocks if isinstance(clock, cst.Call)}}


def _is_clock(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Call) and not node.args and code(node.func) in ("time.time", "time")


def _clocks_beside(tree: Tree, name: cst.Name) -> list[cst.CSTNode]:
    """The readings of the clock that the deadline is set from or compared with; refused where it is used in another way."""
    for outer in tree.around(name):
        if isinstance(outer, cst.AssignTarget):
            continue
        if isinstance(outer, cst.Comparison) and isinstance(outer.comparisons[0].operator, (cst.Is, cst.IsNot)):
            return []
        if isinstance(outer, (cst.Assign, cst.Comparison, cst.BinaryOperation)):
            calls = [node for node in tree.inside(outer) if isinstance(node, cst.Call)]
            none = isinstance(outer, cst.Assign) and code(outer.value) == "None"
            if calls and all(map(_is_clock, calls)):
                return list(calls)
            if none:
                return []
            break
        if not isinstance(outer, cst.ComparisonTarget):
            break
    raise Refused("the deadline is used in another way")


def _let_cancel(tree: Tree, fix: Fix) -> Edits:
    """Let a cancellation through before the handler that takes everything."""
    handler = tree.at(fix.sites[0], cst.ExceptHandler)
    around = tree.nearest(handler, cst.Try)
    if handler.type is not None and "BaseException" not in code(handler.type):
        raise Refused("the cancellation is caught by its name")
    name, edits = reach(tree, "asyncio", "CancelledError")
    before = cst.ExceptHandler(
        body=indented(pieces(around.body), [cst.SimpleStatementLine([cst.Raise()])]),
        type=expression(name),
        leading_lines=handler.leading_lines,
    )
    return {**edits, id(handler): (before, handler.with_changes(leading_lines=()))}
