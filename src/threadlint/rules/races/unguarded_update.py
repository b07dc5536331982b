"""TL101."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access
from threadlint.findings import Builds, Confidence, Oracle, Problem, Related, Severity
from threadlint.project.guard_names import hold
from threadlint.project.project import Project
from threadlint.project.races.sharing import Race
from threadlint.project.roots.contexts import MAIN
from threadlint.project.routes import quoted, route
from threadlint.rules.rule import rule


@rule("TL101", since="0.1", severity=Severity.ERROR, confidence=Confidence.HIGH, oracle=Oracle.LOST_UPDATE)
def unguarded_update(project: Project) -> Iterator[Problem]:
    """A shared variable is read, changed and written back by several threads without a lock.

    ## Why is this bad?

    `x += 1` is three steps: read `x`, add one, write `x`. When another thread writes between the read and the
    write, its update is lost, and nothing reports it: the total is just too small.

    CPython with a GIL gives up the GIL only after calls, at the start of functions and at the end of loop turns (since 3.10). So
    `x[0] += 1` cannot lose an update there today, while `x[0] += one()` and `d[k] = d.get(k, 0) + 1` do. On free-threaded builds, and on Python 3.9 and
    older, all of them do. The finding says which it is: `builds` is `every` or `free-threaded`.

    Reported are `x += 1`, `x = f(x)` and `t = x; ...; x = g(t)` on module variables, attributes, class attributes, elements of containers and closure variables,
    where the function runs on threads (`submit`, `map`, `Thread`, `Timer`, subclasses of `Thread`), directly or through calls.

    ## Example

    ```python
    from concurrent.futures import ThreadPoolExecutor

    hits = {"n": 0}


    def handle(weight: int) -> None:
        hits["n"] += weight  # expect: TL101


    with ThreadPoolExecutor() as pool:
        list(pool.map(handle, range(8)))
    print(hits["n"])
    ```

    ## Use instead

    ```python
    import threading
    from concurrent.futures import ThreadPoolExecutor

    hits = {"n": 0}
    hits_lock = threading.Lock()


    def handle(weight: int) -> None:
        with hits_lock:
            hits["n"] += weight


    with ThreadPoolExecutor() as pool:
        list(pool.map(handle, range(8)))
    print(hits["n"])
    ```

    ## Fix

    Unsafe, since the lock may be held already, or come in the wrong order: where most accesses hold a lock that has a name here, the statement is put into a `with` block.

    ## Known limits

    - A thread that is started outside the files of the run (by a framework, say) is not seen; `thread-roots` in the configuration names such functions.
    - Two different elements of one container count as one location unless their keys are written the same way and differ per thread.
    - A lock whose type cannot be found counts as a lock where its name says so.
    """
    for race in project.sharing.races():
        if project.counted.of(race) is None:  # else told as TL501
            yield _problem(project, race)


def _problem(project: Project, race: Race) -> Problem:
    first, second = race.first, race.second
    access = first.access
    name = first.location.text
    window = access.window
    related: list[Related] = []
    partners = [project.site(first.func, access.span)]
    if second.access is not access:
        site = project.site(second.func, second.access.span)
        partners.append(site)
        related.append(Related(site, f"also {_does(second.access)} here {_held(project, race)}"))
    elif access.read is not None and access.form == "carried":
        related.append(Related(project.site(first.func, access.read), "the old value is read here"))
    related += [Related(project.site(spawn.func, spawn.span), spawn.story) for spawn in race.roots[:2]]
    tail = "updates can be lost" if window else "updates can be lost on free-threaded builds"
    who = "the main thread and a thread" if race.with_main else "several threads"
    lock = f"holding only {_names(project, first.held)}" if first.held else "without a lock"
    return Problem(
        project.site(first.func, access.span),
        f"`{name}` is read, changed and written back by {who} {lock}; {tail}",
        tuple(related),
        Confidence.MEDIUM if race.with_main or any(spawn.assumed for spawn in race.roots) else Confidence.HIGH,
        Severity.ERROR if window or _without_gil(project) else Severity.WARNING,
        Builds.EVERY if window else Builds.FREE_THREADED,
        tuple(partners),
        _why(project, race),
        fix=hold(project, access.ref, first.func, *((access.read,) if access.read else ()), access.span),
    )


def _without_gil(project: Project) -> bool:
    """Whether the code is meant for builds that can switch threads between any two bytecodes: free-threaded ones, and Python 3.9 and older."""
    target = project.config.target_version
    return project.config.free_threaded or (target is not None and target < (3, 10))


def _does(access: Access) -> str:
    return {"augmented": "updated", "assigned": "updated", "carried": "updated", "deleted": "deleted"}.get(
        access.form, "written"
    )


def _held(project: Project, race: Race) -> str:
    return f"while {_names(project, race.second.held)} is held" if race.second.held else "without a lock"


def _names(project: Project, keys: frozenset[str]) -> str:
    return ", ".join(f"`{project.lock_text(key)}`" for key in sorted(keys))


def _why(project: Project, race: Race) -> tuple[Related, ...]:
    """For both accesses: the root, the calls that lead from it to the access, and the locks held there."""
    steps: list[Related] = []
    for touch in dict.fromkeys((race.first, race.second)):
        in_main = race.with_main and (not touch.roots & ~MAIN or touch is race.main_side)
        steps.extend(route(project, touch.context, main=in_main))
        locks = f"holding {_names(project, touch.held)}" if touch.held else "holding no lock"
        site = project.site(touch.func, touch.access.span)
        steps.append(
            Related(site, f"`{touch.location.text}` is {_does(touch.access)} in {quoted(touch.func)}, {locks}")
        )
    if race.second.access is race.first.access:
        steps.append(Related(steps[-1].site, "another thread can do the same in between"))
    return tuple(steps)
