"""Can the running interpreter lose the update by itself? Decided from the unmodified statement and the actual objects.

Since 3.10 a build with a GIL switches threads only where the evaluation loop looks at its eval breaker: after calls,
on function entry and on backward jumps (CPython GH-18334; Python/ceval.c, CHECK_EVAL_BREAKER). A free-threaded
build runs threads at the same time, so anything between reading and storing can happen.
"""

from __future__ import annotations

import ast
import copy
import dis
import sys
from types import FunctionType
from typing import Any

HERE = "here"
ELSEWHERE = "free-threaded"
SWITCHES = frozenset({"JUMP_BACKWARD", "JUMP_ABSOLUTE", "YIELD_VALUE", "SEND", "YIELD_FROM", "IMPORT_NAME"})


def free_threaded() -> bool:
    """Whether threads of this interpreter run at the same time."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    return enabled is not None and not enabled()


def is_switch(name: str) -> bool:
    """Whether an instruction ends with a look at the eval breaker."""
    return name in SWITCHES or (name.startswith("CALL") and "INTRINSIC" not in name)


def switches(expression: ast.expr, after: ast.AST | None = None) -> bool:
    """Whether the instructions of an expression hold a switch point, at or after those of the node `after`.

    The compiler is asked: every node gets a line number of its own, so each instruction tells from which node it is.
    """
    if any(isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom)) for node in ast.walk(expression)):
        return True
    numbered = copy.deepcopy(expression)
    # A deep copy is walked in the same order as its original.
    pairs = list(zip(ast.walk(expression), ast.walk(numbered), strict=True))
    wanted: set[int] = set()
    inside = set(ast.walk(after)) if after is not None else set()
    for number, (original, node) in enumerate(pairs, start=1):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = number  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = 0  # type: ignore[attr-defined]
        if original in inside:
            wanted.add(number)
    try:
        code = compile(ast.Expression(numbered), "<statement>", "eval")
    except (SyntaxError, ValueError):
        return True
    found = [(one.opname, line_at(code, one.offset)) for one in dis.get_instructions(code)]
    begin = max((index for index, (_, line) in enumerate(found) if line in wanted), default=0)
    return any(is_switch(name) for name, _ in found[begin:])


def line_at(code: Any, offset: int) -> int | None:
    """The line of the instruction at an offset."""
    return next((line for start, end, line in code.co_lines() if start <= offset < end), None)


def in_python(cls: type, *names: str) -> list[FunctionType]:
    """Those of the named methods that a class defines in Python."""
    found = [getattr(cls, name, None) for name in names]
    return [one for one in found if isinstance(one, FunctionType)]


def switches_inside(function: FunctionType) -> bool:
    """Whether a function has a switch point after its entry, so that what it has read may be old when it returns."""
    return any(is_switch(one.opname) for one in dis.get_instructions(function))


def runs_python(kind: str, base: Any, key: Any, old: Any) -> bool:
    """Whether operating or storing calls a function of the program for these objects, or loading one that may switch."""
    if in_python(type(old), "__add__", "__iadd__", "__sub__", "__isub__", "__or__", "__ior__", "__mul__", "__imul__"):
        return True
    cls = type(base)
    if kind == "attribute":
        if isinstance(getattr(cls, key, None), property) or in_python(cls, "__setattr__"):
            return True
        return any(switches_inside(one) for one in in_python(cls, "__getattr__", "__getattribute__"))
    if kind == "item":
        if in_python(cls, "__setitem__") or in_python(type(key), "__hash__", "__eq__"):
            return True
        return any(switches_inside(one) for one in in_python(cls, "__getitem__"))
    return False


def between(block: list[ast.stmt], target: str) -> bool:
    """Whether a switch point lies before the first statement of a block that stores into or calls on `target`."""
    for statement in block:
        if isinstance(statement, ast.Delete):
            if any(ast.unparse(one).startswith(target) for one in statement.targets):
                return False
            continue
        if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Raise)):
            return True
        value = getattr(statement, "value", None)
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and ast.unparse(value.func.value) == target
        ):
            return any(switches(part) for part in (*value.args, *(k.value for k in value.keywords)))
        if value is not None and switches(value):
            return True
        if isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            stored = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if ast.unparse(stored).startswith(target):
                return False
    return False
