"""Changes of what stands after `with`: `with a and b` becomes `with a, b`, and `with lock.acquire()` becomes `with lock`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.calls import receiver_of
from threadlint.fixes.tree import Edits, Refused, Tree


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.SEPARATE_ITEMS: _separate, Change.WITHOUT_ACQUIRE: _without_acquire}


def _separate(tree: Tree, fix: Fix) -> Edits:
    value = tree.at(fix.sites[0], cst.BooleanOperation)
    item = _item(tree, value)
    operands = list(_operands(value))
    space = cst.SimpleWhitespace(" ")
    items = [cst.WithItem(one, comma=cst.Comma(whitespace_after=space)) for one in operands]
    items[-1] = items[-1].with_changes(comma=item.comma)
    return {id(item): tuple(items)}


def _without_acquire(tree: Tree, fix: Fix) -> Edits:
    call = tree.at(fix.sites[0], cst.Call)
    item = _item(tree, call)
    return {id(item): (item.with_changes(item=receiver_of(call, "acquire")),)}


def _item(tree: Tree, value: cst.BaseExpression) -> cst.WithItem:
    item = tree.parent(value)
    if not isinstance(item, cst.WithItem):
        raise Refused("this is no item of `with`")
    if item.asname is not None:
        raise Refused("the item is bound to a name")
    return item


def _operands(value: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    if not isinstance(value, cst.BooleanOperation):
        yield value
        return
    operator = value.operator
    if not isinstance(operator, cst.And):
        raise Refused("this is not `and`")
    if not isinstance(operator.whitespace_before, cst.SimpleWhitespace) or not isinstance(
        operator.whitespace_after, cst.SimpleWhitespace
    ):
        raise Refused("the expression takes several lines")
    if any(not isinstance(bracket.whitespace_after, cst.SimpleWhitespace) for bracket in value.lpar):
        raise Refused("the expression takes several lines")
    yield from _operands(value.left)
    yield from _operands(value.right)
