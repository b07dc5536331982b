"""Calls on the way out: `lock.release()` right before a `return` is not needed where leaving a block does the same."""

from __future__ import annotations

import libcst as cst

from threadlint.fixes.blocks import Piece, block_of, opened, remarks, trailing
from threadlint.fixes.tree import Edits, Refused, Tree

_SIMPLE = (cst.Name, cst.BaseNumber, cst.BaseString)
_FUNCTIONS = (cst.FunctionDef, cst.Lambda, cst.ClassDef)
_GOES_ON = "it is called on the way, and the function goes on"


def without_call(tree: Tree, call: cst.CSTNode, piece: Piece) -> Edits:
    """Remove a call that is a statement of its own inside of `piece`; refused unless a jump out of `piece` follows it at once."""
    statement = tree.parent(call)
    if statement is piece.node or not isinstance(statement, cst.Expr):
        raise Refused(_GOES_ON)
    stretch = block_of(tree, statement)
    number = stretch.index(statement)
    if number + 1 == len(stretch.pieces):
        raise Refused(_GOES_ON)
    following = stretch.pieces[number + 1]
    between: list[cst.CSTNode] = []
    for outer in tree.around(statement):
        between.append(outer)
        if outer is piece.node:
            break
    if any(isinstance(outer, _FUNCTIONS) for outer in between):
        raise Refused("a function inside calls it")
    if any(isinstance(outer, cst.Try) and outer.finalbody is not None for outer in between):
        raise Refused("a `finally` runs after it")
    _check_jump(following.small, between)
    gone = stretch.pieces[number].statement
    moved = opened(following.statement, remarks(gone.leading_lines, trailing(gone)))
    return stretch.replace(number, number + 2, [moved])


def _check_jump(jump: cst.BaseSmallStatement | None, between: list[cst.CSTNode]) -> None:
    if isinstance(jump, (cst.Break, cst.Continue)):
        if any(isinstance(outer, (cst.For, cst.While)) for outer in between):
            raise Refused(_GOES_ON)
    elif isinstance(jump, cst.Raise):
        tries = [outer for outer in between if isinstance(outer, (cst.Try, cst.TryStar)) and outer.handlers]
        if any(not isinstance(outer, cst.Try) or outer.body in between for outer in tries):
            raise Refused("the error is handled after it")
    elif not isinstance(jump, cst.Return) or not (jump.value is None or isinstance(jump.value, _SIMPLE)):
        raise Refused(_GOES_ON)
