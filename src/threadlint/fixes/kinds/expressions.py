"""Changes that put an expression into another one: `xs` becomes `list(xs)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.names import is_bound
from threadlint.fixes.tree import Edits, Refused, Tree


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.SNAPSHOT: _snapshot, Change.LIST_COMPREHENSION: _list_comprehension}


def _snapshot(tree: Tree, fix: Fix) -> Edits:
    value = tree.expression_at(fix.sites[0])
    if isinstance(value, cst.GeneratorExp):
        return _list_comprehension(tree, fix)
    if is_bound(tree, "list"):
        raise Refused("`list` is not the built-in here")
    if isinstance(value, (cst.Yield, cst.NamedExpr)) or (isinstance(value, cst.Tuple) and not value.lpar):
        raise Refused("this needs parentheses")
    return {id(value): (cst.Call(cst.Name("list"), [cst.Arg(value)]),)}


def _list_comprehension(tree: Tree, fix: Fix) -> Edits:
    made = tree.at(fix.sites[0], cst.GeneratorExp)
    # The parentheses become brackets, with the white space inside of them; outer ones stay.
    outer = (made.lpar[:-1], made.rpar[1:]) if made.lpar else ((), ())
    left = cst.LeftSquareBracket(made.lpar[-1].whitespace_after) if made.lpar else cst.LeftSquareBracket()
    right = cst.RightSquareBracket(made.rpar[0].whitespace_before) if made.rpar else cst.RightSquareBracket()
    new = cst.ListComp(made.elt, made.for_in, lbracket=left, rbracket=right, lpar=outer[0], rpar=outer[1])
    return {id(made): (new,)}
