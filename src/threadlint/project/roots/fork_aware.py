"""Locks that code which expects to be forked acquires in the child: another thread may have held them at the fork."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Compare, If, Ref, Root, Span, walk
from threadlint.project.locks.acquires import Acquire, Acquires
from threadlint.project.locks.lock_calls import parts
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func
from threadlint.project.names.types import Types
from threadlint.project.roots.child_only import ChildOnly, callers, process_numbers


@dataclass(frozen=True, slots=True)
class Inherited:
    """`func` compares the number of the process with one that it remembers, at `asks`, and waits for a lock that nobody makes new after a fork."""

    func: Func
    asks: Span
    acquire: Acquire


def inherited_locks(
    links: Links, types: Types, acquires: Acquires, steps: Callable[[Func], list[Step]], child_only: ChildOnly
) -> Iterator[Inherited]:
    """Every such lock, once for each function."""
    # unsound: a package that prepares for forks is taken to do so for all of its locks
    prepared = {_package(func) for func in callers(links, "register_at_fork")}
    for func in callers(links, "getpid"):
        asks = _asks(func, links, types) if _package(func) not in prepared else None
        if asks is None:
            continue
        seen: set[str] = set()
        for step in steps(func):
            if child_only.never(func, step):
                continue
            for acquire in acquires.own(func, step):
                lock = acquire.lock
                threads = lock.known and lock.excludes and not lock.each and lock.kind.world == "threads"
                if threads and lock.key not in seen and not _renewed(acquire, links):
                    seen.add(lock.key)
                    yield Inherited(func, asks, acquire)


def _package(func: Func) -> str:
    return func.module.name.partition(".")[0]


def _asks(func: Func, links: Links, types: Types) -> Span | None:
    """Where a condition compares `os.getpid()` with something."""
    numbers = process_numbers(func, links, types)
    if not numbers:
        return None
    for node in walk(func.facts.body):
        if isinstance(node, If):
            for part in parts(node.test):
                if isinstance(part, Compare) and {part.left, part.right} & numbers:
                    return node.span
    return None


def _renewed(acquire: Acquire, links: Links) -> bool:
    """Whether the lock's attribute or variable gets its value anywhere but where the object, or the module, begins."""
    value = acquire.value
    if not isinstance(value, Ref):
        return True
    if value.path:
        return any(where.facts.name != "__init__" for where, _ in links.attributes.get(value.path[-1], ()))
    return value.root != Root.GLOBAL or any(
        not where.is_module for where, _ in links.bindings.get((acquire.func.module.name, value.name), ())
    )
