"""LibCST's tree and Python's own tree of one text, walked in lockstep: which node of the one is which of the other.

One handler per type of LibCST node, found by type; it pushes the pairs of children. The handlers know where the two trees
differ: chains of `and` and `or`, which Python keeps flat, targets of `del`, arguments, strings side by side. `Mismatch` says that the
trees are not of one text or that a version of Python has changed its tree; callers then have another way to positions.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import libcst as cst

from threadlint.facts.pairing import expressions, statements
from threadlint.facts.pairing.base import Handler, Link, Mismatch, Todo, body

__all__ = ["Link", "Mismatch", "pair"]


def pair(module: cst.Module, tree: ast.Module) -> dict[int, Any]:
    """Python's node, or a `Link`, for the id of each statement, expression, parameter and handler of `module`.

    All that stands inside an f-string or a t-string, or is a part of strings side by side, gets the whole string: Python before 3.12
    does not say where it is. Raises `Mismatch`.
    """
    pairs: dict[int, Any] = {}
    todo: Todo = []
    try:
        body(module.body, tree.body, todo)
        _walk(todo, pairs)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise Mismatch(str(error)) from error
    return pairs


def _walk(todo: Todo, pairs: dict[int, Any]) -> None:
    handlers, special, pop = _handlers().get, _special(), todo.pop
    while todo:
        node, twin = pop()
        pairs[id(node)] = twin
        kind = type(node)
        handler = handlers(kind)
        if handler is not None:
            handler(node, twin, todo)
        elif kind in special:
            special[kind](node, twin, todo, pairs)


def _boolean(node: Any, twin: Any, todo: Todo, pairs: dict[int, Any]) -> None:
    """`a and b and c`: LibCST has (a and b) and c, Python one node with three values."""
    values: list[ast.expr] = twin.values
    operator = type(node.operator)
    for last in range(len(values) - 1, 1, -1):
        todo.append((node.right, values[last]))
        node = node.left
        if type(node.operator) is not operator:
            raise Mismatch
        pairs[id(node)] = Link(twin, values[last - 1], len(node.right.rpar))
    todo.append((node.right, values[1]))
    todo.append((node.left, values[0]))


def _strings(node: Any, twin: Any, _: Todo, pairs: dict[int, Any]) -> None:
    """Strings side by side, f-strings and t-strings: one node of Python for all that is inside."""
    found: dict[int, Any] = {}
    fields: list[Any] = []
    while type(node) is cst.ConcatenatedString:
        found[id(node)] = found[id(node.left)] = found[id(node.right)] = twin
        fields.extend(_fields(node.left))
        node = node.right
    fields.extend(_fields(node))
    inside: Todo = []
    _values(fields, twin, inside)
    if inside:
        _walk(inside, found)
    for key in found:
        pairs[key] = twin


def _fields(node: Any) -> Iterable[Any]:
    return (part for part in getattr(node, "parts", ()) if type(part) in _field_types())


def _values(fields: list[Any], twin: Any, todo: Todo) -> None:
    values = [value for value in getattr(twin, "values", ()) if hasattr(value, "conversion")]
    for field, value in zip(fields, values, strict=True):
        todo.append((field.expression, value.value))
        if value.format_spec is not None:
            inner = [part for part in field.format_spec if type(part) in _field_types()]
            _values(inner, value.format_spec, todo)


@cache
def _handlers() -> dict[type, Handler]:
    return {**expressions.handlers(), **statements.handlers()}


@cache
def _special() -> dict[type, Callable[[Any, Any, Todo, dict[int, Any]], None]]:
    return {
        cst.BooleanOperation: _boolean,
        cst.ConcatenatedString: _strings,
        cst.FormattedString: _strings,
        cst.TemplatedString: _strings,
    }


@cache
def _field_types() -> tuple[type, ...]:
    return (cst.FormattedStringExpression, cst.TemplatedStringExpression)
