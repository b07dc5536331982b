"""Changes that put in what is missing: an error that is raised or logged, the base's constructor; or the re-entrant kind of lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import Statement, block_of, indented, pieces, statement
from threadlint.fixes.names import fresh, reach
from threadlint.fixes.tree import Edits, Refused, Tree, code, expression


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {
        Change.RAISE: _raise,
        Change.LOG: _log,
        Change.SUPER_INIT: _super_init,
        Change.REENTRANT: _reentrant,
        Change.SORT_LOCKS: _sort_locks,
    }


def _raise(tree: Tree, fix: Fix) -> Edits:
    """`lock.acquire(timeout=1)` becomes `if not lock.acquire(timeout=1): raise ...`."""
    call = tree.at(fix.sites[0], cst.Call)
    value: cst.CSTNode = tree.parent(call)
    awaited = value if isinstance(value, cst.Await) else call
    small = tree.parent(awaited)
    if not isinstance(small, cst.Expr) or not isinstance(call.func, cst.Attribute):
        raise Refused("the answer of `acquire()` is kept")
    timed = any(arg.keyword is not None and arg.keyword.value == "timeout" for arg in call.args) or len(call.args) > 1
    error, what = ("TimeoutError", "was not free in time") if timed else ("RuntimeError", "is held by another thread")
    name = code(call.func.value).replace('"', "'")
    made = cst.If(
        test=cst.UnaryOperation(cst.Not(), awaited),
        body=indented(block_of(tree, small), [statement(tree, f'raise {error}("{name} {what}")')]),
    )
    stretch = block_of(tree, small)
    number = stretch.index(small)
    line = stretch.pieces[number].statement
    header = line.trailing_whitespace if isinstance(line, cst.SimpleStatementLine) else cst.TrailingWhitespace()
    made = made.with_changes(leading_lines=line.leading_lines, body=made.body.with_changes(header=header))
    return stretch.replace(number, number + 1, [made])


def _log(tree: Tree, fix: Fix) -> Edits:
    """Log the exception where the handler drops it; the text is the name of the function."""
    handler = tree.at(fix.sites[0], cst.ExceptHandler)
    body = pieces(handler.body)
    logger, edits = _logger(tree)
    line = statement(tree, f'{logger}.exception("{fix.text} failed")')
    first = body.pieces[0]
    dull = isinstance(first.small, cst.Pass) or (
        isinstance(first.small, cst.Expr) and isinstance(first.small.value, cst.Ellipsis)
    )
    if dull:
        line = line.with_changes(
            leading_lines=first.statement.leading_lines,
            trailing_whitespace=getattr(first.statement, "trailing_whitespace", cst.TrailingWhitespace()),
        )
        return {**edits, **body.replace(0, 1, [line])}
    return {**edits, **body.replace(0, 1, [line, first.statement])}


def _logger(tree: Tree) -> tuple[str, Edits]:
    """The file's own logger, or the module `logging`."""
    for piece in pieces(tree.module).pieces:
        small = piece.small
        if not isinstance(small, cst.Assign) or not isinstance(small.value, cst.Call) or len(small.targets) != 1:
            continue
        target = small.targets[0].target
        if code(small.value.func) in ("logging.getLogger", "getLogger") and isinstance(target, cst.Name):
            return target.value, {}
    name, edits = reach(tree, "logging", "exception")
    return name.removesuffix(".exception") if "." in name else "logging", edits


def _super_init(tree: Tree, fix: Fix) -> Edits:
    function = tree.at(fix.sites[0], cst.FunctionDef)
    body = pieces(function.body)
    first = body.pieces[0]
    line = statement(tree, "super().__init__()")
    docstring = isinstance(first.small, cst.Expr) and isinstance(
        first.small.value, (cst.SimpleString, cst.ConcatenatedString)
    )
    if docstring:
        return body.replace(0, 1, [first.statement, line])
    dull = isinstance(first.small, cst.Pass)
    return body.replace(0, 1, [line] if dull else [line, first.statement])


def _reentrant(tree: Tree, fix: Fix) -> Edits:
    """`threading.Lock()` becomes `threading.RLock()`."""
    call = tree.at(fix.sites[0], cst.Call)
    if isinstance(call.func, cst.Attribute) and call.func.attr.value == "Lock":
        return {id(call.func.attr): (cst.Name("RLock"),)}
    if isinstance(call.func, cst.Name) and not call.args:
        name, edits = reach(tree, "threading", "RLock")
        return {**edits, id(call.func): (expression(name),)}
    raise Refused("this is no call of `Lock`")


def _sort_locks(tree: Tree, fix: Fix) -> Edits:
    """`with a.lock, b.lock:` takes the two in an order that does not depend on who calls."""
    outer_value, inner_value = (tree.expression_at(site) for site in fix.sites[:2])
    outer_item, inner_item = tree.parent(outer_value), tree.parent(inner_value)
    outer = tree.parent(outer_item)
    if not isinstance(outer_item, cst.WithItem) or not isinstance(inner_item, cst.WithItem):
        raise Refused("the locks are not taken by `with`")
    inner = tree.parent(inner_item)
    if not isinstance(outer, cst.With) or outer_item.asname or inner_item.asname:
        raise Refused("the locks are not taken by `with`")
    if inner is not outer:
        alone = tree.parent(inner) is outer.body and len(pieces(outer.body).pieces) == 1
        if not alone or not isinstance(inner, cst.With) or len(outer.items) + len(inner.items) > len((outer, inner)):
            raise Refused("something else stands between the two")
    first, second = fresh(tree, "first", outer), fresh(tree, "second", outer)
    one, other = outer_value, inner_value
    if isinstance(one, cst.Attribute) and isinstance(other, cst.Attribute) and one.attr.value == other.attr.value:
        one, other = one.value, other.value
    edits: Edits = {id(one): (cst.Name(first),), id(other): (cst.Name(second),)}
    changed = tree.replaced(outer, edits).with_changes(leading_lines=())
    line = statement(tree, f"{first}, {second} = sorted(({code(one)}, {code(other)}), key=id)")
    stretch = block_of(tree, outer)
    number = stretch.index(outer)
    new: list[Statement] = [line.with_changes(leading_lines=outer.leading_lines), changed]
    return stretch.replace(number, number + 1, new)
