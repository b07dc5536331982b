"""Check-then-act: what a test asks about, and which statement is the act that relies on the answer.

A body that asks again under a lock (double-checked locking) does not rely on the first answer, so a witness needs
the act itself, not only a test that has become false.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .source import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Delete, ast.Raise)


def asked_about(test: ast.expr) -> ast.expr | None:
    """What a test is about: `c` in `k in c`, `q` in `q.empty()`, `p` in `exists(p)`, else the first place it reads."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return node.comparators[0]
    for node in ast.walk(test):
        if isinstance(node, ast.Call):
            if node.args and isinstance(node.func, ast.Name):
                return node.args[0]
            if isinstance(node.func, ast.Attribute):
                module = isinstance(node.func.value, (ast.Name, ast.Attribute)) and text_of(node.func.value) in {
                    "os",
                    "os.path",
                }
                return node.args[0] if module and node.args else node.func.value
    return next((n for n in ast.walk(test) if isinstance(n, (ast.Attribute, ast.Name, ast.Subscript))), None)


def tested_place(test: ast.expr) -> ast.expr | None:
    """The place whose value a test decides by, as an expression that can be read again; None if there is none."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return ast.Subscript(value=node.comparators[0], slice=node.left, ctx=ast.Load())
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and node.args
        ):
            return ast.Subscript(value=node.func.value, slice=node.args[0], ctx=ast.Load())
        if isinstance(node, ast.Call):
            return None
    return asked_about(test)


def act_of(body: list[ast.stmt], about: ast.expr) -> ast.stmt | None:
    """The first statement, also in blocks inside, that stores into or deletes what was asked about, calls on it or with it.

    Of a test inside about the same thing the body is looked at, not the test.
    """
    wanted = text_of(about)
    return next((one for one in simple_statements(body) if acts_on(one, wanted)), None)


def simple_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block and of the blocks inside, in the order of the text."""
    for one in body:
        if isinstance(one, SIMPLE):
            yield one
        elif not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for name in ("body", "handlers", "orelse", "finalbody"):
                inner = getattr(one, name, [])
                for part in inner:
                    yield from simple_statements(part.body if isinstance(part, ast.ExceptHandler) else [part])


def acts_on(statement: ast.stmt, wanted: str) -> bool:
    """Whether a statement stores into the thing, deletes it, calls a method of it, or passes it on."""
    for node in ast.walk(statement):
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            text = text_of(node)
            if text == wanted or text.startswith((f"{wanted}[", f"{wanted}.")):
                return True
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and text_of(node.func.value) == wanted:
                return True
            if any(text_of(one) == wanted for one in node.args):
                return True
    return False


def is_early_exit(node: ast.stmt) -> bool:
    """`if k in cache: return cache[k]`: the act is what follows the statement, not its body."""
    if not isinstance(node, ast.If) or node.orelse or len(node.body) != 1:
        return False
    only = node.body[0]
    if isinstance(only, (ast.Pass, ast.Continue, ast.Break, ast.Raise)):
        return True
    if not isinstance(only, ast.Return):
        return False
    return only.value is None or not any(isinstance(n, ast.Call) for n in ast.walk(only.value))


def rest_of_block(node: ast.stmt, parent: ast.AST) -> list[ast.stmt]:
    """The statements after one in its block."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, [])
        if isinstance(block, list) and node in block:
            return list(block[block.index(node) + 1 :])
    return []
