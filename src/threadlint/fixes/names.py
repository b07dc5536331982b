"""Which names a file binds, and how to get at a module's function from within it, with a new import if need be."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from threadlint.facts.source import python_tree
from threadlint.fixes.tree import Edits, Refused, Tree


def is_bound(tree: Tree, name: str) -> bool:
    """Whether the file binds the name anywhere, other than as a method."""
    return name in set(_bound(_python(tree)))


def used(tree: Tree) -> set[str]:
    """All names that the file uses or binds, so that a new one can be made up."""
    found = set(_bound(_python(tree)))
    found.update(node.id for node in ast.walk(_python(tree)) if isinstance(node, ast.Name))
    return found


def _python(tree: Tree) -> ast.Module:
    try:
        return python_tree(tree.source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refused("the running Python does not read this file") from None


def _bound(module: ast.Module) -> Iterator[str]:
    methods = {id(inner) for node in ast.walk(module) if isinstance(node, ast.ClassDef) for inner in node.body}
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if id(node) not in methods:
                yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name


def fresh(tree: Tree, name: str, near: cst.CSTNode) -> str:
    """The name, with a number where the function around the node has it already, or the file where there is no function."""
    functions = [outer for outer in tree.around(near) if isinstance(outer, (cst.FunctionDef, cst.Lambda))]
    if functions:
        taken = {node.value for node in tree.inside(functions[-1]) if isinstance(node, cst.Name)}
    else:
        taken = used(tree)
    return next(one for one in (name, *(f"{name}{number}" for number in range(2, 1000))) if one not in taken)


def reach(tree: Tree, module: str, attribute: str) -> tuple[str, Edits]:
    """How the file can name `module.attribute`, and the edits that import the module where it does not yet."""
    python = _python(tree)
    for node in python.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == module:
                    return f"{alias.asname or module}.{attribute}", {}
        elif isinstance(node, ast.ImportFrom) and node.module == module and not node.level:
            for alias in node.names:
                if alias.name == attribute:
                    return alias.asname or attribute, {}
    if module in set(_bound(python)):
        raise Refused(f"`{module}` is not the module here")
    return f"{module}.{attribute}", imported(tree, module)


def imported(tree: Tree, module: str) -> Edits:
    """The edits that put `import module` after the imports at the top of the file."""
    return after_imports(tree, f"import {module}", lines=0)


def after_imports(tree: Tree, text: str, *, lines: int = 1) -> Edits:
    """The edits that put a statement after the imports at the top of the file, with so many empty lines before it."""
    new = cst.parse_statement(text, config=tree.module.config_for_parsing)
    new = new.with_changes(leading_lines=[cst.EmptyLine(indent=False)] * lines)
    body = tree.module.body
    place = 0
    for number, statement in enumerate(body):
        if isinstance(statement, cst.SimpleStatementLine) and isinstance(
            statement.body[0], (cst.Import, cst.ImportFrom)
        ):
            place = number + 1
        elif number or not _is_docstring(statement):
            break
        else:
            place = 1
    if place:
        before = body[place - 1]
        return {id(before): (before, new)}
    first = body[0]
    return {id(first): (new, first)}


def _is_docstring(statement: cst.CSTNode) -> bool:
    return (
        isinstance(statement, cst.SimpleStatementLine)
        and isinstance(statement.body[0], cst.Expr)
        and isinstance(statement.body[0].value, (cst.SimpleString, cst.ConcatenatedString))
    )
