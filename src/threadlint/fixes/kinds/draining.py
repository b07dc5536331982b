"""Asking whether a queue is empty and then waiting for an item becomes one try: `get_nowait()`, and what is done at `Empty`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import Piece, Statement, Stretch, block_of, indented, pieces, statement, statement_of
from threadlint.fixes.calls import is_call
from threadlint.fixes.kinds.one_step import not_in_elif, taking, tried
from threadlint.fixes.names import fresh, reach
from threadlint.fixes.tree import Edits, Refused, Tree, code


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.GET_NOWAIT: _get_nowait}


def _get_nowait(tree: Tree, fix: Fix) -> Edits:
    """`while not q.empty(): x = q.get()` tries `get_nowait()` until it raises `Empty`."""
    get = tree.at(fix.sites[0], cst.Call)
    if not isinstance(get.func, cst.Attribute) or get.args:
        raise Refused("`get()` has arguments")
    small = statement_of(tree, get)
    stretch = block_of(tree, small)
    number = stretch.index(small)
    queue = get.func.value
    first, rest = _first(tree, get, stretch.pieces[number])
    error, edits = reach(tree, "queue", "Empty")
    holder = tree.parent(stretch.block)
    if number == 0 and isinstance(holder, cst.While) and _says_empty(holder.test, queue, wanted=False):
        if holder.orelse is not None or not isinstance(holder.body, cst.IndentedBlock):
            raise Refused("the loop is an unusual one")
        stop = _excepted(stretch, first, error, [cst.SimpleStatementLine([cst.Break()])])
        body = holder.body.with_changes(body=[stop, *rest, *(piece.statement for piece in stretch.pieces[1:])])
        return {**edits, id(holder): (holder.with_changes(test=cst.Name("True"), body=body),)}
    if isinstance(holder, cst.If) and holder.body is stretch.block and _says_empty(holder.test, queue, wanted=False):
        if number:
            raise Refused("something is done before `get()`")
        not_in_elif(tree, holder)
        return tried(tree, holder, [*rest, *(piece.statement for piece in stretch.pieces[1:])], first, error, edits)
    before = stretch.pieces[number - 1].statement if number else None
    if isinstance(before, cst.If) and before.orelse is None and _says_empty(before.test, queue, wanted=True):
        left = pieces(before.body).pieces
        if isinstance(left[-1].small, (cst.Break, cst.Continue, cst.Return, cst.Raise)):
            stop = _excepted(stretch, first, error, [piece.statement for piece in left])
            new = [stop.with_changes(leading_lines=before.leading_lines), *rest]
            return {**edits, **stretch.replace(number - 1, number + 1, new)}
    raise Refused("the test around is another one")


def _first(tree: Tree, get: cst.Call, piece: Piece) -> tuple[Statement, list[Statement]]:
    """The statement that takes the item, and what is done with it in the same statement."""
    new = get.with_changes(func=get.func.with_changes(attr=cst.Name("get_nowait")))
    small = piece.small
    if isinstance(small, (cst.Assign, cst.Expr, cst.Return)) and small.value is get:
        taking(piece)
        return tree.replaced(piece.statement, {id(get): (new,)}), []
    for outer in tree.around(get):
        if outer is small:
            break
        if not isinstance(outer, (cst.Arg, cst.Call, cst.Attribute)) or (
            isinstance(outer, cst.Call) and any(isinstance(node, cst.Call) for node in _before(tree, outer, get))
        ):
            raise Refused("`get()` is not the first thing that is done")
    if not isinstance(small, (cst.Assign, cst.Expr, cst.Return)):
        raise Refused("`get()` is not the first thing that is done")
    name = fresh(tree, "item", get)
    line = statement(tree, f"{name} = {code(new)}").with_changes(leading_lines=piece.statement.leading_lines)
    used = tree.replaced(piece.statement, {id(get): (cst.Name(name),)})
    return line, [used.with_changes(leading_lines=())]


def _before(tree: Tree, call: cst.Call, get: cst.Call) -> Iterator[cst.CSTNode]:
    """What the call evaluates before the part of it that holds `get`."""
    for part in (call.func, *call.args):
        inside = list(tree.inside(part))
        if any(node is get for node in inside):
            return
        yield from inside


def _excepted(stretch: Stretch, first: Statement, error: str, otherwise: Sequence[Statement]) -> cst.Try:
    handler = cst.ExceptHandler(body=indented(stretch, otherwise), type=cst.parse_expression(error))
    return cst.Try(body=indented(stretch, [first]), handlers=[handler])


def _says_empty(test: cst.BaseExpression, queue: cst.BaseExpression, *, wanted: bool) -> bool:
    """Whether the test is that the queue is empty, or where that is not wanted, that it is not."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return _says_empty(test.expression, queue, wanted=not wanted)
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        target = test.comparisons[0]
        zero = code(target.comparator) == "0" and is_call(test.left, queue, "qsize")
        return zero and isinstance(target.operator, cst.Equal if wanted else (cst.GreaterThan, cst.NotEqual))
    if isinstance(test, cst.Call) and test.args:
        return False
    return is_call(test, queue, "empty" if wanted else "qsize")
