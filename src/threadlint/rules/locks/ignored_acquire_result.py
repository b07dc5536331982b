"""TL202."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Call, Root
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.knowledge.stdlib import LOCKS
from threadlint.project.locks.lock_calls import LockCall, lock_calls, only_tries
from threadlint.project.names.things import Func, Object
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL202", since="0.1", severity=Severity.ERROR)
def ignored_acquire_result(project: Project) -> Iterator[Problem]:
    """`acquire()` may come back without the lock, and nobody looks at its answer.

    ## Why is this bad?

    With a timeout, or with `blocking=False`, `acquire()` returns False when another thread holds the lock. Code that goes on all the same runs next to that
    thread; and its `release()` then takes the lock away from the thread that really holds it, because a plain `Lock` may be released by anyone.

    ## Example

    ```python
    import threading

    lock = threading.Lock()
    balance = 100


    def pay(amount: int) -> None:
        global balance
        lock.acquire(timeout=2)  # expect: TL202
        try:
            balance -= amount
        finally:
            lock.release()


    threads = [threading.Thread(target=pay, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    ```

    ## Use instead

    ```python
    import threading

    lock = threading.Lock()
    balance = 100


    def pay(amount: int) -> None:
        global balance
        if not lock.acquire(timeout=2):
            raise TimeoutError("the account is busy")
        try:
            balance -= amount
        finally:
            lock.release()


    threads = [threading.Thread(target=pay, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    ```

    ## Fix

    Unsafe, since there may be something better to do: an error is raised where the lock was not obtained.

    ## Known limits

    - A try that is followed by `release()` at once only makes sure that the lock is free, and is left alone.
    - A lock that other functions release without having acquired it is a signal: waiting for it with a timeout is not reported.
    - Semaphores are reported where the same function releases them; elsewhere taking a permit without looking is a way to drain them.
    - A lock that nothing ever lets go is a clock (`acquire(timeout=...)` as a sleep), and is left alone.
    - An answer that is kept in a name other than `_` is taken to be looked at.
    """
    for func in project.mentions.callers(["acquire"]):
        calls = sorted(lock_calls(project.locks, func), key=lambda one: one.call.id)
        for one in calls:
            if one.method != "acquire" or one.lock.key not in project.let_go:
                continue
            if only_tries(one.call) and _ignored(project, func, one.call) and _always_a_lock(project, func, one):
                yield from _problem(project, func, one, calls)


def _problem(project: Project, func: Func, one: LockCall, calls: list[LockCall]) -> Iterator[Problem]:
    after = [other for other in calls if other.call.span > one.call.span and other.lock.key == one.lock.key]
    release = next((other for other in after if other.method == "release"), None)
    enters = func.facts.name in ("__enter__", "__aenter__")
    if release is None and not enters and (one.lock.kind.kind == "semaphore" or one.lock.key in project.handed_over):
        return
    if release is not None and (_nothing_between(project, func, one, release) or _asked(after, release)):
        return
    related = []
    if release is not None:
        related.append(
            Related(
                project.site(func, release.call.span),
                f"`{one.lock.text}` is released here even when it was not obtained",
            )
        )
    site = project.site(func, one.call.span)
    yield Problem(
        site,
        f"the result of `{one.lock.text}.acquire()` is ignored; the code below also runs when another thread holds the lock",
        tuple(related),
        fix=Fix(Change.RAISE, (site,)),
    )


def _always_a_lock(project: Project, func: Func, one: LockCall) -> bool:
    """Not a name that also holds an object of another class, whose `acquire` may raise."""
    objects = [thing for thing in project.types.of(one.receiver, func) if isinstance(thing, Object)]
    return all(isinstance(thing.type, str) and thing.type in LOCKS for thing in objects)


def _ignored(project: Project, func: Func, call: Call) -> bool:
    if call.use in ("discarded", "awaited-discarded"):
        return True
    bound = [access for _, access in project.links.bindings.get((func.id, "_"), ()) if access.value == call.result]
    return bool(bound) and bound[0].ref.root == Root.VAR


def _nothing_between(project: Project, func: Func, one: LockCall, release: LockCall) -> bool:
    """`acquire(False)` and `release()` one after the other: the lock is free afterwards, whoever had it."""
    nodes = [step.node for step in project.steps(func) if isinstance(step.node, (Call, Access))]
    first = next(number for number, node in enumerate(nodes) if node is one.call)
    return any(node is release.call for node in nodes[first + 1 : first + 2])


def _asked(after: list[LockCall], release: LockCall) -> bool:
    """Whether the lock is asked for again before it is released."""
    return any(other.method in ("locked", "acquire") and other.call.span < release.call.span for other in after)
