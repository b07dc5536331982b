"""A LibCST tree without blanks and punctuation, made from Python's own tree of the text.

LibCST's parser takes ten times as long as Python's, most of it for blanks, commas and brackets, at which no visitor looks. So the
nodes that the visitors see are made here, of LibCST's types and with LibCST's names for their fields, each with its place; fields that
only say how the text is laid out are not set, and asking for one is an error. Where Python does not know the syntax (it is of a later
version, or of none) or the text does not tell what was written, `Mismatch` says that LibCST's parser must be asked; both give the
same facts.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import libcst as cst

from threadlint.facts.building import atoms, definitions, expressions, statements
from threadlint.facts.building.base import Builder, Handler, make_1
from threadlint.facts.pairing import Mismatch
from threadlint.facts.source import python_tree

__all__ = ["Mismatch", "build"]


def build(text: str) -> tuple[cst.Module, dict[int, Any]]:
    """The tree of a text, and Python's node for the id of each statement, expression and handler in it.

    Raises `Mismatch` where there is no such tree.
    """
    try:
        tree = python_tree(text)
        builder = Builder(text, _handlers())
        module: cst.Module = make_1(cst.Module, "body")(builder.body(tree.body))
    except (SyntaxError, ValueError, RecursionError, MemoryError, KeyError, AttributeError, IndexError) as error:
        raise Mismatch(str(error)) from error
    return module, builder.pairs


@cache
def _handlers() -> dict[type, Handler]:
    return {
        **atoms.handlers(),
        **expressions.handlers(),
        **statements.handlers(),
        **definitions.handlers(),
    }
