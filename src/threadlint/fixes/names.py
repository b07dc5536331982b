"""Which names a file binds, and how to get at a module's function from within it, with a new import if need be."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from threadlint.facts.source import python_tree
from threadlint.fixes.tree import Refused, Tree


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
