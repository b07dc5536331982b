"""TL507."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.findings import Confidence, Oracle, Problem, Related, Severity
from threadlint.project.locks.locks import text
from threadlint.project.project import Project
from threadlint.project.signals.parties import Gathering
from threadlint.rules.rule import rule

_NAMES = {"threads": "thread", "processes": "process", "tasks": "task"}


@rule("TL507", since="0.1", severity=Severity.ERROR, confidence=Confidence.HIGH, oracle=Oracle.BARRIER)
def barrier_parties_mismatch(project: Project) -> Iterator[Problem]:
    """A barrier waits for more threads than ever come at the same time.

    ## Why is this bad?

    `Barrier(8)` lets nobody through until eight threads wait at it. On a pool with four workers the first four wait there, each keeps its worker busy, and the other four
    jobs never start. With a number that does not divide the number of threads, the last ones wait for ever.

    Take both numbers from one name, and give the barrier a timeout: then a mistake is a `BrokenBarrierError`, not a program that stands still.

    ## Example

    ```python
    import threading
    from concurrent.futures import ThreadPoolExecutor

    barrier = threading.Barrier(8)


    def step(number: int) -> None:
        print(number, "reads")
        barrier.wait()  # expect: TL507
        print(number, "writes")


    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(step, range(8)))
    ```

    ## Use instead

    ```python
    import threading
    from concurrent.futures import ThreadPoolExecutor

    WORKERS = 4
    barrier = threading.Barrier(WORKERS, timeout=60)


    def step(number: int) -> None:
        print(number, "reads")
        barrier.wait()
        print(number, "writes")


    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        list(pool.map(step, range(WORKERS)))
    ```

    ## Known limits

    - Both numbers must stand in the program: as numbers, names of numbers, sums of them, or lengths of what is written there.
    - All who wait must be started by one function; that function counts when it waits too. Starts under a condition are not counted.
    - A pool without a size has 5 to 32 workers, by the number of processors; more parties than 5 are reported with less confidence.
    """
    for found in project.signals.gatherings:
        yield from _workers(project, found) if found.workers is not None else _started(project, found)


def _workers(project: Project, found: Gathering) -> Iterator[Problem]:
    """More parties than the pool has workers."""
    pool = found.workers
    assert pool is not None
    if found.parties <= pool.least + found.itself:
        yield from _started(project, found)
        return
    sure = found.parties > pool.most + found.itself
    size = (
        f"{pool.most} workers"
        if pool.least == pool.most
        else f"{pool.least} to {pool.most} workers, by the number of processors"
    )
    size = "1 worker" if pool.least == pool.most == 1 else size
    if found.itself:
        size += " besides this thread"
    yield _problem(
        project,
        found,
        f"needs {found.parties} threads at the same time, and the pool has {size}",
        Related(project.site(pool.func, pool.call.span), "the pool is made here"),
        sure=sure,
    )


def _started(project: Project, found: Gathering) -> Iterator[Problem]:
    """More parties than threads, or threads left over."""
    if found.started is None:
        return
    coming = found.started + found.itself
    what = _NAMES[found.waits[0].type.world]
    func, span = found.starts[0]
    start = Related(
        project.site(func, span), f"{_count(found.started, what)} {'is' if found.started == 1 else 'are'} started here"
    )
    itself = ", this one included" if found.itself else ""
    if coming < found.parties:
        yield _problem(
            project,
            found,
            f"needs {found.parties} {_plural(what)}, and {_count(coming, what)} {'comes' if coming == 1 else 'come'}{itself}",
            start,
        )
    elif found.once and coming % found.parties:
        left = coming % found.parties
        yield _problem(
            project,
            found,
            f"lets {found.parties} {_plural(what)} through at a time, and {coming} come{itself}; the last {left} never {'gets' if left == 1 else 'get'} through",
            start,
        )


def _plural(what: str) -> str:
    return what + ("es" if what.endswith("s") else "s")


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {_plural(what)}"


def _problem(project: Project, found: Gathering, message: str, related: Related, *, sure: bool = True) -> Problem:
    wait = found.waits[0]
    sites = [project.site(one.func, one.call.span) for one in found.waits]
    harm = "`wait()` ends with BrokenBarrierError" if found.limited else "`wait()` never returns"
    return Problem(
        sites[0],
        f"`{text(wait.receiver)}` {message}; {harm}",
        (Related(project.site(found.made, found.call.span), "the barrier is made here"), related),
        confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
        severity=Severity.WARNING if found.limited or not sure else Severity.ERROR,
        partners=tuple(sites[1:]),
        provable=not found.limited and wait.type.world == "threads",
    )
