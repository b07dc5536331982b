"""Changes in coroutines, and of calls into an event loop: what blocks is awaited, what is dropped is kept, what is not thread-safe goes through the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import Statement, block_of, statement, statement_of
from threadlint.fixes.names import after_imports, fresh, reach
from threadlint.fixes.tree import Edits, Refused, Tree, code, expression

_RUNS = frozenset({"run", "run_until_complete"})


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {
        Change.AWAIT: _await,
        Change.AWAIT_SLEEP: _await_sleep,
        Change.AWAIT_COROUTINE: _await_coroutine,
        Change.KEEP_TASK: _keep_task,
        Change.THROUGH_LOOP: _through_loop,
        Change.HOIST_AWAIT: _hoist_await,
    }


def _await(tree: Tree, fix: Fix) -> Edits:
    """`work()` becomes `await work()`, where that stands by itself."""
    call = tree.at(fix.sites[0], cst.Call)
    _in_coroutine(tree, call)
    if not isinstance(tree.parent(call), cst.Expr):
        raise Refused("the coroutine is kept")
    return {id(call): (cst.Await(call),)}


def _await_sleep(tree: Tree, fix: Fix) -> Edits:
    """`time.sleep(1)` becomes `await asyncio.sleep(1)`."""
    call = tree.at(fix.sites[0], cst.Call)
    _in_coroutine(tree, call)
    if not isinstance(tree.parent(call), cst.Expr) or len(call.args) != 1 or call.args[0].keyword or call.args[0].star:
        raise Refused("this is no plain `sleep()`")
    name, edits = reach(tree, "asyncio", "sleep")
    return {**edits, id(call): (cst.Await(call.with_changes(func=expression(name))),)}


def _await_coroutine(tree: Tree, fix: Fix) -> Edits:
    """`run_coroutine_threadsafe(work(), loop).result()` and `loop.run_until_complete(work())` become `await work()`."""
    call = tree.at(fix.sites[0], cst.Call)
    _in_coroutine(tree, call)
    if not isinstance(call.func, cst.Attribute):
        raise Refused("this is no call of a method")
    if call.func.attr.value == "result" and not call.args and isinstance(call.func.value, cst.Call):
        inner, wanted, args = call.func.value, {"run_coroutine_threadsafe"}, 2
    else:
        inner, wanted, args = call, set(_RUNS), 1
    name = inner.func.attr if isinstance(inner.func, cst.Attribute) else inner.func
    if code(name) not in wanted or len(inner.args) != args or any(arg.keyword or arg.star for arg in inner.args):
        raise Refused("the coroutine is not made here")
    coroutine = inner.args[0].value
    if not isinstance(coroutine, (cst.Call, cst.Name, cst.Attribute)):
        raise Refused("the coroutine is not made here")
    holder = tree.parent(call)
    around = not isinstance(holder, (cst.Expr, cst.Assign, cst.Return, cst.Arg, cst.AnnAssign))
    brackets = {"lpar": [cst.LeftParen()], "rpar": [cst.RightParen()]} if around else {}
    return {id(call): (cst.Await(coroutine, **brackets),)}  # type: ignore[arg-type]


def _in_coroutine(tree: Tree, node: cst.CSTNode) -> None:
    function = tree.nearest(node, cst.FunctionDef, cst.Lambda, cst.GeneratorExp)
    if not isinstance(function, cst.FunctionDef) or function.asynchronous is None:
        raise Refused("this is in no coroutine")


def _keep_task(tree: Tree, fix: Fix) -> Edits:
    """Keep the task in a set of the module until it is done, as the documentation of `asyncio.create_task()` has it."""
    call = tree.at(fix.sites[0], cst.Call)
    small = statement_of(tree, call)
    if not isinstance(small, cst.Expr) or small.value is not call:
        raise Refused("the task is kept")
    kept, edits = _task_set(tree)
    name = fresh(tree, "task", call)
    stretch = block_of(tree, small)
    number = stretch.index(small)
    line = stretch.pieces[number].statement
    if not isinstance(line, cst.SimpleStatementLine):
        raise Refused("this is no simple statement")
    new: list[Statement] = [
        line.with_changes(body=[cst.Assign([cst.AssignTarget(cst.Name(name))], call)]),
        statement(tree, f"{kept}.add({name})"),
        statement(tree, f"{name}.add_done_callback({kept}.discard)"),
    ]
    return {**edits, **stretch.replace(number, number + 1, new)}


def _task_set(tree: Tree) -> tuple[str, Edits]:
    """The set of tasks that an earlier change has put at the top of the module, or a new one."""
    name = "background_tasks"
    for one in tree.module.body:
        if isinstance(one, cst.SimpleStatementLine) and code(one.body[0]) == f"{name} = set()":
            return name, {}
    name = fresh(tree, name, tree.module)
    return name, after_imports(tree, f"{name} = set()")


def _through_loop(tree: Tree, fix: Fix) -> Edits:
    """`loop.stop()` becomes `loop.call_soon_threadsafe(loop.stop)`, and `loop.create_task(c)` `asyncio.run_coroutine_threadsafe(c, loop)`."""
    call = tree.at(fix.sites[0], cst.Call)
    func = call.func
    if not isinstance(func, cst.Attribute) or code(func.value) == "asyncio":
        raise Refused("this is no call of a loop's method")
    if func.attr.value == "call_soon":
        return {id(func.attr): (cst.Name("call_soon_threadsafe"),)}
    if not isinstance(tree.parent(call), cst.Expr):
        raise Refused("what the call returns is used")
    if func.attr.value == "create_task":
        if len(call.args) != 1 or call.args[0].keyword or call.args[0].star:
            raise Refused("the task has more arguments")
        name, edits = reach(tree, "asyncio", "run_coroutine_threadsafe")
        args = [call.args[0].with_changes(comma=_comma()), cst.Arg(func.value)]
        return {**edits, id(call): (call.with_changes(func=expression(name), args=args),)}
    if any(arg.keyword or arg.star for arg in call.args):
        raise Refused("the call has arguments by name")
    first = cst.Arg(func, comma=_comma() if call.args else cst.MaybeSentinel.DEFAULT)
    safe = func.with_changes(attr=cst.Name("call_soon_threadsafe"))
    return {id(call): (call.with_changes(func=safe, args=[first, *call.args]),)}


def _comma() -> cst.Comma:
    return cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _hoist_await(tree: Tree, fix: Fix) -> Edits:
    """`self.n += await size()` awaits first, and then updates in one step."""
    small = statement_of(tree, tree.expression_or_statement_at(fix.sites[0]))
    if not isinstance(small, (cst.AugAssign, cst.Assign)):
        raise Refused("this is no update")
    waits = [node for node in tree.inside(small) if isinstance(node, cst.Await)]
    if len(waits) != 1:
        raise Refused("the statement waits more than once")
    inside = {id(node) for node in tree.inside(waits[0])}
    others = [
        node for node in tree.inside(small) if isinstance(node, (cst.Call, cst.NamedExpr)) and id(node) not in inside
    ]
    if (
        any(isinstance(outer, (cst.BooleanOperation, cst.IfExp, cst.ListComp)) for outer in tree.around(waits[0]))
        or others
    ):
        raise Refused("the statement does more than wait and update")
    name = fresh(tree, "value", small)
    stretch = block_of(tree, small)
    number = stretch.index(small)
    line = stretch.pieces[number].statement
    first = statement(tree, f"{name} = {code(waits[0])}").with_changes(leading_lines=line.leading_lines)
    update = tree.replaced(line, {id(waits[0]): (cst.Name(name),)}).with_changes(leading_lines=())
    return stretch.replace(number, number + 1, [first, update])
