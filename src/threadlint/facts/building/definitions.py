"""Functions, lambdas and classes."""

from __future__ import annotations

import ast
from typing import Any

import libcst as cst

from threadlint.facts.building.base import Builder, Handler, make_1, make_2, make_3, maker
from threadlint.facts.building.expressions import ASYNC, arguments

_function = maker(cst.FunctionDef, "decorators", "name", "params", "returns", "body", "asynchronous", "type_parameters")
_class = maker(cst.ClassDef, "decorators", "bases", "keywords", "name", "body", "type_parameters")
_lambda = make_2(cst.Lambda, "params", "body")
_decorator = make_1(cst.Decorator, "decorator")
annotation = make_1(cst.Annotation, "annotation")
_parameters = maker(cst.Parameters, "posonly_params", "params", "star_arg", "kwonly_params", "star_kwarg")
_param = make_3(cst.Param, "name", "annotation", "default")
_NO_PARAMETERS = _parameters((), (), None, (), None)


def _of_function(builder: Builder, twin: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
    return _function(
        [_decorator(builder.make(decorator)) for decorator in twin.decorator_list],
        builder.names[twin.name],
        _of_parameters(builder, twin.args),
        _annotated(builder, twin.returns),
        builder.block(twin.body),
        ASYNC if type(twin) is ast.AsyncFunctionDef else None,
        None,
    )


def _of_lambda(builder: Builder, twin: ast.Lambda) -> Any:
    return _lambda(_of_parameters(builder, twin.args), builder.make(twin.body))


def _annotated(builder: Builder, twin: ast.expr | None) -> Any:
    return None if twin is None else annotation(builder.make(twin))


def _of_parameters(builder: Builder, twin: ast.arguments) -> Any:
    plain, first = twin.args, twin.posonlyargs
    if not plain and not first and not twin.vararg and not twin.kwonlyargs and not twin.kwarg:
        return _NO_PARAMETERS
    missing = len(first) + len(plain) - len(twin.defaults)
    defaults = [None] * missing + list(twin.defaults) if twin.defaults else [None] * missing
    return _parameters(
        [_of_param(builder, param, default) for param, default in zip(first, defaults, strict=False)],
        [_of_param(builder, param, default) for param, default in zip(plain, defaults[len(first) :], strict=True)],
        _of_param(builder, twin.vararg, None) if twin.vararg else None,
        [_of_param(builder, param, default) for param, default in zip(twin.kwonlyargs, twin.kw_defaults, strict=True)],
        _of_param(builder, twin.kwarg, None) if twin.kwarg else None,
    )


def _of_param(builder: Builder, twin: ast.arg, default: ast.expr | None) -> Any:
    return _param(builder.names[twin.arg], _annotated(builder, twin.annotation), builder.optional(default))


def _of_class(builder: Builder, twin: ast.ClassDef) -> Any:
    plain = arguments(builder, twin.bases, ())
    return _class(
        [_decorator(builder.make(decorator)) for decorator in twin.decorator_list],
        plain,
        arguments(builder, (), twin.keywords),
        builder.names[twin.name],
        builder.block(twin.body),
        None,
    )


def handlers() -> dict[type, Handler]:
    """The handlers of definitions."""
    return {
        ast.FunctionDef: _of_function,
        ast.AsyncFunctionDef: _of_function,
        ast.ClassDef: _of_class,
        ast.Lambda: _of_lambda,
    }
