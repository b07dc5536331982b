"""Changes that hold a lock for more: around statements that do without it, and for a second test under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import Piece, Statement, indented, pieces, suspends, together
from threadlint.fixes.tree import Edits, Refused, Tree, code, expression

_JUMPS = (cst.Return, cst.Raise, cst.Break, cst.Continue)


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.HOLD: _hold, Change.RECHECK: _recheck}


def _hold(tree: Tree, fix: Fix) -> Edits:
    nodes = [tree.expression_or_statement_at(site) for site in fix.sites]
    stretch, first, end = together(tree, nodes)
    region = stretch.pieces[first:end]
    if any(suspends(piece.node) for piece in region):
        raise Refused("the function stops here and goes on later")
    if any(isinstance(piece.small, _JUMPS) for piece in region[:-1]):
        raise Refused("the function is left in between")
    lines = region[0].statement.leading_lines
    body = [region[0].statement.with_changes(leading_lines=()), *(piece.statement for piece in region[1:])]
    held = cst.With(items=[cst.WithItem(expression(fix.text))], body=indented(stretch, body), leading_lines=lines)
    return stretch.replace(first, end, [held])


def _recheck(tree: Tree, fix: Fix) -> Edits:
    """`if x is None: with lock: x = make()` gets a second `if x is None:` below the `with`."""
    test_at = tree.at(fix.sites[0], cst.If)
    with_ = _with_at(tree, fix)
    if test_at not in set(tree.around(with_)) or tree.parent(with_) is not test_at.body:
        raise Refused("the lock is not taken right under the test")
    if not any(
        isinstance(node, (cst.Name, cst.Attribute)) and code(node) == fix.text for node in tree.inside(test_at.test)
    ):
        raise Refused("the test is of a name that holds an older value")
    if any(isinstance(node, (cst.Call, cst.NamedExpr, cst.Await, cst.Yield)) for node in tree.inside(test_at.test)):
        raise Refused("the test may not be repeated")
    body = pieces(with_.body)
    last = body.pieces[-1]
    kept: tuple[Piece, ...] = ()
    if isinstance(last.small, cst.Return):
        if last.small.value is None or code(last.small.value) != fix.text:
            raise Refused("what is returned may be made by another thread then")
        kept = (last,)
    guarded = body.pieces[: len(body.pieces) - len(kept)]
    for piece in guarded:
        if any(isinstance(node, (*_JUMPS, cst.Yield)) for node in tree.inside(piece.node)):
            raise Refused("the block is left in between")
    if not guarded:
        raise Refused("nothing is done under the lock")
    _no_later_use(tree, with_, guarded, fix.text)
    header = with_.body.header if isinstance(with_.body, cst.IndentedBlock) else cst.TrailingWhitespace()
    again = cst.If(test_at.test, body=indented(body, [piece.statement for piece in guarded]))
    statements: list[Statement] = [again, *(piece.statement for piece in kept)]
    footer = with_.body.footer if isinstance(with_.body, cst.IndentedBlock) else ()
    return {id(with_.body): (indented(body, statements, header=header, footer=footer),)}


def _with_at(tree: Tree, fix: Fix) -> cst.With:
    item = tree.parent(tree.expression_at(fix.sites[1]))
    with_ = tree.parent(item)
    if not isinstance(item, cst.WithItem) or not isinstance(with_, cst.With):
        raise Refused("the lock is not taken by `with`")
    return with_


def _no_later_use(tree: Tree, with_: cst.With, guarded: tuple[Piece, ...], location: str) -> None:
    """Refuse where a name that is bound under the test is used after it: it may not be bound then."""
    bound = {
        node.target.value
        for piece in guarded
        for node in tree.inside(piece.node)
        if isinstance(node, (cst.AssignTarget, cst.AnnAssign, cst.For, cst.NamedExpr))
        and isinstance(node.target, cst.Name)
    } - {location}
    inside = {id(node) for piece in guarded for node in tree.inside(piece.node)}
    function = next((outer for outer in tree.around(with_) if isinstance(outer, cst.FunctionDef)), tree.module)
    for node in tree.inside(function):
        if isinstance(node, cst.Name) and node.value in bound and id(node) not in inside:
            raise Refused("what is made under the lock is used after it")
