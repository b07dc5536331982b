"""Control flow: branches, loops, `with`, `try`, `match`, and the statements that leave a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from threadlint.facts.model import (
    UNKNOWN,
    Assert,
    Const,
    Derived,
    Handler,
    If,
    Jump,
    JumpKind,
    Loop,
    Many,
    Match,
    Node,
    Try,
    Value,
    With,
    WithItem,
)
from threadlint.facts.visitors import stores
from threadlint.facts.visitors.expressions import discarded, returned
from threadlint.facts.visitors.scopes import pattern_names
from threadlint.facts.visitors.walk import Walk


def _expression(walk: Walk, node: cst.Expr) -> None:
    discarded(walk, node.value)


def _return(walk: Walk, node: cst.Return) -> None:
    value = returned(walk, node.value) if node.value is not None else None
    walk.frame.emit(Jump("return", walk.at(node), value))


def _raise(walk: Walk, node: cst.Raise) -> None:
    value = walk.value(node.exc) if node.exc is not None else None
    if node.cause is not None:
        walk.value(node.cause.item)
    walk.frame.emit(Jump("raise", walk.at(node), value))


def _jump(kind: JumpKind) -> Callable[[Walk, Any], None]:
    def jump(walk: Walk, node: cst.Break | cst.Continue) -> None:
        walk.frame.emit(Jump(kind, walk.at(node)))

    return jump


def _assert(walk: Walk, node: cst.Assert) -> None:
    test = walk.value(node.test)
    if node.msg is not None:
        walk.value(node.msg)
    walk.frame.emit(Assert(walk.at(node), test))


def _if(walk: Walk, node: cst.If) -> None:
    frame = walk.frame
    test = walk.value(node.test)
    body = walk.block(node.body.body)
    frame.open()
    if type(node.orelse) is cst.If:
        _if(walk, node.orelse)
    elif node.orelse is not None:
        walk.body(node.orelse.body.body)
    frame.emit(If(walk.at(node), test, body, frame.close()))


def _while(walk: Walk, node: cst.While) -> None:
    frame = walk.frame
    frame.open()
    test = walk.value(node.test)
    walk.body(node.body.body)
    body = frame.close()
    frame.switch_point()
    orelse = walk.block(node.orelse.body.body) if node.orelse is not None else ()
    frame.emit(Loop("while", walk.at(node), test, (), body, orelse))


def _for(walk: Walk, node: cst.For) -> None:
    frame = walk.frame
    source = walk.value(node.iter)
    frame.open()
    refs = stores.targets(walk, node.target, Derived((source,), "item"), "for")
    walk.body(node.body.body)
    body = frame.close()
    frame.switch_point()
    orelse = walk.block(node.orelse.body.body) if node.orelse is not None else ()
    frame.emit(Loop("for", walk.at(node), source, refs, body, orelse, node.asynchronous is not None))


def _with(walk: Walk, node: cst.With) -> None:
    frame = walk.frame
    items: list[WithItem] = []
    bound: list[tuple[cst.CSTNode, Value]] = []
    for item in node.items:
        value = walk.value(item.item)
        frame.switch_point()
        target = None
        if item.asname is not None:
            bound.append((item.asname.name, value))
            if type(item.asname.name) is cst.Name:
                target = walk.resolve(item.asname.name.value)
        items.append(WithItem(walk.at(item.item), value, target))
    frame.open()
    for name, value in bound:
        stores.targets(walk, name, Derived((value,), "enter"), "with")
    walk.body(node.body.body)
    body = frame.close()
    frame.switch_point()
    frame.emit(With(walk.at(node), tuple(items), body, node.asynchronous is not None))


def _try(walk: Walk, node: cst.Try | cst.TryStar) -> None:
    body = walk.block(node.body.body)
    handlers = tuple(_handler(walk, handler) for handler in node.handlers)
    orelse = walk.block(node.orelse.body.body) if node.orelse is not None else ()
    final = walk.block(node.finalbody.body.body) if node.finalbody is not None else ()
    walk.frame.emit(Try(walk.at(node), body, handlers, orelse, final))


def _handler(walk: Walk, node: cst.ExceptHandler | cst.ExceptStarHandler) -> Handler:
    frame = walk.frame
    types: tuple[Value, ...] = ()
    if node.type is not None:
        value = walk.value(node.type)
        types = value.items if type(value) is Many else (value,)
    frame.open()
    name = ""
    if node.name is not None and type(node.name.name) is cst.Name:
        name = node.name.name.value
        stores.bind(walk, name, UNKNOWN, walk.at(node), "except")
    walk.body(node.body.body)
    return Handler(walk.at(node), types, frame.close(), name)


def _match(walk: Walk, node: cst.Match) -> None:
    frame = walk.frame
    subject = walk.value(node.subject)
    cases: list[tuple[Node, ...]] = []
    exhaustive = False
    for case in node.cases:
        frame.open()
        for name in pattern_names(case.pattern):
            stores.bind(walk, name, Derived((subject,), "item"), walk.at(node.subject), "for")
        if case.guard is not None:
            walk.value(case.guard)
        walk.body(case.body.body)
        cases.append(frame.close())
        exhaustive = case.guard is None and isinstance(case.pattern, cst.MatchAs) and case.pattern.pattern is None
    frame.emit(Match(walk.at(node), subject, tuple(cases), exhaustive))


def true_test(value: Value) -> bool:
    """`while True:` and its like."""
    return isinstance(value, Const) and bool(value.value)


def handlers() -> dict[type, Callable[[Walk, Any], None]]:
    """The handlers of statements, by node type; imports are taken by the scopes beforehand."""
    return {
        cst.Expr: _expression,
        cst.Return: _return,
        cst.Raise: _raise,
        cst.Break: _jump("break"),
        cst.Continue: _jump("continue"),
        cst.Assert: _assert,
        cst.If: _if,
        cst.While: _while,
        cst.For: _for,
        cst.With: _with,
        cst.Try: _try,
        cst.TryStar: _try,
        cst.Match: _match,
    }
