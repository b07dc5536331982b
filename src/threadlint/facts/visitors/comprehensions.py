"""Comprehensions, generator expressions and assignment expressions: expressions that bind names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from threadlint.facts.model import Derived, Loop, LoopKind, Many, ManyKind, Value
from threadlint.facts.visitors.expressions import made
from threadlint.facts.visitors.scopes import target_names
from threadlint.facts.visitors.stores import store, targets
from threadlint.facts.visitors.walk import Walk


def _comprehension(kind: ManyKind) -> Callable[[Walk, Any], Value]:
    def comprehension(walk: Walk, node: Any) -> Value:
        walk.frame.inner_names.append(_comprehension_names(node.for_in))
        try:
            item, key = _comp_for(walk, node, node.for_in, "generator" if kind == "generator" else "comprehension")
        finally:
            walk.frame.inner_names.pop()
        return Many(kind, (item,), repeated=True, keys=made(key))

    return comprehension


def _comprehension_names(loop: cst.CompFor | None) -> set[str]:
    names: set[str] = set()
    while loop is not None:
        names.update(target_names(loop.target))
        loop = loop.inner_for_in
    return names


def _comp_for(walk: Walk, node: Any, loop: cst.CompFor, kind: LoopKind) -> tuple[Value, Value | None]:
    """The value of an item, and of its key in a dict."""
    frame = walk.frame
    key: Value | None = None
    source = walk.value(loop.iter)
    frame.switch_point()
    frame.open()
    refs = targets(walk, loop.target, Derived((source,), "item"), "for")
    for test in loop.ifs:
        walk.value(test.test)
    if loop.inner_for_in is not None:
        item, key = _comp_for(walk, node, loop.inner_for_in, kind)
    elif type(node) is cst.DictComp:
        key = walk.value(node.key)
        item = walk.value(node.value)
    else:
        item = walk.value(node.elt)
    body = frame.close()
    frame.switch_point()
    frame.emit(Loop(kind, walk.at(node), source, refs, body, (), loop.asynchronous is not None))
    return item, key


def _named(walk: Walk, node: cst.NamedExpr) -> Value:
    value = walk.value(node.value)
    store(walk, node.target, value, walk.at(node))
    return value


def handlers() -> dict[type, Callable[[Walk, Any], Value]]:
    """The handlers of these expressions, by node type."""
    return {
        cst.ListComp: _comprehension("list"),
        cst.SetComp: _comprehension("set"),
        cst.DictComp: _comprehension("dict"),
        cst.GeneratorExp: _comprehension("generator"),
        cst.NamedExpr: _named,
    }
