"""Changes that move a statement: behind another one, or out of the `with` that holds a lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import (
    Statement,
    block_of,
    opened,
    pieces,
    remarks,
    statement,
    statement_of,
    suspends,
    together,
)
from threadlint.fixes.names import fresh, is_bound
from threadlint.fixes.tree import Edits, Refused, Tree, code

_JUMPS = (cst.Return, cst.Raise, cst.Break, cst.Continue)


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.MOVE_AFTER: _move_after, Change.MOVE_OUT: _move_out, Change.YIELD_OUTSIDE: _yield_outside}


def _move_after(tree: Tree, fix: Fix) -> Edits:
    """Move the statement at the first site behind that at the second."""
    moved, anchor = (tree.expression_or_statement_at(site) for site in fix.sites[:2])
    stretch, first, end = together(tree, [moved, anchor])
    piece = stretch.pieces[first]
    if piece.small is None or statement_of(tree, moved) is not piece.node:
        raise Refused("the statement stands in a block of its own")
    between = stretch.pieces[first + 1 : end]
    last = between[-1].small if between else None
    if isinstance(last, cst.Return) and last.value is not None:
        name = fresh(tree, "result", last)
        kept = statement(tree, f"{name} = {code(last.value)}").with_changes(
            leading_lines=between[-1].statement.leading_lines
        )
        rest = [*(one.statement for one in between[:-1]), kept, piece.statement, statement(tree, f"return {name}")]
        return stretch.replace(first, end, rest)
    if not between or any(isinstance(one.small, _JUMPS) for one in between):
        raise Refused("the statements do not follow each other")
    bound = {target.target.value for target in _targets(piece.small) if isinstance(target.target, cst.Name)}
    used = {node.value for one in between for node in tree.inside(one.node) if isinstance(node, cst.Name)}
    if bound & used:
        raise Refused("what the statement binds is used in between")
    return stretch.replace(first, end, [*(one.statement for one in between), piece.statement])


def _targets(small: cst.BaseSmallStatement) -> list[cst.AssignTarget]:
    return list(small.targets) if isinstance(small, cst.Assign) else []


def _move_out(tree: Tree, fix: Fix) -> Edits:
    """Move the last statement of a `with` behind it."""
    node = tree.expression_or_statement_at(fix.sites[0])
    small = statement_of(tree, node)
    inner = block_of(tree, small)
    with_ = tree.parent(inner.block)
    number = inner.index(small)
    if not isinstance(with_, cst.With) or not isinstance(with_.body, cst.IndentedBlock):
        raise Refused("the statement does not stand right in the `with`")
    if number + 1 != len(inner.pieces) or number == 0:
        raise Refused("the statement is not the last of several in the `with`")
    kept = [piece.statement for piece in inner.pieces[:number]]
    around = block_of(tree, with_)
    place = around.index(with_)
    body = with_.body.with_changes(body=kept, footer=())
    # What is said at the end of the block is said of its last statement.
    said = remarks(with_.body.footer)
    new: list[Statement] = [with_.with_changes(body=body), opened(inner.pieces[number].statement, said)]
    return around.replace(place, place + 1, new)


def _yield_outside(tree: Tree, fix: Fix) -> Edits:
    """`with lock: for x in xs: yield x` copies under the lock, and yields after it."""
    stop = tree.at(fix.sites[0], cst.Yield)
    with_ = tree.nearest(stop, cst.With)
    inner = pieces(with_.body)
    last = inner.pieces[-1].statement
    if is_bound(tree, "list"):
        raise Refused("`list` is not the built-in here")
    before = inner.pieces[:-1]
    if any(suspends(piece.node) for piece in before) or not isinstance(with_.body, cst.IndentedBlock):
        raise Refused("something is yielded before")
    name = fresh(tree, "items", stop)
    small = inner.pieces[-1].small
    if isinstance(last, cst.For) and last.orelse is None and not suspends(last.iter):
        source = last.iter
        after: Statement = last.with_changes(iter=cst.Name(name), leading_lines=())
    elif isinstance(small, cst.Expr) and small.value is stop and isinstance(stop.value, cst.From):
        source = stop.value.item
        after = tree.replaced(last, {id(source): (cst.Name(name),)}).with_changes(leading_lines=())
    else:
        raise Refused("what is yielded is not gone through at the end of the block")
    copied = statement(tree, f"{name} = list({code(source)})").with_changes(leading_lines=last.leading_lines)
    body = with_.body.with_changes(body=[*(piece.statement for piece in before), copied])
    around = block_of(tree, with_)
    place = around.index(with_)
    return around.replace(place, place + 1, [with_.with_changes(body=body), after])
