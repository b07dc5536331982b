"""Statements, except definitions."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import libcst as cst

from threadlint.facts.building.base import Builder, Handler, make_1, make_2, make_3, maker, name
from threadlint.facts.building.definitions import annotation
from threadlint.facts.building.expressions import ASYNC
from threadlint.facts.building.patterns import pattern

_expr = make_1(cst.Expr, "value")
_return = make_1(cst.Return, "value")
_raise = make_2(cst.Raise, "exc", "cause")
_from = make_1(cst.From, "item")
_assert = make_2(cst.Assert, "test", "msg")
_pass = make_1(cst.Pass, "semicolon")
_break = make_1(cst.Break, "semicolon")
_continue = make_1(cst.Continue, "semicolon")
_assign = make_2(cst.Assign, "targets", "value")
_target = make_1(cst.AssignTarget, "target")
_augmented = make_3(cst.AugAssign, "target", "operator", "value")
_annotated = make_3(cst.AnnAssign, "target", "annotation", "value")
_del = make_1(cst.Del, "target")
_tuple = make_2(cst.Tuple, "elements", "lpar")
_element = make_1(cst.Element, "value")
_import = make_1(cst.Import, "names")
_import_from = make_3(cst.ImportFrom, "relative", "module", "names")
_alias = make_2(cst.ImportAlias, "name", "asname")
_as = make_1(cst.AsName, "name")
_attribute = make_3(cst.Attribute, "value", "attr", "lpar")
_global = make_1(cst.Global, "names")
_nonlocal = make_1(cst.Nonlocal, "names")
_item = make_1(cst.NameItem, "name")
_if = make_3(cst.If, "test", "body", "orelse")
_else = make_1(cst.Else, "body")
_while = make_3(cst.While, "test", "body", "orelse")
_for = maker(cst.For, "target", "iter", "body", "orelse", "asynchronous")
_with = make_3(cst.With, "items", "body", "asynchronous")
_with_item = make_2(cst.WithItem, "item", "asname")
_try = maker(cst.Try, "body", "handlers", "orelse", "finalbody")
_try_star = maker(cst.TryStar, "body", "handlers", "orelse", "finalbody")
_finally = make_1(cst.Finally, "body")
_except = make_3(cst.ExceptHandler, "type", "name", "body")
_match = make_2(cst.Match, "subject", "cases")
_case = make_3(cst.MatchCase, "pattern", "guard", "body")
_type_alias = make_2(cst.TypeAlias, "name", "value")
_DOT = cst.Dot()
_OPERATORS = {
    ast.Add: cst.AddAssign(), ast.Sub: cst.SubtractAssign(), ast.Mult: cst.MultiplyAssign(), ast.MatMult: cst.MatrixMultiplyAssign(),
    ast.Div: cst.DivideAssign(), ast.Mod: cst.ModuloAssign(), ast.Pow: cst.PowerAssign(), ast.LShift: cst.LeftShiftAssign(),
    ast.RShift: cst.RightShiftAssign(), ast.BitOr: cst.BitOrAssign(), ast.BitXor: cst.BitXorAssign(), ast.BitAnd: cst.BitAndAssign(),
    ast.FloorDiv: cst.FloorDivideAssign(),
}  # fmt: skip


def _of_expr(builder: Builder, twin: ast.Expr) -> Any:
    return _expr(builder.make(twin.value))


def _of_return(builder: Builder, twin: ast.Return) -> Any:
    return _return(builder.optional(twin.value))


def _of_raise(builder: Builder, twin: ast.Raise) -> Any:
    cause = builder.optional(twin.cause)
    return _raise(builder.optional(twin.exc), None if cause is None else _from(cause))


def _of_assert(builder: Builder, twin: ast.Assert) -> Any:
    return _assert(builder.make(twin.test), builder.optional(twin.msg))


def _of_assign(builder: Builder, twin: ast.Assign) -> Any:
    return _assign([_target(builder.make(target)) for target in twin.targets], builder.make(twin.value))


def _of_augmented(builder: Builder, twin: ast.AugAssign) -> Any:
    return _augmented(builder.make(twin.target), _OPERATORS[type(twin.op)], builder.make(twin.value))


def _of_annotated(builder: Builder, twin: ast.AnnAssign) -> Any:
    return _annotated(
        builder.make(twin.target), annotation(builder.make(twin.annotation)), builder.optional(twin.value)
    )


def _of_del(builder: Builder, twin: ast.Delete) -> Any:
    if len(twin.targets) == 1:
        return _del(builder.make(twin.targets[0]))
    return _del(_tuple([_element(builder.make(target)) for target in twin.targets], ()))


def _dotted(text: str) -> Any:
    first, *rest = text.split(".")
    node = name(first, ())
    for part in rest:
        node = _attribute(node, name(part, ()), ())
    return node


def _aliases(twins: Sequence[ast.alias]) -> list[Any]:
    return [_alias(_dotted(twin.name), _as(name(twin.asname, ())) if twin.asname else None) for twin in twins]


def _of_import(_: Builder, twin: ast.Import) -> Any:
    return _import(_aliases(twin.names))


def _of_import_from(_: Builder, twin: ast.ImportFrom) -> Any:
    return _import_from(
        [_DOT] * twin.level,
        _dotted(twin.module) if twin.module else None,
        cst.ImportStar() if twin.names[0].name == "*" else _aliases(twin.names),
    )


def _of_global(_: Builder, twin: ast.Global) -> Any:
    return _global([_item(name(one, ())) for one in twin.names])


def _of_nonlocal(_: Builder, twin: ast.Nonlocal) -> Any:
    return _nonlocal([_item(name(one, ())) for one in twin.names])


def _of_if(builder: Builder, twin: ast.If) -> Any:
    test = builder.make(twin.test)
    body = builder.block(twin.body)
    orelse = twin.orelse
    if len(orelse) == 1 and type(orelse[0]) is ast.If:
        return _if(test, body, builder.make(orelse[0]))
    return _if(test, body, _otherwise(builder, orelse))


def _otherwise(builder: Builder, twins: Sequence[ast.stmt]) -> Any:
    return _else(builder.block(twins)) if twins else None


def _of_while(builder: Builder, twin: ast.While) -> Any:
    return _while(builder.make(twin.test), builder.block(twin.body), _otherwise(builder, twin.orelse))


def _of_for(builder: Builder, twin: ast.For | ast.AsyncFor) -> Any:
    return _for(
        builder.make(twin.target),
        builder.make(twin.iter),
        builder.block(twin.body),
        _otherwise(builder, twin.orelse),
        ASYNC if type(twin) is ast.AsyncFor else None,
    )


def _of_with(builder: Builder, twin: ast.With | ast.AsyncWith) -> Any:
    items = [
        _with_item(
            builder.make(item.context_expr),
            _as(builder.make(item.optional_vars)) if item.optional_vars is not None else None,
        )
        for item in twin.items
    ]
    return _with(items, builder.block(twin.body), ASYNC if type(twin) is ast.AsyncWith else None)


def _of_try(builder: Builder, twin: Any) -> Any:
    make = _try if type(twin) is ast.Try else _try_star
    return make(
        builder.block(twin.body),
        [builder.make(handler) for handler in twin.handlers],
        _otherwise(builder, twin.orelse),
        _finally(builder.block(twin.finalbody)) if twin.finalbody else None,
    )


def _of_handler(builder: Builder, twin: ast.ExceptHandler) -> Any:
    return _except(
        builder.optional(twin.type), _as(name(twin.name, ())) if twin.name else None, builder.block(twin.body)
    )


def _of_match(builder: Builder, twin: ast.Match) -> Any:
    return _match(
        builder.make(twin.subject),
        [_case(pattern(case.pattern), builder.optional(case.guard), builder.block(case.body)) for case in twin.cases],
    )


def _of_type_alias(builder: Builder, twin: Any) -> Any:
    return _type_alias(builder.make(twin.name), builder.make(twin.value))


def handlers() -> dict[type, Handler]:
    """The handlers of these statements."""
    table: dict[type, Handler] = {
        ast.Expr: _of_expr,
        ast.Return: _of_return,
        ast.Raise: _of_raise,
        ast.Assert: _of_assert,
        ast.Pass: lambda _, __: _pass(None),
        ast.Break: lambda _, __: _break(None),
        ast.Continue: lambda _, __: _continue(None),
        ast.Assign: _of_assign,
        ast.AugAssign: _of_augmented,
        ast.AnnAssign: _of_annotated,
        ast.Delete: _of_del,
        ast.Import: _of_import,
        ast.ImportFrom: _of_import_from,
        ast.Global: _of_global,
        ast.Nonlocal: _of_nonlocal,
        ast.If: _of_if,
        ast.While: _of_while,
        ast.For: _of_for,
        ast.AsyncFor: _of_for,
        ast.With: _of_with,
        ast.AsyncWith: _of_with,
        ast.Try: _of_try,
        ast.ExceptHandler: _of_handler,
        ast.Match: _of_match,
    }
    for type_name, handler in (("TryStar", _of_try), ("TypeAlias", _of_type_alias)):
        if hasattr(ast, type_name):
            table[getattr(ast, type_name)] = handler
    return table
