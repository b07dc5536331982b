"""The lock-order graph as plain data for people: locks, the orders in which they are taken, and the rings among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Span
from threadlint.findings import Site
from threadlint.project.deadlocks.lock_order import Edge, Harmless, LockOrder
from threadlint.project.locks.titles import Title, Titles
from threadlint.project.names.things import Func

Place = Callable[[Func, Span], Site]


@dataclass(frozen=True, slots=True)
class LockNode:
    """A lock: its name, which is like no other's, and where it is made (None where that is not one place)."""

    name: str
    made: Site | None


@dataclass(frozen=True, slots=True)
class Taking:
    """One way in which the second lock of an order is taken while the first is held."""

    function: str
    held: Site
    calls: tuple[tuple[str, Site], ...]
    """the calls that lead from the holder to the acquire: who calls, and where"""
    taken: Site


@dataclass(frozen=True, slots=True)
class Order:
    """The locks `first` and `second` are taken in this order; `cycles` are the numbers, from 1, of the cycles that it is part of."""

    first: str
    second: str
    takings: tuple[Taking, ...]
    cycles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Cycle:
    """Locks in a ring, and the function that takes the next one with each of them held."""

    locks: tuple[str, ...]
    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HarmlessRing:
    """Locks that are taken in both orders without a deadlock, and why."""

    locks: tuple[str, ...]
    why: Harmless
    gates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockGraph:
    """All of it. `locks` are those that some order joins; `known` is the number of locks that the program takes at all."""

    known: int
    locks: tuple[LockNode, ...]
    orders: tuple[Order, ...]
    cycles: tuple[Cycle, ...]
    harmless: tuple[HarmlessRing, ...]


def lock_graph(order: LockOrder, titles: Titles, site: Place) -> LockGraph:
    """Everything that `order` knows, with names for people."""
    edges = order.edges()
    keys = sorted({key for pair in edges for key in pair} | {gate for edge in _all(edges) for gate in edge.gates})
    names = titles.names(keys)
    found = list(order.cycles())
    orders = []
    for (first, second), takings in edges.items():
        numbers = tuple(
            number
            for number, ring in enumerate(found, 1)
            if any((edge.held.lock.key, edge.taken.lock.key) == (first, second) for edge in ring)
        )
        shown = sorted({_taking(edge, site) for edge in takings}, key=lambda one: (len(one.calls), one.taken))
        orders.append(Order(names[first], names[second], tuple(shown), numbers))
    joined = {key for pair in edges for key in pair}
    nodes = [LockNode(names[key], _made(titles.of(key), site)) for key in keys if key in joined]
    return LockGraph(
        len(order.taken() | joined),
        tuple(sorted(nodes, key=lambda node: node.name)),
        tuple(sorted(orders, key=lambda one: (not one.cycles, one.first, one.second))),
        tuple(_cycle(ring, names) for ring in found),
        tuple(
            HarmlessRing(tuple(names[key] for key in ring), why, tuple(sorted(names[gate] for gate in gates)))
            for ring, why, gates in order.harmless()
        ),
    )


def _all(edges: dict[tuple[str, str], list[Edge]]) -> Iterator[Edge]:
    for takings in edges.values():
        yield from takings


def _taking(edge: Edge, site: Place) -> Taking:
    return Taking(
        edge.func.name,
        site(edge.held.func, edge.held.span),
        tuple((func.name, site(func, span)) for func, span in edge.taken.chain),
        site(edge.taken.func, edge.taken.span),
    )


def _made(title: Title, site: Place) -> Site | None:
    return site(title.func, title.span) if title.func is not None and title.span is not None else None


def _cycle(ring: tuple[Edge, ...], names: dict[str, str]) -> Cycle:
    return Cycle(tuple(names[edge.held.lock.key] for edge in ring), tuple(edge.func.name for edge in ring))
