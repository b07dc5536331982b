"""Pairs of statements, their clauses, and the expressions in patterns."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

import libcst as cst

from threadlint.facts.pairing.base import Handler, Mismatch, Todo, body, branch, every, some
from threadlint.facts.pairing.expressions import arguments, parameters


def handlers() -> dict[type, Handler]:
    """The handler of each type of statement that has parts, and of their clauses."""
    return {
        cst.FunctionDef: _function,
        cst.ClassDef: _class,
        cst.TypeAlias: _type_alias,
        cst.Expr: _expression,
        cst.Assign: _assign,
        cst.AugAssign: _augmented,
        cst.AnnAssign: _annotated,
        cst.Return: _return,
        cst.Raise: _raise,
        cst.Assert: _assert,
        cst.Del: _del,
        cst.Import: _import,
        cst.ImportFrom: _import,
        cst.If: _if,
        cst.While: _if,
        cst.For: _for,
        cst.Try: _try,
        cst.TryStar: _try,
        cst.ExceptHandler: _except,
        cst.ExceptStarHandler: _except,
        cst.With: _with,
        cst.Match: _match,
    }


def _function(node: Any, twin: Any, todo: Todo) -> None:
    _decorators(node, twin, todo)
    parameters(node.params, twin.args, todo)
    if node.returns is not None:
        todo.append((node.returns.annotation, twin.returns))
    _type_parameters(node, twin, todo)
    body(node.body.body, twin.body, todo)


def _class(node: Any, twin: Any, todo: Todo) -> None:
    _decorators(node, twin, todo)
    arguments((*node.bases, *node.keywords), twin.bases, twin.keywords, todo)
    _type_parameters(node, twin, todo)
    body(node.body.body, twin.body, todo)


def _decorators(node: Any, twin: Any, todo: Todo) -> None:
    for decorator, expression in zip(node.decorators, twin.decorator_list, strict=True):
        todo.append((decorator.decorator, expression))


def _type_parameters(node: Any, twin: Any, todo: Todo) -> None:
    if node.type_parameters is None:
        return
    for parameter, other in zip(node.type_parameters.params, twin.type_params, strict=True):
        some(getattr(parameter.param, "bound", None), getattr(other, "bound", None), todo)
        default = parameter.default
        if default is not None:
            value = other.default_value
            todo.append((default, value.value if parameter.star else value))


def _type_alias(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.name, twin.name))
    todo.append((node.value, twin.value))
    _type_parameters(node, twin, todo)


def _expression(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.value, twin.value))


def _assign(node: Any, twin: Any, todo: Todo) -> None:
    for target, value in zip(node.targets, twin.targets, strict=True):
        todo.append((target.target, value))
    todo.append((node.value, twin.value))


def _annotated(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.target, twin.target))
    todo.append((node.annotation.annotation, twin.annotation))
    some(node.value, twin.value, todo)


def _return(node: Any, twin: Any, todo: Todo) -> None:
    some(node.value, twin.value, todo)


def _raise(node: Any, twin: Any, todo: Todo) -> None:
    some(node.exc, twin.exc, todo)
    if node.cause is not None:
        todo.append((node.cause.item, twin.cause))


def _assert(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.test, twin.test))
    some(node.msg, twin.msg, todo)


def _del(node: Any, twin: Any, todo: Todo) -> None:
    target = node.target
    if type(target) is cst.Tuple and not target.lpar:
        for element, value in zip(target.elements, twin.targets, strict=True):
            todo.append((element.value, value))
    else:
        every((target,), twin.targets, todo)


def _import(node: Any, twin: Any, todo: Todo) -> None:
    if type(node.names) is not cst.ImportStar:
        every(node.names, twin.names, todo)


def _if(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.test, twin.test))
    body(node.body.body, twin.body, todo)
    branch(node.orelse, twin.orelse, todo)


def _for(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.target, twin.target))
    todo.append((node.iter, twin.iter))
    body(node.body.body, twin.body, todo)
    branch(node.orelse, twin.orelse, todo)


def _try(node: Any, twin: Any, todo: Todo) -> None:
    body(node.body.body, twin.body, todo)
    every(node.handlers, twin.handlers, todo)
    branch(node.orelse, twin.orelse, todo)
    branch(node.finalbody, twin.finalbody, todo)


def _except(node: Any, twin: Any, todo: Todo) -> None:
    if (
        type(twin.type) is ast.Tuple and type(node.type) is not cst.Tuple
    ):  # `except A,:`, which LibCST reads without its comma
        raise Mismatch
    some(node.type, twin.type, todo)
    body(node.body.body, twin.body, todo)


def _with(node: Any, twin: Any, todo: Todo) -> None:
    for item, other in zip(node.items, twin.items, strict=True):
        todo.append((item.item, other.context_expr))
        if item.asname is not None:
            todo.append((item.asname.name, other.optional_vars))
    body(node.body.body, twin.body, todo)


def _match(node: Any, twin: Any, todo: Todo) -> None:
    subject = node.subject
    todo.append((subject, twin.subject))
    for case, other in zip(node.cases, twin.cases, strict=True):
        _pattern(case.pattern, other.pattern, todo)
        some(case.guard, other.guard, todo)
        body(case.body.body, other.body, todo)


def _augmented(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.target, twin.target))
    todo.append((node.value, twin.value))


def _pattern(node: Any, twin: Any, todo: Todo) -> None:
    """Only the expressions in a pattern are paired: values, keys and classes."""
    waiting = [(node, twin)]
    while waiting:
        node, twin = waiting.pop()
        kind = type(node)
        if kind is cst.MatchValue:
            todo.append((node.value, twin.value))
        elif kind is cst.MatchSingleton:
            todo.append((node.value, twin))
        elif kind in {cst.MatchList, cst.MatchTuple}:
            waiting.extend(_starless(node.patterns, twin.patterns))
        elif kind is cst.MatchMapping:
            for element, key, other in zip(node.elements, twin.keys, twin.patterns, strict=True):
                todo.append((element.key, key))
                waiting.append((element.pattern, other))
        elif kind is cst.MatchClass:
            todo.append((node.cls, twin.cls))
            waiting.extend(_starless(node.patterns, twin.patterns))
            waiting.extend(zip((element.pattern for element in node.kwds), twin.kwd_patterns, strict=True))
        elif kind is cst.MatchOr:
            waiting.extend(zip((element.pattern for element in node.patterns), twin.patterns, strict=True))
        elif kind is cst.MatchAs and node.pattern is not None:
            waiting.append((node.pattern, twin.pattern))


def _starless(nodes: Sequence[Any], twins: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    for node, twin in zip(nodes, twins, strict=True):
        if type(node) is not cst.MatchStar:
            yield node.value, twin
