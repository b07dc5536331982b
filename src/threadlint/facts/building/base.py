"""What the handlers that make LibCST nodes share: the state of one text, and how a node is made with some of its fields only."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from itertools import accumulate, count
from operator import add
from typing import Any, TypeAlias

import libcst as cst

from threadlint.facts.outline import NEWLINE

Handler: TypeAlias = "Callable[[Builder, Any], Any]"
"""Makes the LibCST node of Python's node."""

_new: Callable[[type], Any] = object.__new__


def setter(kind: type, field: str) -> Callable[[Any, Any], None]:
    """How to set a field of a node, although nodes are frozen."""
    found: Callable[[Any, Any], None] = getattr(kind, field).__set__
    return found


def make_1(kind: type, first: str) -> Callable[[Any], Any]:
    """How to make nodes of a type that set one field; the others have no value at all."""
    set_first = setter(kind, first)

    def make(one: Any) -> Any:
        node = _new(kind)
        set_first(node, one)
        return node

    return make


def make_2(kind: type, first: str, second: str) -> Callable[[Any, Any], Any]:
    """The same with two fields."""
    set_first, set_second = setter(kind, first), setter(kind, second)

    def make(one: Any, two: Any) -> Any:
        node = _new(kind)
        set_first(node, one)
        set_second(node, two)
        return node

    return make


def make_3(kind: type, first: str, second: str, third: str) -> Callable[[Any, Any, Any], Any]:
    """The same with three fields."""
    set_first, set_second, set_third = setter(kind, first), setter(kind, second), setter(kind, third)

    def make(one: Any, two: Any, three: Any) -> Any:
        node = _new(kind)
        set_first(node, one)
        set_second(node, two)
        set_third(node, three)
        return node

    return make


def maker(kind: type, *fields: str) -> Callable[..., Any]:
    """The same with any number of fields."""
    setters = [setter(kind, field) for field in fields]

    def make(*values: Any) -> Any:
        node = _new(kind)
        for set_field, value in zip(setters, values, strict=True):
            set_field(node, value)
        return node

    return make


name = make_2(cst.Name, "value", "lpar")
_set_value, _set_lpar = setter(cst.Name, "value"), setter(cst.Name, "lpar")
_line = make_1(cst.SimpleStatementLine, "body")
_block = make_1(cst.IndentedBlock, "body")
_COMPOUND = frozenset(
    getattr(ast, name)
    for name in (
        "FunctionDef", "AsyncFunctionDef", "ClassDef", "If", "While", "For", "AsyncFor", "With", "AsyncWith", "Try", "TryStar", "Match",
    )
    if hasattr(ast, name)
)  # fmt: skip


class _Names(dict[str, Any]):
    """The nodes of names that are no expressions: they have no place, so that one of each is enough."""

    def __missing__(self, written: str) -> Any:
        self[written] = node = name(written, ())
        return node


class Builder:
    """One text whose tree is being made."""

    __slots__ = ("_ascii", "_handlers", "_lines", "_starts", "names", "pairs", "text", "vague")

    def __init__(self, text: str, handlers: dict[type, Handler]) -> None:
        self.text = text
        self.names = _Names()
        self.pairs: dict[int, Any] = {}
        self.vague = False
        """inside an f-string, of whose parts Python before 3.12 does not know where they are"""
        self._handlers = handlers
        self._ascii = text.isascii()
        self._lines = NEWLINE.split(text) if "\r" in text else text.split("\n")
        self._starts: list[int] = []

    def make(self, twin: Any) -> Any:
        """The node of an expression or a statement."""
        kind = type(twin)
        if kind is ast.Name:  # every other expression
            node = _new(cst.Name)
            _set_value(node, twin.id)
            _set_lpar(node, ())
        else:
            node = self._handlers[kind](self, twin)
        self.pairs[id(node)] = twin
        return node

    def optional(self, twin: Any) -> Any:
        """The node of what may be absent."""
        return None if twin is None else self.make(twin)

    def body(self, twins: Sequence[Any]) -> list[Any]:
        """The nodes of the statements of a block."""
        handlers, pairs = self._handlers, self.pairs
        found: list[Any] = []
        for twin in twins:
            kind = type(twin)
            node = handlers[kind](self, twin)
            pairs[id(node)] = twin
            found.append(node if kind in _COMPOUND else _line([node]))
        return found

    def block(self, twins: Sequence[Any]) -> Any:
        """A block of statements."""
        return _block(self.body(twins))

    def written(self, twin: Any) -> str:
        """The text of a node."""
        first: int = twin.lineno
        last: int = twin.end_lineno
        start: int = twin.col_offset
        end: int = twin.end_col_offset
        if first == last:
            line = self._lines[first - 1]
            if self._ascii or line.isascii():
                return line[start:end]
            return line.encode()[start:end].decode()
        return self.text[self._offset(first, start) : self._offset(last, end)]

    def between(self, first: tuple[int, int], last: tuple[int, int]) -> str:
        """The text from one place to another, both as line and column in bytes of UTF-8."""
        return self.text[self._offset(*first) : self._offset(*last)]

    def _offset(self, line: int, column: int) -> int:
        if not self._starts:
            if "\r" in self.text:
                self._starts = [0, *(found.end() for found in NEWLINE.finditer(self.text))]
            else:
                lengths = accumulate(map(len, self._lines), initial=0)
                self._starts = list(map(add, lengths, count()))
        if not self._ascii:
            text = self._lines[line - 1]
            if not text.isascii():
                column = len(text.encode()[:column].decode())
        return self._starts[line - 1] + column
