"""Pairs of expressions, arguments and parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import libcst as cst

from threadlint.facts.pairing.base import Handler, Mismatch, Todo, every, some


def handlers() -> dict[type, Handler]:
    """The handler of each type of expression that has parts, except strings and `and`/`or`."""
    return {
        cst.Tuple: _elements,
        cst.List: _elements,
        cst.Set: _elements,
        cst.Dict: _dict,
        cst.StarredElement: _starred,
        cst.Attribute: _attribute,
        cst.Call: _call,
        cst.Subscript: _subscript,
        cst.Slice: _slice,
        cst.Comparison: _compare,
        cst.BinaryOperation: _binary,
        cst.UnaryOperation: _unary,
        cst.IfExp: _ternary,
        cst.NamedExpr: _walrus,
        cst.Await: _await,
        cst.Yield: _yield,
        cst.GeneratorExp: _comprehension,
        cst.ListComp: _comprehension,
        cst.SetComp: _comprehension,
        cst.DictComp: _dict_comprehension,
        cst.Lambda: _lambda,
        cst.Param: _parameter,
    }


def _elements(node: Any, twin: Any, todo: Todo) -> None:
    for element, value in zip(node.elements, twin.elts, strict=True):
        todo.append((element if type(element) is cst.StarredElement else element.value, value))


def _starred(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.value, twin.value))


def _dict(node: Any, twin: Any, todo: Todo) -> None:
    for element, key, value in zip(node.elements, twin.keys, twin.values, strict=True):
        if key is not None:
            todo.append((element.key, key))
        todo.append((element.value, value))


def arguments(nodes: Iterable[Any], twin_args: list[Any], twin_keywords: list[Any], todo: Todo) -> None:
    """Pair the values of arguments of a call or a class: Python keeps those with a name apart."""
    plain, named = iter(twin_args), iter(twin_keywords)
    for node in nodes:
        if node.keyword is not None or node.star == "**":
            todo.append((node.value, next(named).value))
        else:
            value = next(plain)
            todo.append((node.value, value.value if node.star else value))


def _call(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.func, twin.func))
    if node.args:
        arguments(node.args, twin.args, twin.keywords, todo)


def _attribute(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.value, twin.value))


def _subscript(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.value, twin.value))
    slices = node.slice
    if len(slices) == 1 and type(slices[0].comma) is not cst.Comma and not getattr(slices[0].slice, "star", None):
        _index(slices[0].slice, twin.slice, todo)
        return
    for element, value in zip(slices, twin.slice.elts, strict=True):
        star = getattr(element.slice, "star", None)
        _index(element.slice, value.value if star else value, todo)


def _index(node: Any, twin: Any, todo: Todo) -> None:
    if type(node) is cst.Index:
        todo.append((node.value, twin))
    else:
        todo.append((node, twin))


def _slice(node: Any, twin: Any, todo: Todo) -> None:
    some(node.lower, twin.lower, todo)
    some(node.upper, twin.upper, todo)
    some(node.step, twin.step, todo)


def _compare(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.left, twin.left))
    for target, value in zip(node.comparisons, twin.comparators, strict=True):
        todo.append((target.comparator, value))


def _binary(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.left, twin.left))
    todo.append((node.right, twin.right))


def _unary(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.expression, twin.operand))


def _ternary(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.test, twin.test))
    todo.append((node.body, twin.body))
    todo.append((node.orelse, twin.orelse))


def _walrus(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.target, twin.target))
    todo.append((node.value, twin.value))


def _await(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.expression, twin.value))


def _yield(node: Any, twin: Any, todo: Todo) -> None:
    value = node.value
    some(value.item if type(value) is cst.From else value, twin.value, todo)


def _comprehension(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.elt, twin.elt))
    _clauses(node.for_in, twin.generators, todo)


def _dict_comprehension(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.key, twin.key))
    todo.append((node.value, twin.value))
    _clauses(node.for_in, twin.generators, todo)


def _clauses(node: Any, twins: list[Any], todo: Todo) -> None:
    for twin in twins:
        todo.append((node.target, twin.target))
        todo.append((node.iter, twin.iter))
        for condition, test in zip(node.ifs, twin.ifs, strict=True):
            todo.append((condition.test, test))
        node = node.inner_for_in
    if node is not None:
        raise Mismatch


def _lambda(node: Any, twin: Any, todo: Todo) -> None:
    todo.append((node.body, twin.body))
    parameters(node.params, twin.args, todo)


def parameters(node: Any, twin: Any, todo: Todo) -> None:
    """Pair the parameters of a function and their defaults."""
    plain = (*node.posonly_params, *node.params)
    twins = (*twin.posonlyargs, *twin.args)
    every(plain, twins, todo)
    defaults = [param.default for param in plain if param.default is not None]
    every(defaults, twin.defaults, todo)
    every(node.kwonly_params, twin.kwonlyargs, todo)
    for param, default in zip(node.kwonly_params, twin.kw_defaults, strict=True):
        if default is not None:
            todo.append((param.default, default))
    if type(node.star_arg) is cst.Param:
        todo.append((node.star_arg, twin.vararg))
    some(node.star_kwarg, twin.kwarg, todo)


def _parameter(node: Any, twin: Any, todo: Todo) -> None:
    if twin.annotation is not None:
        annotation = node.annotation.annotation
        star = type(annotation) is not cst.StarredElement and type(twin.annotation) is ast.Starred
        todo.append((annotation, twin.annotation.value if star else twin.annotation))
