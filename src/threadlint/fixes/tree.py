"""The syntax tree of one file: nodes by their place, what is around them, and the text with some of them replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import libcst as cst

from threadlint.facts.positions import Span, positions
from threadlint.facts.source import Source, parse
from threadlint.findings import Site

N = TypeVar("N", bound=cst.CSTNode)
Edits = dict[int, tuple[cst.CSTNode, ...]]
"""What stands in place of nodes, by their ids; nothing where a node is removed."""


class Refused(Exception):  # noqa: N818 it is no error: this code is simply not of the shape that can be changed
    """A change that cannot be made here, with the reason."""


class Tree:
    """The tree of a text, which must be Python."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.module = parse(source)
        self._positions = positions(self.module, source.text)
        self._above: dict[int, cst.CSTNode] = {}
        self._nodes: list[cst.CSTNode] = []
        self._index()

    def _index(self) -> None:
        waiting: list[cst.CSTNode] = [self.module]
        while waiting:
            node = waiting.pop()
            self._nodes.append(node)
            below = list(children(node))
            for child in below:
                self._above[id(child)] = node
            waiting.extend(reversed(below))

    def span(self, node: cst.CSTNode) -> Span:
        """Where the node stands."""
        return self._positions.of(node)

    def at(self, site: Site, *kinds: type[N]) -> N:
        """The node of one of the kinds that stands at the site; the outermost if there are several."""
        wanted = (site.line, site.column, site.end_line, site.end_column)
        for node in self._nodes:
            if isinstance(node, kinds) and self._is_at(node, wanted):
                return node
        raise Refused(f"there is no {' or '.join(kind.__name__ for kind in kinds)} at line {site.line}")

    def expression_at(self, site: Site) -> cst.BaseExpression:
        """The expression that stands at the site."""
        kind: type[Any] = cst.BaseExpression
        found: cst.BaseExpression = self.at(site, kind)
        return found

    def expression_or_statement_at(self, site: Site) -> cst.CSTNode:
        """The expression or the statement that stands at the site, the outermost of them."""
        kinds: tuple[type[Any], ...] = (cst.BaseExpression, cst.BaseSmallStatement, cst.BaseCompoundStatement)
        found: cst.CSTNode = self.at(site, *kinds)
        return found

    def _is_at(self, node: cst.CSTNode, span: Span) -> bool:
        try:
            return self._positions.of(node) == span
        except KeyError:
            return False

    def parent(self, node: cst.CSTNode) -> cst.CSTNode:
        """The node that the node is a part of."""
        return self._above[id(node)]

    def around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes that the node is inside of, the nearest first."""
        while id(node) in self._above:
            node = self._above[id(node)]
            yield node

    def nearest(self, node: cst.CSTNode, *kinds: type[N]) -> N:
        """The nearest of the nodes around the node that is of one of the kinds."""
        for outer in self.around(node):
            if isinstance(outer, kinds):
                return outer
        raise Refused(f"this is in no {' or '.join(kind.__name__ for kind in kinds)}")

    def inside(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The node and all that it consists of, in the order of the text."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(reversed(list(children(one))))

    def replaced(self, node: N, edits: Edits) -> N:
        """The node with what is inside of it replaced."""
        (changed,) = self._rebuild(node, edits, self._touched(edits))
        return changed  # type: ignore[return-value]

    def text(self, edits: Edits) -> str:
        """The text of the file with the edits made."""
        return self.replaced(self.module, edits).code

    def clash(self, edits: Edits, others: Edits) -> bool:
        """Whether some node is edited by both, or stands inside one that the other edits."""
        first, second = self._touched(edits), self._touched(others)
        return not (edits.keys().isdisjoint(second) and others.keys().isdisjoint(first))

    def _touched(self, edits: Edits) -> set[int]:
        """The edited nodes and all that are around them."""
        touched = set(edits)
        for number in edits:
            above = self._above.get(number)
            while above is not None and id(above) not in touched:
                touched.add(id(above))
                above = self._above.get(id(above))
        return touched

    def _rebuild(self, node: cst.CSTNode, edits: Edits, touched: set[int]) -> tuple[cst.CSTNode, ...]:
        if id(node) in edits:
            return edits[id(node)]
        if id(node) not in touched:
            return (node,)
        changes: dict[str, Any] = {}
        for name in fields(type(node)):
            value = getattr(node, name)
            if isinstance(value, cst.CSTNode):
                if id(value) in touched:
                    (changes[name],) = self._rebuild(value, edits, touched)
            elif isinstance(value, (list, tuple)) and any(id(one) in touched for one in value):
                changes[name] = [new for one in value for new in self._rebuild(one, edits, touched)]
        return (node.with_changes(**changes),)


@cache
def fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    """The names of the fields of a kind of node that can hold others, without those for white space and punctuation."""
    dull = (
        "whitespace",
        "leading_",
        "lpar",
        "rpar",
        "lbracket",
        "rbracket",
        "lbrace",
        "rbrace",
        "trailing_",
        "header",
        "footer",
    )
    known: Mapping[str, Any] = getattr(kind, "__dataclass_fields__", {})
    return tuple(name for name in known if not name.startswith(dull) and name not in ("newline", "semicolon", "comma"))


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes that a node consists of, in the order of the text, without white space and punctuation."""
    for name in fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from (one for one in value if isinstance(one, cst.CSTNode))


def expression(text: str) -> cst.BaseExpression:
    """The expression that a text is."""
    return cst.parse_expression(text)


def code(node: cst.CSTNode) -> str:
    """The text of a node by itself, without the lines before it."""
    return cst.Module(body=()).code_for_node(node)


def same(left: cst.CSTNode, right: cst.CSTNode) -> bool:
    """Whether two expressions are written alike but for parentheses around them and white space."""
    return bare(left).deep_equals(bare(right)) or code(bare(left)).split() == code(bare(right)).split()


def bare(node: N) -> N:
    """An expression without the parentheses around it."""
    return node.with_changes(lpar=(), rpar=()) if getattr(node, "lpar", None) else node


def only(nodes: Sequence[N]) -> N | None:
    """The one node of a sequence, None where there are none or several."""
    return nodes[0] if len(nodes) == 1 else None


def method_of(value: cst.BaseExpression, method: str) -> cst.Call:
    """`value.method()`."""
    return cst.Call(cst.Attribute(value, cst.Name(method)))
