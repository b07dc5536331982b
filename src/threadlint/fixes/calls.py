"""Calls of methods: on what, and whether a statement is nothing but such a call."""

from __future__ import annotations

import libcst as cst

from threadlint.fixes.tree import Refused, same


def receiver_of(call: cst.BaseExpression, method: str) -> cst.BaseExpression:
    """What the method is called on; refused where it is called with anything that an ordinary `acquire()` is not."""
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute) or call.func.attr.value != method:
        raise Refused(f"this is no call of `{method}()`")
    if call.args and not (len(call.args) == 1 and _is_true(call.args[0])):
        raise Refused(f"`{method}()` has arguments")
    return call.func.value


def _is_true(arg: cst.Arg) -> bool:
    named = arg.keyword is None or arg.keyword.value == "blocking"
    return named and not arg.star and isinstance(arg.value, cst.Name) and arg.value.value == "True"


def calls(statement: cst.CSTNode | None, receiver: cst.BaseExpression, method: str) -> bool:
    """Whether the simple statement is `receiver.method()` and nothing else."""
    if not isinstance(statement, cst.Expr):
        return False
    call = statement.value
    return is_call(call, receiver, method) and isinstance(call, cst.Call) and not call.args


def is_call(node: cst.CSTNode, receiver: cst.BaseExpression, method: str) -> bool:
    """Whether the node is a call of `receiver.method`."""
    return (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value == method
        and same(node.func.value, receiver)
    )
