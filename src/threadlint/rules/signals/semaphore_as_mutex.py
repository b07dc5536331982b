"""TL501."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.findings import Builds, Confidence, Oracle, Problem, Related, Severity
from threadlint.project.locks.locks import Held, text
from threadlint.project.project import Project
from threadlint.project.races.breakable_checks import Broken
from threadlint.project.races.sharing import Race
from threadlint.project.routes import route
from threadlint.rules.rule import rule


@rule("TL501", since="0.1", severity=Severity.ERROR, confidence=Confidence.HIGH, oracle=Oracle.LOST_UPDATE)
def semaphore_as_mutex(project: Project) -> Iterator[Problem]:
    """Shared data is changed under a semaphore that lets several threads in.

    ## Why is this bad?

    `Semaphore(4)` limits how many threads are inside at the same time: to four. Those four can all be between the read and the write of `hits["n"] += 1`, and updates are lost.
    Only a semaphore with the value 1 is a lock.

    Keep the semaphore for what has to be limited (connections, open files), and take a `Lock` around the change.

    ## Example

    ```python
    import threading

    gate = threading.Semaphore(4)
    hits = {"n": 0}


    def fetch(weight: int) -> None:
        with gate:
            hits["n"] = hits.get("n", 0) + weight  # expect: TL501


    threads = [threading.Thread(target=fetch, args=(1,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(hits["n"])
    ```

    ## Use instead

    ```python
    import threading

    gate = threading.Semaphore(4)
    hits = {"n": 0}
    hits_lock = threading.Lock()


    def fetch(weight: int) -> None:
        with gate, hits_lock:
            hits["n"] = hits.get("n", 0) + weight


    threads = [threading.Thread(target=fetch, args=(1,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(hits["n"])
    ```

    ## Known limits

    - The number must stand in the program; a semaphore with an unknown number is not a lock either, and what is changed under it is TL101's.
    - Tasks on one event loop, under `asyncio.Semaphore`, are left to the rules on `await`.
    """
    for race in project.sharing.races():
        held = project.counted.of(race)
        if held is not None:
            yield _lost(project, race, held)
    for broken in project.breakable_checks:
        held = project.counted.at(broken.check.act)
        if held is not None:
            yield _not_one_step(project, broken, held)


def _told(held: Held) -> str:
    return f"`{held.lock.text}` lets {held.lock.permits} threads in at a time"


def _lost(project: Project, race: Race, held: Held) -> Problem:
    first, second = race.first, race.second
    site = project.site(first.func, first.access.span)
    partners = [site]
    related = [Related(project.site(held.func, held.span), "the semaphore is taken here")]
    if second.access is not first.access:
        partners.append(project.site(second.func, second.access.span))
        related.append(Related(partners[-1], "also changed here"))
    related += [Related(project.site(spawn.func, spawn.span), spawn.story) for spawn in race.roots[:2]]
    window = first.access.window
    free = project.config.free_threaded
    return Problem(
        site,
        f"{_told(held)}; it does not protect `{first.location.text}`: updates can be lost{'' if window else ' on free-threaded builds'}",
        tuple(related),
        Confidence.MEDIUM if race.with_main or any(spawn.assumed for spawn in race.roots) else Confidence.HIGH,
        Severity.ERROR if window or free else Severity.WARNING,
        Builds.EVERY if window else Builds.FREE_THREADED,
        tuple(partners),
        (*route(project, first.context, main=False), Related(site, f"`{first.location.text}` is changed here")),
    )


def _not_one_step(project: Project, broken: Broken, held: Held) -> Problem:
    check = broken.check
    site, test = project.site(check.func, broken.span), project.site(check.func, check.condition.span)
    return Problem(
        site,
        f"{_told(held)}; the test of `{text(check.condition.ref)}` and this action are not one step: {broken.harm}",
        (
            Related(test, "tested here"),
            Related(project.site(held.func, held.span), "the semaphore is taken here"),
            *(Related(project.site(spawn.func, spawn.span), spawn.story) for spawn in broken.roots[:2]),
        ),
        Confidence.MEDIUM,
        partners=(site, test),
    )
