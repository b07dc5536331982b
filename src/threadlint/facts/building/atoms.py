"""Names, numbers and strings: the atoms of which expressions are made."""

from __future__ import annotations

import ast
import re
import sys
from typing import Any

import libcst as cst

from threadlint.facts.building.base import Builder, Handler, make_1, make_2, name
from threadlint.facts.outline import STRING
from threadlint.facts.pairing import Mismatch

_integer = make_1(cst.Integer, "value")
_float = make_1(cst.Float, "value")
_imaginary = make_1(cst.Imaginary, "value")
_ellipsis = make_1(cst.Ellipsis, "lpar")
_string = make_2(cst.SimpleString, "value", "lpar")
_side_by_side = make_2(cst.ConcatenatedString, "left", "right")
_formatted = make_1(cst.FormattedString, "parts")
_field = make_2(cst.FormattedStringExpression, "expression", "format_spec")

_ONE_STRING = re.compile(rf"(?:[rbu]|br|rb)?(?:{STRING})", re.IGNORECASE)


def _constant(builder: Builder, twin: ast.Constant) -> Any:
    value: Any = twin.value
    kind = type(value)
    if kind is str or kind is bytes:
        written = builder.written(twin)
        if builder.vague:
            _check(written, value)
        # two strings side by side have at least four quotes more than letters
        if (kind is str and len(written) == len(value) + 2) or _ONE_STRING.fullmatch(written):
            return _string(written, ())
        return _side_by_side(_string('""', ()), _string('""', ()))
    if value is None or kind is bool:
        return name(str(value), ())
    if kind is int or kind is float:
        written = builder.written(twin)
        if builder.vague:
            _check(written, value)
        return _integer(written) if kind is int else _float(written)
    return _ellipsis(()) if value is ... else _imaginary("0j")


def _check(written: str, value: object) -> None:
    try:
        if ast.literal_eval(written) == value:
            return
    except (SyntaxError, ValueError):
        pass
    raise Mismatch


def _joined(builder: Builder, twin: Any) -> Any:
    """An f-string or a t-string, also with other strings at its side: all that is inside has the place of the whole."""
    outer, vague = builder.pairs, builder.vague
    builder.pairs, builder.vague = {}, sys.version_info < (3, 12)
    try:
        node = _formatted(_fields(builder, twin))
    finally:
        inner, builder.pairs, builder.vague = builder.pairs, outer, vague
    for key in inner:
        outer[key] = twin
    return node


def _fields(builder: Builder, twin: Any) -> list[Any]:
    return [
        _field(
            builder.make(value.value), _fields(builder, value.format_spec) if value.format_spec is not None else None
        )
        for value in twin.values
        if hasattr(value, "conversion")
    ]


def handlers() -> dict[type, Handler]:
    """The handlers of atoms."""
    table: dict[type, Handler] = {ast.Constant: _constant, ast.JoinedStr: _joined}
    template = getattr(ast, "TemplateStr", None)
    if template is not None:
        table[template] = _joined
    return table
