"""TL206."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.findings import Confidence, Oracle, Problem, Related, Severity, Site
from threadlint.project.deadlocks.lock_order import Edge
from threadlint.project.project import Project
from threadlint.rules.locks.chains import calls
from threadlint.rules.rule import rule


@rule("TL206", since="0.1", severity=Severity.ERROR, confidence=Confidence.MEDIUM, oracle=Oracle.LOCK_ORDER)
def lock_order_inversion(project: Project) -> Iterator[Problem]:
    """Two locks are taken in one order here and in the other order elsewhere.

    ## Why is this bad?

    One thread holds the first lock and waits for the second; another holds the second and waits for the first. Neither ever goes on. The same happens with
    three or more locks that are taken in a ring. It needs an unlucky moment, so tests seldom show it.

    ## Example

    ```python
    import threading

    accounts = threading.Lock()
    ledger = threading.Lock()
    rows = []


    def debit() -> None:
        with accounts:
            with ledger:  # expect: TL206
                rows.append("debit")


    def audit() -> None:
        with ledger:
            with accounts:
                rows.append("audit")


    threads = [threading.Thread(target=debit), threading.Thread(target=audit)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    Take the locks in one order everywhere, and write the order down where the locks are made.

    ```python
    import threading

    # taken in this order
    accounts = threading.Lock()
    ledger = threading.Lock()
    rows = []


    def debit() -> None:
        with accounts:
            with ledger:
                rows.append("debit")


    def audit() -> None:
        with accounts:
            with ledger:
                rows.append("audit")


    threads = [threading.Thread(target=debit), threading.Thread(target=audit)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Known limits

    - Orders that can only meet under a common outer lock, or in parts of the program that cannot run in parallel, are not reported.
    - Locks of objects are told apart by class and attribute; that two objects never meet in both roles is not seen.
    - A lock that is taken only for some arguments, or only tried, does not count.
    - Locks of `asyncio` count among the tasks of a loop, but an outer lock that only the callers hold is not seen for them. Locks of processes are not followed.
    """
    for ring in project.deadlocks.lock_order.cycles():
        yield _problem(project, _from_the_rarest(project, ring))


def _from_the_rarest(project: Project, ring: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """The ring from the pair that is written least often: the odd one out is the one to change."""
    edges = project.deadlocks.lock_order.edges()

    def rank(number: int) -> tuple[object, ...]:
        edge = ring[number]
        return (len(edges[edge.held.lock.key, edge.taken.lock.key]), edge.func.module.path, edge.span)

    first = min(range(len(ring)), key=rank)
    return ring[first:] + ring[:first]


def _problem(project: Project, ring: tuple[Edge, ...]) -> Problem:
    here, others = ring[0], ring[1:]
    names = project.deadlocks.titles.names(edge.held.lock.key for edge in ring)
    first, second = names[here.held.lock.key], names[here.taken.lock.key]
    tasks = here.held.lock.kind.world == "tasks"
    who = "tasks" if tasks else "threads"
    if len(others) == 1:
        message = (
            f"`{first}` is held while `{second}` is taken here, and the other way round {_where(here, others[0])};"
            f" two {who} can wait for each other"
        )
    else:
        listed = ", ".join(f"`{names[edge.held.lock.key]}`" for edge in ring)
        message = f"{listed} and `{first}` again are taken in a ring; {len(ring)} {who} can wait for each other"
    certain = all(edge.certain for edge in ring)
    return Problem(
        project.site(here.func, here.span),
        message,
        tuple(related for edge in ring for related in _ends(project, edge, names)),
        confidence=Confidence.HIGH if certain else Confidence.MEDIUM,
        partners=(_site(project, here), *(_site(project, edge) for edge in others)),
        why=tuple(step for edge in ring for step in _story(project, edge, names)),
        provable=not tasks,
    )


def _where(here: Edge, other: Edge) -> str:
    if here.func.module is other.func.module:
        return f"at line {other.span[0]}"
    return f"in `{other.func.name}`"


def _ends(project: Project, edge: Edge, names: dict[str, str]) -> tuple[Related, Related]:
    """Where the first lock of a pair is acquired, and where the second."""
    held, taken = edge.held, edge.taken
    first, second = names[held.lock.key], names[taken.lock.key]
    return (
        Related(project.site(held.func, held.span), f"`{edge.func.name}` acquires `{first}` here"),
        Related(project.site(taken.func, taken.span), f"`{second}` is acquired here, with `{first}` held"),
    )


def _story(project: Project, edge: Edge, names: dict[str, str]) -> Iterator[Related]:
    """Both acquisitions of a pair, with the calls between them."""
    first, last = _ends(project, edge, names)
    yield first
    yield from calls(project, edge.taken.chain, edge.taken.func)
    yield last


def _site(project: Project, edge: Edge) -> Site:
    return project.site(edge.taken.func, edge.taken.span)
