"""Functions, lambdas and classes: a frame of facts for each function, and the names that they are bound to."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from inspect import cleandoc
from typing import Any

import libcst as cst

from threadlint.facts.model import Class, Function, Jump, Param, ParamKind, Ref, Root, Span, Value
from threadlint.facts.visitors import stores
from threadlint.facts.visitors.annotations import annotation
from threadlint.facts.visitors.scopes import bindings
from threadlint.facts.visitors.walk import ClassScope, Frame, Walk

_SPEAKS_OF_LOCK = re.compile(r"\b(lock|mutex)", re.IGNORECASE)


def _docstring(node: cst.FunctionDef) -> str:
    """The docstring where it speaks of a lock."""
    first = node.body.body[0]
    if type(first) is cst.SimpleStatementLine:
        first = first.body[0]
    written = first.value if type(first) is cst.Expr else None
    if type(written) is not cst.SimpleString or not _SPEAKS_OF_LOCK.search(written.value):
        return ""
    try:
        text = ast.literal_eval(written.value)
    except (ValueError, SyntaxError):
        # a string that Python 3 cannot read, such as "\\user" in a file of Python 2
        return ""
    return cleandoc(text) if isinstance(text, str) and _SPEAKS_OF_LOCK.search(text) else ""


def _function(walk: Walk, node: cst.FunctionDef) -> None:
    decorators = tuple(walk.value(decorator.decorator) for decorator in node.decorators)
    params = _params(walk, node.params)
    returns = annotation(walk, node.returns.annotation) if node.returns is not None else None
    scope = walk.frame.classes[-1] if walk.frame.classes else None
    qualname = walk.unique(f"{_prefix(walk)}{node.name.value}")
    frame = Frame(
        qualname,
        walk.frame,
        bindings(node.body.body, walrus=walk.walrus_in(node)),
        scope.qualname if scope else "",
        node.asynchronous is not None,
    )
    frame.bound.names.update(param.name for param in params)
    walk.modules.extend(frame.bound.modules)
    outer = walk.frame
    walk.frame = frame
    try:
        walk.body(node.body.body)
    finally:
        walk.frame = outer
    span = walk.at(node)
    walk.functions.append(
        Function(
            qualname,
            node.name.value,
            span,
            tuple(frame.blocks[0]),
            params,
            decorators,
            owner=walk.frame.qualname,
            cls=scope.qualname if scope else "",
            is_async=frame.is_async,
            is_generator=frame.is_generator,
            returns=returns,
            captured=tuple(sorted(frame.captured)),
            doc=_docstring(node),
        )
    )
    stores.bind(walk, node.name.value, Ref(Root.FUNCTION, qualname), span, "def")


def _prefix(walk: Walk) -> str:
    frame = walk.frame
    if frame.classes:
        return f"{frame.classes[-1].qualname}."
    return f"{frame.qualname}.<locals>." if frame.outer is not None else ""


def _params(walk: Walk, node: cst.Parameters) -> tuple[Param, ...]:
    found = [_param(walk, param, "pos") for params in (node.posonly_params, node.params) for param in params]
    if type(node.star_arg) is cst.Param:
        found.append(_param(walk, node.star_arg, "*"))
    found.extend(_param(walk, param, "kw") for param in node.kwonly_params)
    if node.star_kwarg is not None:
        found.append(_param(walk, node.star_kwarg, "**"))
    return tuple(found)


def _param(walk: Walk, node: cst.Param, kind: ParamKind) -> Param:
    declared = annotation(walk, node.annotation.annotation) if node.annotation is not None else None
    default = walk.value(node.default) if node.default is not None else None
    return Param(node.name.value, kind, declared, default)


def _lambda(walk: Walk, node: cst.Lambda) -> Value:
    params = _params(walk, node.params)
    span = walk.at(node)
    outer = walk.frame
    qualname = walk.unique(
        f"{f'{outer.qualname}.<locals>.' if outer.outer is not None else ''}<lambda>@{span[0]}:{span[1]}"
    )
    frame = Frame(qualname, outer, bindings((), walrus=False))
    frame.bound.names.update(param.name for param in params)
    walk.frame = frame
    try:
        frame.emit(Jump("return", span, walk.value(node.body)))
    finally:
        walk.frame = outer
    walk.functions.append(
        Function(
            qualname,
            "<lambda>",
            span,
            tuple(frame.blocks[0]),
            params,
            owner=outer.qualname,
            is_generator=frame.is_generator,
            captured=tuple(sorted(frame.captured)),
        )
    )
    return Ref(Root.FUNCTION, qualname)


def _class(walk: Walk, node: cst.ClassDef) -> None:
    decorators = tuple(walk.value(decorator.decorator) for decorator in node.decorators)
    bases = tuple(walk.value(arg.value) for arg in node.bases if not arg.star)
    for keyword in node.keywords:
        walk.value(keyword.value)
    name = node.name.value
    qualname = walk.unique(f"{_prefix(walk)}{name}")
    span: Span = walk.at(node)
    ref = walk.resolve(name)
    bound = bindings(node.body.body, walrus=walk.walrus_in(node))
    walk.modules.extend(bound.modules)
    walk.classes.append(Class(qualname, name, span, bases, decorators, walk.frame.qualname))
    walk.frame.classes.append(ClassScope(qualname, ref, bound))
    try:
        walk.body(node.body.body)
    finally:
        walk.frame.classes.pop()
    stores.bind(walk, name, Ref(Root.CLASS, qualname), span, "class")


def module(walk: Walk, node: cst.Module, span: Span) -> Function:
    """The module's body as a function."""
    walk.body(node.body)
    return Function("", "<module>", span, tuple(walk.frame.blocks[0]), captured=tuple(sorted(walk.frame.captured)))


def statements() -> dict[type, Callable[[Walk, Any], None]]:
    """The handlers of definitions, by node type."""
    return {cst.FunctionDef: _function, cst.ClassDef: _class}


def expressions() -> dict[type, Callable[[Walk, Any], Value]]:
    """The handler of lambdas."""
    return {cst.Lambda: _lambda}
