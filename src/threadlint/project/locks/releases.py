"""Who lets locks go: locks that one function acquires and another releases, and locks that nobody releases."""

from __future__ import annotations

from collections import defaultdict

from threadlint.facts.model import Ref, Value, With, walk
from threadlint.project.locks.locks import Locks
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func


def handed_over(links: Links, locks: Locks) -> frozenset[str]:
    """Keys of the locks that some function releases without having acquired them."""
    taken: dict[str, set[str]] = defaultdict(set)
    released: dict[str, set[str]] = defaultdict(set)
    for name, keys in (("acquire", taken), ("release", released)):
        for func, call in links.mentions.calls((name,)):
            lock = locks.of(call.callee.receiver, func) if isinstance(call.callee, Ref) and call.callee.path else None
            if lock is not None:
                keys[func.id].add(lock.key)
    return frozenset(key for func_id, keys in released.items() for key in keys - taken[func_id])


def let_go(links: Links, locks: Locks) -> frozenset[str]:
    """Keys of the locks that something lets go: a `release()` or the end of a `with`."""
    named: list[tuple[Value, Func]] = [
        (call.callee.receiver, func)
        for func, call in links.mentions.calls(("release",))
        if isinstance(call.callee, Ref) and call.callee.path
    ]
    named += [
        (item.value, func)
        for func in links.mentions.having(With)
        for node in walk(func.facts.body)
        if type(node) is With
        for item in node.items
    ]
    return frozenset(lock.key for value, func in named if (lock := locks.of(value, func)) is not None)
