"""What the handlers of pairs share: the list of pairs to do, blocks, and what to say when two trees differ."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import libcst as cst

Todo: TypeAlias = list[tuple[Any, Any]]
"""Pairs that wait for their handlers."""
Handler: TypeAlias = Callable[[Any, Any, Todo], None]
"""Gets a LibCST node, its twin, and the list to put the pairs of children in."""


class Mismatch(Exception):  # noqa: N818 not an error of anybody's input
    """The two trees do not say the same."""


class Link:
    """Stands for Python's node where a part of a flat chain has none: from the start of `first` to the end of `last`.

    `closing` is how many closing parentheses after `last` belong to the part.
    """

    __slots__ = ("closing", "first", "last")

    def __init__(self, first: ast.AST, last: ast.AST, closing: int) -> None:
        self.first = first
        self.last = last
        self.closing = closing


def every(nodes: Sequence[Any], twins: Sequence[Any], todo: Todo) -> None:
    """Pair two sequences one by one."""
    if len(nodes) != len(twins):
        raise Mismatch
    todo.extend(zip(nodes, twins, strict=True))


def some(node: Any, twin: Any, todo: Todo) -> None:
    """Pair what may be absent from both."""
    if (node is None) is not (twin is None):
        raise Mismatch
    if node is not None:
        todo.append((node, twin))


def body(nodes: Iterable[Any], twins: list[Any], todo: Todo) -> None:
    """Pair the statements of a block: Python keeps `a; b` as two, LibCST as one line with two."""
    index = 0
    for node in nodes:
        if type(node) is cst.SimpleStatementLine:
            for small in node.body:
                todo.append((small, twins[index]))
                index += 1
        else:
            todo.append((node, twins[index]))
            index += 1
    if index != len(twins):
        raise Mismatch


def branch(node: Any, twins: list[Any], todo: Todo) -> None:
    """Pair what follows `else`, `elif` or `finally`; `node` may be None."""
    if node is None:
        every((), twins, todo)
    elif type(node) is cst.If:
        todo.append((node, twins[0]))
    else:
        body(node.body.body, twins, todo)
