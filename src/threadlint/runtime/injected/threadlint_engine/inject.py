"""Makes a statement fail that stands between taking something and giving it back, to see whether it is given back."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from .rewrite import call, placed
from .source import Surroundings, innermost, text_of

if TYPE_CHECKING:
    from .job import Place

HOOK = "__threadlint_fail__"


def insert_failure(tree: ast.Module, place: Place, take: str, give: str) -> int | None:
    """Put a failure before the first call that follows `x.take()` and is not `x.give()` itself.

    The tree is changed. Returns the line that fails, None where nothing can fail between the two.
    """
    around = Surroundings(tree)
    for statement in taking_statements(tree, around, place, take):
        base = base_of(statement, take)
        victim = first_call(following(statement, around), base, {take, give})
        if victim is not None:
            block = block_of(victim, around.parents[victim])
            if block is not None:
                hook = ast.Expr(ast.Call(func=ast.Name(id=HOOK, ctx=ast.Load()), args=[ast.Constant(value=victim.lineno)],
                                         keywords=[]))  # fmt: skip
                block[block.index(victim) : block.index(victim)] = placed([hook], victim)
                ast.fix_missing_locations(tree)
                return victim.lineno
    return None


def taking_statements(tree: ast.Module, around: Surroundings, place: Place, take: str) -> list[ast.stmt]:
    """Statements that call `.take()`: at the flagged line, else in its function.

    Elsewhere nothing is made to fail: a flagged `join()` says nothing about what its consumers do with an error.
    """
    takers = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and base_of(n, take) is not None]
    at_line = [n for n in takers if n.lineno <= place.end_line and place.line <= (n.end_lineno or n.lineno)]
    if at_line:
        return at_line
    return [one for one in takers if surrounds(around.function(one), place.line)]


def surrounds(scope: ast.AST, line: int) -> bool:
    """Whether a scope is a function that holds a line."""
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return scope.lineno <= line <= (scope.end_lineno or scope.lineno)


def base_of(statement: ast.stmt, method: str) -> str | None:
    """The text of x in a simple statement that calls `x.method()`."""
    if not isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign)):
        return None
    for node in ast.walk(statement):
        if is_call_of(node, method):
            return text_of(node.func.value)  # type: ignore[attr-defined]
    return None


def is_call_of(node: ast.AST, method: str) -> bool:
    """Whether a node is `something.method(...)`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method


def following(statement: ast.stmt, around: Surroundings) -> list[ast.stmt]:
    """The statements that run after one, up to the end of its block; at the end of a `try` body, those after the try."""
    parent = around.parents[statement]
    block = block_of(statement, parent) or []
    rest = block[block.index(statement) + 1 :] if statement in block else []
    if not rest and isinstance(parent, ast.Try):
        return [*parent.orelse, *following(parent, around)]
    return rest


def block_of(statement: ast.stmt, parent: ast.AST) -> list[ast.stmt] | None:
    """The list of statements that holds one."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and statement in block:
            return block
    return None


def first_call(block: list[ast.stmt], base: str | None, methods: set[str]) -> ast.stmt | None:
    """The first simple statement that calls something; None as soon as the thing is given back."""
    for statement in block:
        if isinstance(statement, ast.Try):
            return first_call(statement.body, base, methods)
        if isinstance(statement, (ast.With, ast.For, ast.While)):
            found = first_call(statement.body, base, methods)
            if found is not None:
                return found
            continue
        if isinstance(statement, (ast.If, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call)]
        if any(
            isinstance(c.func, ast.Attribute) and c.func.attr in methods and text_of(c.func.value) == base
            for c in calls
        ):
            return None
        if calls:
            return statement
    return None


class Marker(ast.NodeTransformer):
    """Puts a call of a hook before one statement; the usual one notes that it was reached."""

    def __init__(self, statement: ast.stmt, hook: str = "here") -> None:
        self.statement = statement
        self.hook = hook

    def visit(self, node: ast.AST) -> Any:
        """The statement with the call before it; everything else unchanged."""
        if node is not self.statement:
            return self.generic_visit(node)
        return [*placed([call(self.hook, 0)], self.statement), node]


def insert_mark(tree: ast.Module, line: int) -> None:
    """Make the program tell when the statement at a line is reached. The tree is changed."""
    statement = innermost(tree, line)
    if statement is not None:
        Marker(statement).visit(tree)
        ast.fix_missing_locations(tree)


class Arming(ast.NodeTransformer):
    """Puts a place where it can be made to fail into every function: inside the first `try` that has handlers.

    A function that deals with its own errors is thus given the chance to do so.
    """

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Put the hook in, here and in functions inside."""
        self.generic_visit(node)
        first = min([one.lineno for one in node.decorator_list], default=node.lineno)
        block = trying_block(node.body) or node.body
        # A docstring is one only if nothing stands before it.
        begin = int(block is node.body and ast.get_docstring(node, clean=False) is not None)
        block[begin:begin] = placed([call("maybe_fail", first)], block[0])
        return node


def trying_block(body: list[ast.stmt]) -> list[ast.stmt] | None:
    """The body of the first `try` with handlers, in these statements or in the loops and `with` blocks among them."""
    for one in body:
        if isinstance(one, ast.Try) and one.handlers:
            return one.body
        if isinstance(one, (ast.With, ast.For, ast.While, ast.Try)):
            found = trying_block(one.body)
            if found is not None:
                return found
    return None


def arm_functions(tree: ast.Module) -> None:
    """Make every function of a file able to fail on demand. The tree is changed."""
    Arming().visit(tree)
    ast.fix_missing_locations(tree)
