"""Patterns of `case`: the names that they capture; of the values that they compare with only that there is one."""

from __future__ import annotations

import ast
from typing import Any

import libcst as cst

from threadlint.facts.building.base import make_1, make_2, make_3, name

_as = make_2(cst.MatchAs, "pattern", "name")
_star = make_1(cst.MatchStar, "name")
_value = make_1(cst.MatchValue, "value")
_singleton = make_1(cst.MatchSingleton, "value")
_list = make_1(cst.MatchList, "patterns")
_element = make_1(cst.MatchSequenceElement, "value")
_mapping = make_2(cst.MatchMapping, "elements", "rest")
_pair = make_2(cst.MatchMappingElement, "key", "pattern")
_class = make_3(cst.MatchClass, "cls", "patterns", "kwds")
_keyword = make_2(cst.MatchKeywordElement, "key", "pattern")
_or = make_1(cst.MatchOr, "patterns")
_or_element = make_1(cst.MatchOrElement, "pattern")
_UNSAID = name("...", ())


def pattern(twin: ast.pattern) -> Any:
    """The node of a pattern."""
    if isinstance(twin, ast.MatchAs):
        return _as(
            pattern(twin.pattern) if twin.pattern is not None else None,
            name(twin.name, ()) if twin.name is not None else None,
        )
    if isinstance(twin, ast.MatchStar):
        return _star(name(twin.name, ()) if twin.name is not None else None)
    if isinstance(twin, ast.MatchSequence):
        return _list([_starred(part) for part in twin.patterns])
    if isinstance(twin, ast.MatchMapping):
        return _mapping(
            [_pair(_UNSAID, pattern(part)) for part in twin.patterns],
            name(twin.rest, ()) if twin.rest is not None else None,
        )
    if isinstance(twin, ast.MatchClass):
        return _class(
            _UNSAID,
            [_element(pattern(part)) for part in twin.patterns],
            [
                _keyword(name(key, ()), pattern(part))
                for key, part in zip(twin.kwd_attrs, twin.kwd_patterns, strict=True)
            ],
        )
    if isinstance(twin, ast.MatchOr):
        return _or([_or_element(pattern(part)) for part in twin.patterns])
    return _singleton(_UNSAID) if isinstance(twin, ast.MatchSingleton) else _value(_UNSAID)


def _starred(twin: ast.pattern) -> Any:
    node = pattern(twin)
    return node if isinstance(twin, ast.MatchStar) else _element(node)
