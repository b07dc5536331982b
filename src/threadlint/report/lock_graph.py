"""The lock-order graph for people: as text, for Graphviz, and for Mermaid."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from click import style

from threadlint.findings import Site
from threadlint.project.deadlocks.lock_graph import LockGraph, Order, Taking
from threadlint.project.deadlocks.lock_order import Harmless
from threadlint.report.excerpt import visible

NO_LOCKS = "no locks: the program takes none that threadlint knows of"


class GraphFormat(str, Enum):
    """The ways to write a graph."""

    TEXT = "text"
    DOT = "dot"
    MERMAID = "mermaid"


def render(graph: LockGraph, kind: GraphFormat, *, color: bool = False) -> Iterator[str]:
    """The lines of the graph, without their newlines; only text has colours."""
    if kind is GraphFormat.DOT:
        return dot(graph)
    if kind is GraphFormat.MERMAID:
        return mermaid(graph)
    return text(graph, color=color)


def text(graph: LockGraph, *, color: bool) -> Iterator[str]:
    """How many there are, the cycles, each order with the places where it is taken, and the locks."""
    if not graph.known:
        yield NO_LOCKS
        return
    if not graph.orders:
        yield f"{_count(graph.known, 'lock')}, none of them taken while another is held, so no cycle"
        return
    yield ", ".join(
        (
            _count(graph.known, "lock"),
            _count(len(graph.orders), "order"),
            _count(len(graph.cycles), "cycle") if graph.cycles else "no cycle",
        )
    )
    for number, cycle in enumerate(graph.cycles, 1):
        yield ""
        ring = " -> ".join((*cycle.locks, cycle.locks[0]))
        yield _marked(f"cycle {number}: {visible(ring)}", color=color)
        yield f"  {visible(_among(cycle.functions))} can wait for each other"
    for order in graph.orders:
        yield ""
        yield from _order(order, color=color)
    for pair in graph.harmless:
        yield ""
        why = f"always under {', '.join(pair.gates)}" if pair.gates else "under a common lock"
        why = "never in parallel" if pair.why is Harmless.APART else why
        yield visible(f"no deadlock: {pair.locks[0]} and {pair.locks[1]} are taken in both orders, but {why}")
    yield ""
    yield "locks:"
    for lock in graph.locks:
        yield f"  {visible(lock.name)}" + (f" ({_place(lock.made)})" if lock.made else "")


def dot(graph: LockGraph) -> Iterator[str]:
    """For Graphviz: `dot -Tsvg`; orders that are part of a cycle are red."""
    yield "digraph locks {"
    yield '  node [shape=box, fontname="sans-serif"];'
    for lock in graph.locks:
        yield f"  {_quoted(lock.name)}" + (f" [tooltip={_quoted(_place(lock.made))}];" if lock.made else ";")
    for order in graph.orders:
        red = ", color=red, fontcolor=red" if order.cycles else ""
        yield f"  {_quoted(order.first)} -> {_quoted(order.second)} [label={_quoted(_label(order))}{red}];"
    yield "}"


def mermaid(graph: LockGraph) -> Iterator[str]:
    """For Markdown that shows Mermaid; orders that are part of a cycle are thick and red."""
    yield "flowchart LR"
    names = {lock.name: f"l{number}" for number, lock in enumerate(graph.locks)}
    for lock in graph.locks:
        yield f'  {names[lock.name]}["{_entities(lock.name)}"]'
    red = []
    for number, order in enumerate(graph.orders):
        arrow = "==>" if order.cycles else "-->"
        yield f'  {names[order.first]} {arrow}|"{_entities(_label(order))}"| {names[order.second]}'
        red += [str(number)] if order.cycles else []
    if red:
        yield f"  linkStyle {','.join(red)} stroke:red"


def _order(order: Order, *, color: bool) -> Iterator[str]:
    cycles = f"  (cycle {', '.join(map(str, order.cycles))})" if order.cycles else ""
    twice = "  (again, or of another object)" if order.first == order.second else ""
    head = visible(f"{order.first} -> {order.second}{twice}{cycles}")
    yield _marked(head, color=color) if order.cycles else head
    first, *others = order.takings
    yield from _taking(order, first)
    if others:
        places = list(dict.fromkeys(f"`{taking.function}` ({_place(taking.taken)})" for taking in others))
        shown = ", ".join(places[:3])
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        yield visible(f"  also in {shown}{more}")


def _taking(order: Order, taking: Taking) -> Iterator[str]:
    steps: list[tuple[Site, str]] = [(taking.held, f"`{taking.function}` takes {order.first}")]
    steps += [(site, f"`{function}` calls on from here, holding it") for function, site in taking.calls]

    steps.append((taking.taken, f"{order.second} is taken, holding it"))
    width = max(len(_place(site)) for site, _ in steps)
    for site, message in steps:
        yield visible(f"  {_place(site):<{width}}  {message}")


def _label(order: Order) -> str:
    taking = order.takings[0]
    more = f" and {len(order.takings) - 1} more" if len(order.takings) > 1 else ""
    return f"{taking.function} ({taking.taken.path}:{taking.taken.line}){more}"


def _among(functions: tuple[str, ...]) -> str:
    names = list(dict.fromkeys(f"`{name}`" for name in functions))
    if len(names) == 1:
        return f"threads in {names[0]}"
    return f"threads in {', '.join(names[:-1])} and {names[-1]}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _place(site: Site) -> str:
    return f"{site.path}:{site.line}:{site.column}"


def _quoted(name: str) -> str:
    return '"' + visible(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entities(name: str) -> str:
    return "".join(f"#{ord(one)};" if one in '"#<>&' else one for one in visible(name))


def _marked(line: str, *, color: bool) -> str:
    return style(line, fg="red", bold=True) if color else line
