"""Who lets locks go: locks that one function acquires and another releases, and locks that nobody releases."""

from __future__ import annotations

from collections.abc import Callable

from threadlint.facts.model import Call, Ref, Value, With
from threadlint.project.locks.locks import Locks, Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func


def handed_over(links: Links, locks: Locks) -> frozenset[str]:
    """Keys of the locks that some function releases without having acquired them."""
    found: set[str] = set()
    for func in links.ordered():
        taken: set[str] = set()
        released: set[str] = set()
        for call in links.calls[func.id].values():
            if isinstance(call.callee, Ref) and call.callee.path[-1:] in (("release",), ("acquire",)):
                lock = locks.of(call.callee.receiver, func)
                if lock is not None:
                    (taken if call.callee.path[-1] == "acquire" else released).add(lock.key)
        found |= released - taken
    return frozenset(found)


def let_go(links: Links, locks: Locks, steps: Callable[[Func], list[Step]]) -> frozenset[str]:
    """Keys of the locks that something lets go: a `release()` or the end of a `with`."""
    found: set[str] = set()
    for func in links.ordered():
        for step in steps(func):
            node = step.node
            values: tuple[Value, ...] = ()
            if isinstance(node, With):
                values = tuple(item.value for item in node.items)
            elif isinstance(node, Call) and isinstance(node.callee, Ref) and node.callee.path[-1:] == ("release",):
                values = (node.callee.receiver,)
            found |= {lock.key for value in values if (lock := locks.of(value, func)) is not None}
    return frozenset(found)
