"""TL209."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Const, With
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.project.locks.locks import Held
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL209", since="0.1", severity=Severity.WARNING)
def sleep_under_lock(project: Project) -> Iterator[Problem]:
    """A thread sleeps while it holds a lock.

    ## Why is this bad?

    Every thread that needs the lock sleeps too, and the program is as fast as one thread. Usually the sleep is a pause between two attempts, for which the lock is
    not needed.

    ## Example

    ```python
    import threading
    import time

    lock = threading.Lock()
    rows = []


    def fetch(attempts: int) -> None:
        with lock:
            for _ in range(attempts):
                rows.append("try")
                time.sleep(0.01)  # expect: TL209


    def size() -> int:
        with lock:
            return len(rows)


    threading.Thread(target=fetch, args=(3,)).start()
    print(size())
    ```

    ## Use instead

    ```python
    import threading
    import time

    lock = threading.Lock()
    rows = []


    def fetch(attempts: int) -> None:
        for _ in range(attempts):
            with lock:
                rows.append("try")
            time.sleep(0.01)


    def size() -> int:
        with lock:
            return len(rows)


    threading.Thread(target=fetch, args=(3,)).start()
    print(size())
    ```

    ## Fix

    Unsafe, since the lock is free then: a call that ends a `with` block is moved behind it.

    ## Known limits

    - Only `time.sleep()` in the function that holds the lock. Other calls that can take long, such as requests over the network, are often what the lock is for.
    - Where every critical section of the lock sleeps, the lock is there to make callers take turns, and nothing is reported.
    - Locks of processes and of `asyncio` are left alone, and so are tests, which make others wait on purpose.
    """
    sleeps = [
        (func, call, held)
        for func in project.having(Held)
        if not in_tests(func)
        for call, held in _sleeps(project, func)
    ]
    if not sleeps:
        return
    sections = _sections(project, {held.lock.key for _, _, held in sleeps})
    sleeping = {(held.lock.key, held.func.id, held.span) for _, _, held in sleeps}
    for func, call, held in sleeps:
        others = [place for place in sections if place[0] == held.lock.key and place not in sleeping]
        if others:
            site = project.site(func, call.span)
            yield Problem(
                site,
                f"the thread sleeps with `{held.lock.text}` held; every other user of the lock waits as long",
                (Related(project.site(held.func, held.span), f"`{held.lock.text}` is acquired here"),),
                fix=Fix(Change.MOVE_OUT, (site,)),
            )


def _sleeps(project: Project, func: Func) -> Iterator[tuple[Call, Held]]:
    for step in project.steps(func):
        node = step.node
        if (
            not step.held
            or not isinstance(node, Call)
            or not node.args
            or (isinstance(node.args[0], Const) and not node.args[0].value)
        ):
            continue
        if any(
            isinstance(thing, External) and thing.name == "time.sleep" for thing in project.types.of(node.callee, func)
        ):
            for held in step.held:
                if held.lock.known and held.lock.excludes and held.lock.kind.world == "threads":
                    yield node, held
                    break


def _sections(project: Project, keys: set[str]) -> set[tuple[str, str, tuple[int, int, int, int]]]:
    """All places that acquire one of the locks."""
    return {
        (acquire.lock.key, func.id, acquire.span)
        for func in (*project.having(With), *project.mentions.callers(["acquire"]))
        for step in project.steps(func)
        for acquire in project.acquires.own(func, step)
        if acquire.lock.key in keys
    }
