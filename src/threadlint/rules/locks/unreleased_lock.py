"""TL201."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.project.bodies.releases import Look, looks
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_ENTERS = frozenset({"__enter__", "__aenter__"})


@rule("TL201", since="0.1", severity=Severity.ERROR, oracle=Oracle.LOCK_LEAK)
def unreleased_lock(project: Project) -> Iterator[Problem]:
    """A lock is acquired, and some way out of the function does not release it.

    ## Why is this bad?

    When the code between `acquire()` and `release()` raises, or returns early, the lock stays held for ever, and every later `acquire()` blocks. The
    error itself is often caught and logged far away, so all that is seen is a program that hangs an hour later. The same goes for a `finally` that
    releases a lock which was not acquired yet: its `RuntimeError` hides the first error.

    ## Example

    ```python
    import threading

    lock = threading.Lock()
    rows = []


    def add(line: str) -> None:
        lock.acquire()  # expect: TL201
        rows.append(int(line))
        lock.release()


    threads = [threading.Thread(target=add, args=(line,)) for line in ("1", "two", "3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    ```python
    import threading

    lock = threading.Lock()
    rows = []


    def add(line: str) -> None:
        with lock:
            rows.append(int(line))


    threads = [threading.Thread(target=add, args=(line,)) for line in ("1", "2", "3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Fix

    Safe: the stretch between `acquire()` and `release()` goes into a `with` block. It must be one straight stretch: both in one block, or the release in the
    `finally` of a `try` there; a `release()` on the way goes where a `return`, `raise`, `break` or `continue` follows.

    ## Known limits

    - Calls, `await`, `raise` and `assert` count as able to raise; asking, storing in a container, logging and their like do not, nor does arithmetic.
    - A lock that one method acquires and another one releases is left alone, except in `__enter__`: when that raises, `__exit__` is not called.
    - A release under a condition is taken to match the condition of the acquire.
    """
    for func in project.mentions.callers(["acquire"]):
        for look in looks(project.locks, project.steps, func, semaphores=False):
            yield from _check(project, look)


def _check(project: Project, look: Look) -> Iterator[Problem]:
    first = look.first
    enters = look.func.facts.name in _ENTERS
    if first.method == "release" or not (look.releases or enters):
        return
    passed_on = first.lock.key in project.handed_over
    if (enters and not look.releases and not passed_on) or look.of_many() or look.same_condition() or look.flagged():
        return
    if passed_on and look.taken_twice():
        return
    found = look.left_held(raising_only=passed_on or enters)
    if found is None:
        yield from _released_unheld(project, look)
        return
    how, span = found
    acquire = look.before(span)
    name = acquire.lock.text
    place = project.site(look.func, span)
    related = [Related(place, "the function is left here with the lock held")]
    related += [
        Related(project.site(look.func, one.call.span), f"`{name}` is released here") for one in look.releases[:1]
    ]
    message = f"`{name}` is not released {how}; every later acquire blocks"
    if enters:
        message = f"`{name}` is not released {how}, because `__exit__` is not called then; every later acquire blocks"
    site = project.site(look.func, acquire.call.span)
    yield Problem(site, message, tuple(related), partners=(place,), fix=Fix(Change.WITH_LOCK, (site,), safe=True))


def _released_unheld(project: Project, look: Look) -> Iterator[Problem]:
    """`try: ...; lock.acquire() ... finally: lock.release()`, where something can raise before the lock is held."""
    for one in look.released_unheld():
        name = one.acquire.lock.text
        when = (
            "the task is cancelled while it waits for it" if one.cancelled else f"line {one.leaves[0]} leaves the block"
        )
        site = project.site(look.func, one.acquire.call.span)
        yield Problem(
            site,
            f"`{name}` is acquired inside the `try`; when {when}, the `finally` releases a lock that it does not hold",
            (
                Related(project.site(look.func, one.leaves), "the block is left here without the lock"),
                Related(project.site(look.func, one.release), f"`{name}` is released here all the same"),
            ),
            confidence=Confidence.MEDIUM,
            severity=Severity.WARNING,
            fix=Fix(Change.WITH_LOCK, (site,), safe=True),
        )
