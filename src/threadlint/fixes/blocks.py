"""Statements that stand after each other in one block, whether each has its line or several share one, and how to replace some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeAlias

import libcst as cst

from threadlint.fixes.tree import Edits, Refused, Tree, children

Statement: TypeAlias = cst.SimpleStatementLine | cst.BaseCompoundStatement
Block: TypeAlias = cst.Module | cst.IndentedBlock | cst.SimpleStatementSuite


@dataclass(frozen=True)
class Piece:
    """One statement of a block, as it is alone on its line.

    `small` is the simple statement in the tree, None for a compound one; `line` is the node of the tree that it is a part of.
    """

    statement: Statement
    small: cst.BaseSmallStatement | None
    line: cst.CSTNode

    @property
    def node(self) -> cst.CSTNode:
        """The statement as a node of the tree."""
        return self.line if self.small is None else self.small


@dataclass(frozen=True)
class Stretch:
    """A block with its statements, and where in it some of them begin and end (the end is after the last)."""

    block: Block
    pieces: tuple[Piece, ...]

    def index(self, node: cst.CSTNode) -> int:
        """The number of the statement that the node is."""
        for number, piece in enumerate(self.pieces):
            if piece.node is node:
                return number
        raise Refused("the statements do not stand in one block")

    def replace(self, first: int, end: int, statements: Sequence[Statement]) -> Edits:
        """The edits that put `statements` in the place of those from `first` to before `end`."""
        if isinstance(self.block, cst.SimpleStatementSuite):
            body = [
                *(piece.statement for piece in self.pieces[:first]),
                *statements,
                *(piece.statement for piece in self.pieces[end:]),
            ]
            *before, last = body
            if isinstance(last, cst.SimpleStatementLine):
                last = last.with_changes(trailing_whitespace=cst.TrailingWhitespace())
            header = self.block.trailing_whitespace
            return {id(self.block): (cst.IndentedBlock(body=[*before, last], header=header),)}
        lines = {id(piece.line) for piece in self.pieces[first:end]}
        if first == end:
            raise Refused("nothing to replace")
        ahead = [piece.statement for piece in self.pieces[:first] if id(piece.line) in lines]
        after = [piece.statement for piece in self.pieces[end:] if id(piece.line) in lines]
        edits: Edits = {id(piece.line): () for piece in self.pieces[first:end]}
        edits[id(self.pieces[first].line)] = (*ahead, *statements, *after)
        return edits

    @property
    def indent(self) -> str | None:
        """The indentation of a block inside of this one, None for the usual one of the file."""
        return self.block.indent if isinstance(self.block, cst.IndentedBlock) else None


def statement_of(tree: Tree, node: cst.CSTNode) -> cst.CSTNode:
    """The statement that a node is in, or that it is."""
    for one in (node, *tree.around(node)):
        if isinstance(one, (cst.BaseSmallStatement, cst.BaseCompoundStatement)):
            return one
    raise Refused("this is in no statement")


def block_of(tree: Tree, statement: cst.CSTNode) -> Stretch:
    """The block that a statement stands in."""
    holder = tree.parent(statement)
    if isinstance(holder, cst.SimpleStatementLine):
        holder = tree.parent(holder)
    return pieces(holder)


def pieces(block: cst.CSTNode) -> Stretch:
    """The statements of a block."""
    if isinstance(block, cst.SimpleStatementSuite):
        line = cst.SimpleStatementLine(body=block.body)
        return Stretch(block, tuple(_split(line, block)))
    if isinstance(block, (cst.Module, cst.IndentedBlock)):
        found: list[Piece] = []
        for one in block.body:
            if isinstance(one, cst.SimpleStatementLine):
                found.extend(_split(one, one))
            else:
                found.append(Piece(one, None, one))  # type: ignore[arg-type]
        return Stretch(block, tuple(found))
    raise Refused("this is in no block")


def _split(line: cst.SimpleStatementLine, holder: cst.CSTNode) -> list[Piece]:
    if len(line.body) == 1:
        return [Piece(line, line.body[0], holder)]
    last = len(line.body) - 1
    return [
        Piece(
            cst.SimpleStatementLine(
                body=[small.with_changes(semicolon=cst.MaybeSentinel.DEFAULT)],
                leading_lines=line.leading_lines if number == 0 else (),
                trailing_whitespace=line.trailing_whitespace if number == last else cst.TrailingWhitespace(),
            ),
            small,
            holder,
        )
        for number, small in enumerate(line.body)
    ]


def indented(
    stretch: Stretch,
    statements: Sequence[Statement],
    *,
    header: cst.TrailingWhitespace | None = None,
    footer: Sequence[cst.EmptyLine] = (),
) -> cst.IndentedBlock:
    """The statements as a block below a header that stands in the block of `stretch`; `pass` where there are none."""
    body = list(statements) or [cst.SimpleStatementLine(body=[cst.Pass()])]
    return cst.IndentedBlock(
        body=body, indent=stretch.indent, header=header or cst.TrailingWhitespace(), footer=list(footer)
    )


def trailing(statement: Statement) -> cst.TrailingWhitespace:
    """What follows the statement on its line."""
    return statement.trailing_whitespace if isinstance(statement, cst.SimpleStatementLine) else cst.TrailingWhitespace()


def remarks(*parts: Sequence[cst.EmptyLine] | cst.TrailingWhitespace) -> list[cst.EmptyLine]:
    """The comments among lines and at the ends of lines, each on a line of its own."""
    found: list[cst.EmptyLine] = []
    for part in parts:
        if isinstance(part, cst.TrailingWhitespace):
            if part.comment is not None:
                found.append(cst.EmptyLine(comment=part.comment))
        else:
            found.extend(line for line in part if line.comment is not None)
    return found


def opened(statement: Statement, lines: Sequence[cst.EmptyLine], *, blank: Sequence[cst.EmptyLine] = ()) -> Statement:
    """The statement with comments before its own, after the blank lines that `blank` begins with."""
    before = list(takewhile(lambda line: line.comment is None, blank))
    changed: Statement = statement.with_changes(leading_lines=[*before, *lines, *statement.leading_lines])
    return changed


def statement(tree: Tree, text: str) -> Statement:
    """The statement that a text is."""
    made = cst.parse_statement(text, config=tree.module.config_for_parsing)
    assert not isinstance(made, cst.BaseSmallStatement)
    return made


def places(tree: Tree, node: cst.CSTNode) -> Iterator[tuple[Stretch, int]]:
    """The blocks around a node within its function, the innermost first, each with the number of the statement that the node is in."""
    for one in (node, *tree.around(node)):
        if isinstance(one, (cst.FunctionDef, cst.Lambda, cst.ClassDef)) and one is not node:
            return
        if isinstance(one, (cst.BaseSmallStatement, cst.BaseCompoundStatement)) and not isinstance(
            tree.parent(one),
            (cst.If, cst.Else),  # `elif`
        ):
            stretch = block_of(tree, one)
            yield stretch, stretch.index(one)


def together(tree: Tree, nodes: Sequence[cst.CSTNode]) -> tuple[Stretch, int, int]:
    """The innermost block that holds all the nodes, and where in it their statements begin and end."""
    chains = [{id(stretch.block): (stretch, number) for stretch, number in places(tree, node)} for node in nodes]
    for block, (stretch, _) in chains[0].items():
        if all(block in chain for chain in chains):
            numbers = [chain[block][1] for chain in chains]
            return stretch, min(numbers), max(numbers) + 1
    raise Refused("the places stand in no common block")


def suspends(node: cst.CSTNode) -> bool:
    """Whether a function stops at the node and goes on later, by `await` or `yield`."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (cst.Await, cst.Yield)) or getattr(one, "asynchronous", None) is not None:
            return True
        if not isinstance(one, (cst.FunctionDef, cst.Lambda, cst.ClassDef)):
            waiting.extend(children(one))
    return False
