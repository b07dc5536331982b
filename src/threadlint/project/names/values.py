"""What a value is made of: walks through the parts of comparisons, logic, displays and computed values."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from threadlint.facts.model import (
    Access,
    Assert,
    Call,
    Compare,
    Derived,
    If,
    Jump,
    Logic,
    Loop,
    Many,
    Node,
    Ref,
    Suspend,
    Value,
    With,
)


def refs(value: Value | None) -> Iterator[Ref]:
    """Every name that the value is made of; calls are named by their results."""
    if type(value) is Ref:
        yield value
        return
    todo = [value]
    while todo:
        one = todo.pop()
        kind = type(one)
        if kind is Ref:
            yield one  # type: ignore[misc]
        elif kind is Many or kind is Logic:
            todo.extend(one.items)  # type: ignore[union-attr]
        elif kind is Derived:
            todo.extend(one.parts)  # type: ignore[union-attr]
        elif kind is Compare:
            todo += [one.left, one.right]  # type: ignore[union-attr]


def mentions(value: Value | None, wanted: Callable[[Ref], bool]) -> bool:
    """Whether some name in the value is wanted."""
    return any(wanted(ref) for ref in refs(value))


def node_refs(node: Node) -> Iterator[Ref]:
    """Every name that a node itself uses, without the blocks inside it."""
    if isinstance(node, Access):
        yield node.ref
        yield from refs(node.value)
    elif isinstance(node, Call):
        for value in (node.callee, *node.args, *(value for _, value in node.keywords)):
            yield from refs(value)
    elif isinstance(node, (Jump, Suspend, Loop)):
        yield from refs(node.value)
    elif isinstance(node, (If, Assert)):
        yield from refs(node.test)
    elif isinstance(node, With):
        for item in node.items:
            yield from refs(item.value)
