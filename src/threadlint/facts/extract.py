"""Source text -> `FileFacts`: parse, walk once with all visitors, scan the comments."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import libcst as cst

from threadlint.facts import comments
from threadlint.facts.building import Mismatch, build
from threadlint.facts.model import FileFacts, Span
from threadlint.facts.outline import NEWLINE
from threadlint.facts.positions import Positions, positions
from threadlint.facts.source import SHALLOW, Source, has_room, parse, run_deep
from threadlint.facts.visitors import comprehensions, definitions, expressions, statements, stores
from threadlint.facts.visitors.scopes import bindings
from threadlint.facts.visitors.walk import Frame, Walk


@cache
def _handlers() -> tuple[dict[type, Any], dict[type, Any]]:
    return (
        {**expressions.handlers(), **comprehensions.handlers(), **definitions.expressions()},
        {**statements.handlers(), **stores.handlers(), **definitions.statements()},
    )


def extract(source: Source) -> FileFacts:
    """What the file says about threads. Raises `SourceError` where it cannot be parsed.

    Python's own parser is asked first, as it takes a tenth of the time of LibCST's; that one knows code of other versions and says
    what is wrong with a file. What either tells is the same.
    """
    if _may_be_built(source):
        try:
            module, pairs = build(source.text)
            return _facts(source, module, Positions(module, source.text, pairs))
        except (Mismatch, RecursionError, AttributeError):
            # nested too deeply for this stack, or a visitor looks at the layout, which only LibCST's parser knows
            pass
    return extract_slowly(source)


def extract_slowly(source: Source) -> FileFacts:
    """The same by LibCST's parser alone."""
    facts: FileFacts = run_deep(_extract, source, parse(source))
    return facts


def _may_be_built(source: Source) -> bool:
    """Whether Python's parser may have the text as it is: it notices in time that it is nested too deeply, except on 3.10 and on small stacks."""
    return (sys.version_info >= (3, 11) and has_room()) or source.outline.depth <= SHALLOW


def _extract(source: Source, module: cst.Module) -> FileFacts:
    return _facts(source, module, positions(module, source.text))


def _facts(source: Source, module: cst.Module, places: Positions) -> FileFacts:
    text = source.text
    on_values, on_statements = _handlers()
    walrus = _lines_with_walrus(text)
    bound = bindings(module.body, walrus=bool(walrus))
    walk = Walk(places, walrus, on_values, on_statements, Frame("", None, bound))
    body = definitions.module(walk, module, _whole(text))
    said = comments.scan(text, source.outline) if comments.mentioned(text) else comments.Comments()
    return FileFacts(
        (body, *walk.functions),
        tuple(walk.classes),
        tuple(dict.fromkeys((*bound.modules, *walk.modules))),
        tuple(sorted(bound.imports.items())),
        tuple(bound.stars),
        said.suppressions,
        (*said.annotations, *walk.guards),
    )


def _lines_with_walrus(text: str) -> list[int]:
    if ":=" not in text:
        return []
    return [number for number, line in enumerate(NEWLINE.split(text), start=1) if ":=" in line]


def _whole(text: str) -> Span:
    return (1, 1, text.count("\n") + 1, 1)
