"""Source text -> `FileFacts`: parse, walk once with all visitors, scan the comments."""

from __future__ import annotations

from functools import cache
from typing import Any

import libcst as cst

from threadlint.facts import comments
from threadlint.facts.model import FileFacts, Span
from threadlint.facts.positions import positions
from threadlint.facts.source import Source, parse, run_deep
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
    """What the file says about threads. Raises `SourceError` where it cannot be parsed."""
    facts: FileFacts = run_deep(_extract, source, parse(source))
    return facts


def _extract(source: Source, module: cst.Module) -> FileFacts:
    text = source.text
    on_values, on_statements = _handlers()
    bound = bindings(module.body, walrus=":=" in text)
    walk = Walk(positions(module, text), ":=" in text, on_values, on_statements, Frame("", None, bound))
    body = definitions.module(walk, module, _whole(text))
    said = comments.scan(text, source.outline)
    return FileFacts(
        (body, *walk.functions),
        tuple(walk.classes),
        tuple(dict.fromkeys((*bound.modules, *walk.modules))),
        tuple(sorted(bound.imports.items())),
        tuple(bound.stars),
        said.suppressions,
        said.annotations,
    )


def _whole(text: str) -> Span:
    return (1, 1, text.count("\n") + 1, 1)
