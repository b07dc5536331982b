"""Changes that put an expression into another one: `xs` becomes `list(xs)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.names import is_bound
from threadlint.fixes.tree import Edits, Refused, Tree, same
from threadlint.knowledge.containers import VIEWS

_REMOVING = {
    "list": frozenset({"remove"}),
    "set": frozenset({"remove", "discard", "pop"}),
    "dict": frozenset({"pop", "popitem"}),
}
"""Methods by which a loop may remove from what it goes through, once it goes through a copy; those of a list by number would remove another item."""


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {
        Change.SNAPSHOT: _snapshot,
        Change.ITERATE_COPY: _iterate_copy,
        Change.LIST_COMPREHENSION: _list_comprehension,
    }


def _snapshot(tree: Tree, fix: Fix) -> Edits:
    value = tree.expression_at(fix.sites[0])
    return _list_comprehension(tree, fix) if isinstance(value, cst.GeneratorExp) else _copied(tree, value)


def _copied(tree: Tree, value: cst.BaseExpression) -> Edits:
    if is_bound(tree, "list"):
        raise Refused("`list` is not the built-in here")
    if isinstance(value, (cst.Yield, cst.NamedExpr)) or (isinstance(value, cst.Tuple) and not value.lpar):
        raise Refused("this needs parentheses")
    return {id(value): (cst.Call(cst.Name("list"), [cst.Arg(value)]),)}


def _iterate_copy(tree: Tree, fix: Fix) -> Edits:
    kinds_of_loops: tuple[type[Any], ...] = (cst.For, cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
    loop: Any = tree.at(fix.sites[0], *kinds_of_loops)
    value: cst.BaseExpression = loop.iter if isinstance(loop, cst.For) else loop.for_in.iter
    container = _container(value)
    if isinstance(loop, cst.For) and loop.asynchronous:
        raise Refused("the loop is asynchronous")
    removing = _REMOVING.get(fix.text, frozenset())
    for node in tree.inside(loop.body if isinstance(loop, cst.For) else loop):
        if isinstance(node, cst.Attribute) and node.attr.value in removing:
            continue
        if isinstance(node, cst.Subscript) and isinstance(tree.parent(node), cst.Del) and fix.text == "dict":
            continue
        if isinstance(node, (cst.Attribute, cst.Subscript, cst.AugAssign)) and node is not container:
            part = node.target if isinstance(node, cst.AugAssign) else node.value
            if same(part, container) and part is not container and tree.parent(node) is not value:
                raise Refused("the loop uses what it goes through")
    return _copied(tree, value)


def _container(value: cst.BaseExpression) -> cst.BaseExpression:
    """The name of what is gone through: `xs` in `xs`, `xs.items()` and `enumerate(xs)`; going through it must run no other code."""
    while isinstance(value, cst.Call):
        func = value.func
        if isinstance(func, cst.Attribute) and func.attr.value in VIEWS and not value.args:
            value = func.value
        elif isinstance(func, cst.Name) and func.value in ("enumerate", "reversed") and value.args:
            value = value.args[0].value
        else:
            raise Refused("what is gone through runs other code")
    part = value
    while isinstance(part, cst.Attribute):
        part = part.value
    if not isinstance(part, cst.Name):
        raise Refused("what is gone through has no name")
    return value


def _list_comprehension(tree: Tree, fix: Fix) -> Edits:
    made = tree.at(fix.sites[0], cst.GeneratorExp)
    # The parentheses become brackets, with the white space inside of them; outer ones stay.
    outer = (made.lpar[:-1], made.rpar[1:]) if made.lpar else ((), ())
    left = cst.LeftSquareBracket(made.lpar[-1].whitespace_after) if made.lpar else cst.LeftSquareBracket()
    right = cst.RightSquareBracket(made.rpar[0].whitespace_before) if made.rpar else cst.RightSquareBracket()
    new = cst.ListComp(made.elt, made.for_in, lbracket=left, rbracket=right, lpar=outer[0], rpar=outer[1])
    return {id(made): (new,)}
