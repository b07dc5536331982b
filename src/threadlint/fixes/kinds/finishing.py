"""`get()` ... `task_done()` becomes `get()`, `try: ... finally: task_done()`, where what is between them is one straight stretch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import Statement, Stretch, block_of, indented, statement_of
from threadlint.fixes.calls import is_call
from threadlint.fixes.leaving import without_call
from threadlint.fixes.tree import Edits, Refused, Tree


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.FINALLY: _finally}


def _finally(tree: Tree, fix: Fix) -> Edits:
    got, done = (tree.at(site, cst.Call) for site in fix.sites[:2])
    if not isinstance(done.func, cst.Attribute) or done.args:
        raise Refused("this is no call of a method without arguments")
    stretch = block_of(tree, statement_of(tree, got))
    first = stretch.index(statement_of(tree, got))
    end = stretch.index(statement_of(tree, done))
    if not isinstance(stretch.pieces[end].small, cst.Expr) or end <= first + 1:
        raise Refused("nothing stands between the two")
    if not isinstance(stretch.pieces[first].small, (cst.Assign, cst.Expr, cst.AnnAssign)):
        raise Refused("the item is got in a larger expression")
    region = stretch.pieces[first + 1 : end]
    edits: Edits = {}
    for piece in region:
        for node in tree.inside(piece.node):
            if is_call(node, done.func.value, done.func.attr.value):
                edits |= without_call(tree, node, piece)
            if isinstance(got.func, cst.Attribute) and any(
                is_call(node, got.func.value, method) for method in ("get", "get_nowait")
            ):
                raise Refused("another item is got in between")
    body = [tree.replaced(piece.statement, edits) for piece in region]
    tried = _tried(stretch, body, stretch.pieces[end].statement)
    return stretch.replace(first + 1, end + 1, [tried])


def _tried(stretch: Stretch, body: list[Statement], last: Statement) -> cst.Try:
    final = cst.Finally(body=indented(stretch, [last]))
    only = body[0]
    if len(body) == 1 and isinstance(only, cst.Try) and only.finalbody is None:
        return only.with_changes(finalbody=final)
    blank = list(takewhile(lambda line: line.comment is None, only.leading_lines))
    body[0] = only.with_changes(leading_lines=only.leading_lines[len(blank) :])
    return cst.Try(body=indented(stretch, body), finalbody=final, leading_lines=blank)
