"""Where the nodes of a syntax tree stand in the file.

LibCST's own `PositionProvider` writes the whole file again to find out, which takes twice the time of parsing it. Python's
own parser knows the places and takes a tenth, so its tree is walked beside LibCST's. Where it does not know the syntax, because
the file is for a later Python than the one that runs, the provider is asked after all; both say the same.

The place of a node is that of the provider, with these differences:

- tuples and generator expressions include their parentheses, as other displays do; other expressions never do;
- all inside f-strings and t-strings, and the parts of strings side by side, have the place of the whole string, because
  Python before 3.12 does not know better;
- a form feed at the start of a line counts as a character (where the provider had to be asked, it does not);
- a semicolon after the last statement of a block is no part of the compound statement;
- arguments, elements and other wrappers stand where their value stands; a `with` item where its expression does, a
  parameter from its name to its annotation, without stars and default.

Names that are not expressions (of attributes, keywords, imports, in `global` and in patterns) and patterns have no place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import libcst as cst
from libcst.metadata import CodePosition, CodeRange, MetadataWrapper, PositionProvider

from threadlint.facts.outline import NEWLINE
from threadlint.facts.pairing import Link, Mismatch, pair
from threadlint.facts.source import python_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

Span = tuple[int, int, int, int]

_CLOSING = re.compile(r"(?:[ \t\f\r\n]|\\(?:\r\n|\r|\n)|#[^\r\n]*)*\)")


class Positions:
    """The places of the nodes of one tree."""

    __slots__ = ("_ascii", "_lines", "_module", "_pairs", "_text")

    def __init__(self, module: cst.Module, text: str, pairs: Mapping[int, Any]) -> None:
        self._module = module  # keeps the nodes, and so their ids
        self._text = text
        self._pairs = pairs
        self._ascii = text.isascii()
        self._lines: list[str] | None = None

    def of(self, node: cst.CSTNode) -> Span:
        """Line, column, end line and end column, counted from 1, in characters; the end column is the one after the last.

        Raises KeyError for a node that has no place or is not of this tree.
        """
        found = self._pairs.get(id(node))
        if found is None:
            return self._of_wrapper(node)
        kind = type(found)
        if kind is tuple:
            return found  # type: ignore[no-any-return]
        if kind is Link:
            return (*self._start(found.first), *self._closed(found.last, found.closing))
        if self._ascii:
            return found.lineno, found.col_offset + 1, found.end_lineno, found.end_col_offset + 1
        return (*self._start(found), *self._end(found))

    def literal(self, node: cst.SimpleString | cst.Integer | cst.Float) -> Any:
        """The value of a string or a number, which Python's parser has worked out already.

        Raises ValueError or SyntaxError where the text is none to Python.
        """
        found = self._pairs.get(id(node))
        return found.value if type(found) is ast.Constant else ast.literal_eval(node.value)

    def _of_wrapper(self, node: cst.CSTNode) -> Span:
        if isinstance(node, cst.SimpleStatementLine):
            return (*self.of(node.body[0])[:2], *self.of(node.body[-1])[2:])
        stands_for = _stands_for().get(type(node))
        if stands_for is None:
            raise KeyError(node)
        return self.of(getattr(node, stands_for))

    def _start(self, twin: Any) -> tuple[int, int]:
        return twin.lineno, self._column(twin.lineno, twin.col_offset)

    def _end(self, twin: Any) -> tuple[int, int]:
        return twin.end_lineno, self._column(twin.end_lineno, twin.end_col_offset)

    def _column(self, line: int, offset: int) -> int:
        """The column of an offset in bytes of UTF-8."""
        if self._ascii:
            return offset + 1
        if self._lines is None:
            self._lines = NEWLINE.split(self._text)
        if self._lines[line - 1].isascii():
            return offset + 1
        return len(self._lines[line - 1].encode()[:offset].decode()) + 1

    def _closed(self, twin: Any, closing: int) -> tuple[int, int]:
        """The place after so many closing parentheses after a node."""
        line, column = self._end(twin)
        if not closing:
            return line, column
        lines = NEWLINE.split(self._text)
        rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        at = 0
        for _ in range(closing):
            found = _CLOSING.match(rest, at)
            at = found.end() if found else at
        passed = rest[:at].split("\n")
        return (line, column + at) if len(passed) == 1 else (line + len(passed) - 1, len(passed[-1]) + 1)


def positions(module: cst.Module, text: str) -> Positions:
    """The places of the nodes of `module`, which must be what `text` parses to."""
    try:
        pairs: Mapping[int, Any] = pair(module, python_tree(text))
    except (Mismatch, SyntaxError, ValueError, RecursionError, MemoryError):
        pairs = _provided(module)
    return Positions(module, text, pairs)


@cache
def _stands_for() -> dict[type, str]:
    return {
        cst.Arg: "value",
        cst.Element: "value",
        cst.WithItem: "item",
        cst.AssignTarget: "target",
        cst.ComparisonTarget: "comparator",
        cst.Decorator: "decorator",
        cst.Annotation: "annotation",
        cst.Index: "value",
        cst.From: "item",
    }


def _provided(module: cst.Module) -> dict[int, Span]:
    """The places that LibCST's provider says, with the differences above."""
    given: Mapping[Any, CodeRange] = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    spans = {id(node): _span(place, place) for node, place in given.items() if isinstance(node, _placed())}
    for node, place in given.items():
        if isinstance(node, (cst.Tuple, cst.GeneratorExp)) and node.lpar:
            spans[id(node)] = _span(given[node.lpar[-1]], given[node.rpar[0]])
        elif isinstance(node, cst.Call) and len(node.args) == 1 and isinstance(node.args[0].value, cst.GeneratorExp):
            if not node.args[0].value.lpar:
                bracket = given[node.whitespace_after_func].end
                spans[id(node.args[0].value)] = (*_point(bracket), *_point(place.end))
        elif isinstance(node, cst.Param):
            spans[id(node)] = _span(given[node.name], given[node.annotation or node.name])
        elif isinstance(node, (cst.BaseCompoundStatement, cst.ExceptHandler, cst.ExceptStarHandler)):
            spans[id(node)] = (*_point(place.start), *_point(given[_last(node)].end))
    for node in given:
        if isinstance(node, (cst.ConcatenatedString, cst.FormattedString, cst.TemplatedString)):
            _flatten(node, spans)
    return spans


def _last(node: Any) -> Any:
    """The small statement that ends a compound one: the provider counts the semicolon after it in, Python does not."""
    while True:
        for part in ("finalbody", "orelse", "handlers", "cases", "body"):
            inner = getattr(node, part, None)
            if inner:
                node = inner[-1] if isinstance(inner, Sequence) else inner
                break
        else:
            return node


def _flatten(string: cst.CSTNode, spans: dict[int, Span]) -> None:
    """Give all that is inside a string the place of the string."""
    waiting = list(string.children)
    while waiting:
        node = waiting.pop()
        if id(node) in spans:
            spans[id(node)] = spans[id(string)]
        waiting.extend(node.children)


def _placed() -> tuple[type, ...]:
    return (
        cst.BaseExpression,
        cst.BaseSmallStatement,
        cst.BaseCompoundStatement,
        cst.ExceptHandler,
        cst.ExceptStarHandler,
        cst.ImportAlias,
        cst.Slice,
    )


def _span(first: CodeRange, last: CodeRange) -> Span:
    return (*_point(first.start), *_point(last.end))


def _point(position: CodePosition) -> tuple[int, int]:
    return position.line, position.column + 1
