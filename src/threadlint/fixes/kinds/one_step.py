"""A test and the action that relies on it become one step: `if k in d: del d[k]` becomes `d.pop(k, None)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import (
    Piece,
    Statement,
    block_of,
    indented,
    pieces,
    statement,
    trailing,
)
from threadlint.fixes.tree import Edits, Refused, Tree, code, same

_EMPTY = {"list": "IndexError", "deque": "IndexError", "set": "KeyError", "dict": "KeyError"}
_TAKING = frozenset({"pop", "popleft", "popitem"})


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.ONE_STEP: _one_step}


def _one_step(tree: Tree, fix: Fix) -> Edits:
    test = tree.at(fix.sites[0], cst.If)
    not_in_elif(tree, test)
    return (
        _by_key(tree, test, fix.text)
        if isinstance(test.test, cst.Comparison) and _key(test.test)
        else _taken(tree, test, fix.text)
    )


def _key(test: cst.Comparison) -> tuple[cst.BaseExpression, cst.BaseExpression, bool] | None:
    """For `key in container` or `key not in container`: key, container, and whether it is in."""
    if len(test.comparisons) != 1 or not isinstance(test.comparisons[0].operator, (cst.In, cst.NotIn)):
        return None
    return test.left, test.comparisons[0].comparator, isinstance(test.comparisons[0].operator, cst.In)


def _by_key(tree: Tree, test: cst.If, kind: str) -> Edits:
    found = _key(test.test) if isinstance(test.test, cst.Comparison) else None
    body = pieces(test.body).pieces
    if found is None or test.orelse is not None or len(body) != 1:
        raise Refused("the branch does more than one thing")
    key, container, is_in = found
    new = _deletion(body[0], key, container, kind) if is_in else _insertion(body[0], key, container, kind)
    line = statement(tree, new).with_changes(leading_lines=test.leading_lines, trailing_whitespace=_said(test, body[0]))
    stretch = block_of(tree, test)
    number = stretch.index(test)
    return stretch.replace(number, number + 1, [line])


def _deletion(piece: Piece, key: cst.BaseExpression, container: cst.BaseExpression, kind: str) -> str:
    small = piece.small
    if kind == "dict" and isinstance(small, cst.Del) and _is_item(small.target, container, key):
        return f"{code(container)}.pop({code(key)}, None)"
    if (
        isinstance(small, cst.Expr)
        and isinstance(small.value, cst.Call)
        and isinstance(small.value.func, cst.Attribute)
    ):
        call, func = small.value, small.value.func
        if (
            same(func.value, container)
            and len(call.args) == 1
            and same(call.args[0].value, key)
            and not call.args[0].star
        ):
            if kind == "dict" and func.attr.value == "pop":
                return f"{code(container)}.pop({code(key)}, None)"
            if kind == "set" and func.attr.value == "remove":
                return f"{code(container)}.discard({code(key)})"
    raise Refused("this is no removal of what was tested")


def _insertion(piece: Piece, key: cst.BaseExpression, container: cst.BaseExpression, kind: str) -> str:
    small = piece.small
    if kind == "dict" and isinstance(small, cst.Assign) and len(small.targets) == 1:
        value = small.value
        made = isinstance(value, (cst.List, cst.Dict)) and not value.elements
        if _is_item(small.targets[0].target, container, key) and (
            made or isinstance(value, (cst.Name, cst.BaseNumber, cst.SimpleString))
        ):
            return f"{code(container)}.setdefault({code(key)}, {code(value)})"
    raise Refused("what is put in would be made even where it is not needed")


def _is_item(node: cst.CSTNode, container: cst.BaseExpression, key: cst.BaseExpression) -> bool:
    if not isinstance(node, cst.Subscript) or not same(node.value, container) or len(node.slice) != 1:
        return False
    index = node.slice[0].slice
    return isinstance(index, cst.Index) and index.star is None and same(index.value, key)


def _taken(tree: Tree, test: cst.If, kind: str) -> Edits:
    """`if xs: x = xs.pop()` becomes `try: x = xs.pop()`, `except IndexError: pass`."""
    container = _tested(test.test)
    body = pieces(test.body).pieces
    call = taking(body[0])
    error = _EMPTY.get(kind)
    if error is None or not isinstance(call.func, cst.Attribute) or not same(call.func.value, container):
        raise Refused("this takes nothing from what was tested")
    if call.func.attr.value not in _TAKING or len(call.args) > 1 or (kind in ("dict", "set") and call.args):
        raise Refused("this takes nothing from what was tested")
    return tried(tree, test, [piece.statement for piece in body[1:]], body[0].statement, error, {})


def _tested(test: cst.BaseExpression) -> cst.BaseExpression:
    """`xs` in `xs`, `len(xs)` and `len(xs) > 0`."""
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        target = test.comparisons[0]
        if isinstance(target.operator, cst.GreaterThan) and code(target.comparator) == "0":
            test = test.left
    if isinstance(test, cst.Call) and code(test.func) == "len" and len(test.args) == 1:
        return test.args[0].value
    if isinstance(test, (cst.Name, cst.Attribute)):
        return test
    raise Refused("the test asks for more than whether there is something")


def taking(piece: Piece) -> cst.Call:
    """The call that is all the statement does, but for keeping its result under a name."""
    small = piece.small
    value = small.value if isinstance(small, (cst.Assign, cst.Expr, cst.Return)) else None
    if isinstance(small, cst.Assign) and not all(isinstance(one.target, cst.Name) for one in small.targets):
        raise Refused("the assignment can fail too")
    if not isinstance(value, cst.Call):
        raise Refused("the branch begins with something else")
    return value


def tried(tree: Tree, test: cst.If, rest: Sequence[Statement], first: Statement, error: str, more: Edits) -> Edits:
    """The branch with its first statement tried, the rest in the `else`, and the other branch where it fails."""
    stretch = block_of(tree, test)
    number = stretch.index(test)
    other: cst.BaseSuite = indented(stretch, [])
    if isinstance(test.orelse, cst.Else):
        other = test.orelse.body
    elif test.orelse is not None:
        other = indented(stretch, [test.orelse.with_changes(leading_lines=())])
    header = test.body.header if isinstance(test.body, cst.IndentedBlock) else cst.TrailingWhitespace()
    made = cst.Try(
        body=indented(stretch, [first], header=header),
        handlers=[cst.ExceptHandler(body=other, type=cst.parse_expression(error))],
        orelse=cst.Else(body=indented(stretch, rest)) if rest else None,
        leading_lines=test.leading_lines,
    )
    return {**more, **stretch.replace(number, number + 1, [made])}


def not_in_elif(tree: Tree, test: cst.If) -> None:
    """Refuse an `elif`, which is no statement of its own."""
    if isinstance(tree.parent(test), cst.If):
        raise Refused("this is an `elif`")


def _said(test: cst.If, piece: Piece) -> cst.TrailingWhitespace:
    """The comment at the end of the test's line, or else at that of the action."""
    header = test.body.header if isinstance(test.body, cst.IndentedBlock) else cst.TrailingWhitespace()
    return header if header.comment is not None else trailing(piece.statement)
