"""TL104."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Root
from threadlint.findings import Confidence, Oracle, Problem, Related, Severity
from threadlint.project.bodies.checks import Check
from threadlint.project.bodies.uses import Act
from threadlint.project.locks.locks import text
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL104", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM, oracle=Oracle.LOST_UPDATE)
def unlocked_lazy_init(project: Project) -> Iterator[Problem]:
    """An object that must exist once is created on first use without a lock.

    ## Why is this bad?

    Two threads that ask for the object at the same time both find it missing, and both make one. The second replaces the first, which somebody already
    holds: now there are two pools, two connections, two locks that exclude nobody. Nothing fails at that place; it shows as a leak, or as a lock that does not lock.

    Reported is `if x is None: x = make()` on module variables, class attributes and attributes where two of the value are not as good as one (a lock, thread, executor, queue,
    connection, file, or an object of the program that owns one), in code that runs on threads, in a module that uses threading, or on an object that owns a lock.

    ## Example

    ```python
    import threading
    from concurrent.futures import ThreadPoolExecutor

    _pool = None


    def pool() -> ThreadPoolExecutor:
        global _pool
        if _pool is None:
            _pool = ThreadPoolExecutor(4)  # expect: TL104
        return _pool


    threads = [threading.Thread(target=pool) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    ```python
    import threading
    from concurrent.futures import ThreadPoolExecutor

    _pool = None
    _pool_lock = threading.Lock()


    def pool() -> ThreadPoolExecutor:
        global _pool
        with _pool_lock:
            if _pool is None:
                _pool = ThreadPoolExecutor(4)
            return _pool


    threads = [threading.Thread(target=pool) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Known limits

    - Plain values (a compiled pattern, a parsed file, a dict) are not reported: making them twice costs time, no more.
    - `functools.cached_property` and `lru_cache` can also run their function twice; that is not reported.
    - Code that only ever runs in one thread although its module uses threading is reported all the same; say so with a comment.
    """
    for func in project.checked:
        if func.is_module or func.id in project.entry.owned:
            continue
        seen: set[object] = set()
        for check in project.checks.of(func):
            if check.act.ref not in seen and _lazy(check) and not _locked(project, check):
                seen.add(check.act.ref)
                yield from _problem(project, check)


def _lazy(check: Check) -> bool:
    condition, act = check.condition, check.act
    local = act.ref.root == Root.VAR and not act.ref.path
    return condition.absent and not condition.state and not condition.key and act.act is Act.REBIND and not local


def _locked(project: Project, check: Check) -> bool:
    steps = project.steps(check.func)
    return bool(steps[check.act.step].held or steps[check.condition.step].held or project.entry.ever.get(check.func.id))


def _problem(project: Project, check: Check) -> Iterator[Problem]:
    func, act = check.func, check.act
    what = project.identity.of(act.value, func)
    if not what or project.confinement.of(act):
        return
    why = project.expectations.of(act.ref, func)
    if not why and project.meetings.race((act,), (act,)) is not None:
        why = "in code that runs on several threads"
    if not why:
        return
    site, test = project.site(func, act.span), project.site(func, check.condition.span)
    yield Problem(
        site,
        f"`{text(act.ref)}` ({what}) is made on first use without a lock, {why}; two threads can make two, and keep different ones",
        (Related(test, "tested here"),),
        partners=(site, test),
    )
