"""TL105."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import If, Ref, Root
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.project.bodies.checks import Check
from threadlint.project.bodies.uses import Act
from threadlint.project.locks.locks import Held, text
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL105", since="0.1", severity=Severity.ERROR, oracle=Oracle.LOST_UPDATE)
def double_checked_lock_no_recheck(project: Project) -> Iterator[Problem]:
    """A value is tested before the lock is taken, but not again once it is held.

    ## Why is this bad?

    Testing first without the lock saves time when the value is there. But two threads can both find it missing; the second waits for the lock,
    gets it when the first is done, and makes the value again. The first thread keeps an object that nobody else has: a second connection,
    a cache that nobody fills. With a second test under the lock the pattern is right in Python, on every build.

    ## Example

    ```python
    import threading


    class Database:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._connection = None

        def connection(self) -> object:
            if self._connection is None:
                with self._lock:
                    self._connection = object()  # expect: TL105
            return self._connection


    database = Database()
    threads = [threading.Thread(target=database.connection) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    ```python
    import threading


    class Database:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._connection = None

        def connection(self) -> object:
            if self._connection is None:
                with self._lock:
                    if self._connection is None:
                        self._connection = object()
            return self._connection


    database = Database()
    threads = [threading.Thread(target=database.connection) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Fix

    Safe: below the `with`, the test stands a second time.

    ## Known limits

    - A second test in a helper that is called under the lock is seen only where the helper also does the assignment.
    - Local variables and parameters are left alone: no other thread has them.
    """
    for func in project.checked:
        if func.id in project.entry.owned:
            continue
        for check in project.checks.of(func):
            taken = _taken_between(project, check)
            if taken is not None and _makes(project, check) and not _tested_again(project, check, taken):
                yield _problem(project, check, taken)


def _taken_between(project: Project, check: Check) -> Held | None:
    """The lock held at the action that was not held at the test."""
    steps = project.steps(check.func)
    before = {held.lock.key for held in steps[check.condition.step].held}
    if before or project.entry.always.get(check.func.id):
        return None
    here = steps[check.act.step].held
    return next(
        (held for held in here if held.lock.excludes and held.lock.kind.world == "threads" and held.lock.known), None
    )


def _makes(project: Project, check: Check) -> bool:
    """Whether the action makes something: a value of its own, not a mark that is the same each time."""
    condition, act = check.condition, check.act
    if not condition.absent or condition.state or (act.ref.root == Root.VAR and not act.ref.path):
        return False
    if act.act not in {Act.REBIND, Act.ADD}:
        return False
    value = act.value
    if isinstance(value, Ref) and value.root == Root.RESULT:
        call = project.links.calls[check.func.id].get(int(value.name))
        return call is None or call.callee != Ref(Root.BUILTIN, "getattr")  # that gives what is there already
    if (
        isinstance(value, Ref)
        and value.root == Root.VAR
        and not value.path
        and value.owner == check.func.facts.qualname
    ):
        return any(
            isinstance(access.value, Ref)
            and access.value.root == Root.RESULT
            and project.steps(check.func)[act.step].held
            for where, access in project.links.bindings.get((check.func.id, value.name), ())
            if where is check.func and access.span >= check.condition.span
        )
    return False


def _tested_again(project: Project, check: Check, taken: Held) -> bool:
    """Whether the location is tested between the acquire and the action, or the value made before the lock was taken is put in only if still wanted."""
    steps = project.steps(check.func)
    for number in range(check.condition.step + 1, check.act.step):
        step = steps[number]
        if not any(held is taken for held in step.held):
            continue
        if isinstance(step.node, If):
            conditions = project.checks.conditions(step.node.test, check.func, number)
            if any(one.ref == check.condition.ref for one in conditions):
                return True
    return any(
        use.ref == check.condition.ref
        and use.act in {Act.READ, Act.ITERATE}
        and any(held is taken for held in steps[use.step].held)
        for use in project.uses.of(check.func)
        if check.condition.step < use.step < check.act.step
    )


def _problem(project: Project, check: Check, taken: Held) -> Problem:
    lock = taken.lock.text
    element = check.condition.key
    site, test = project.site(check.func, check.act.span), project.site(check.func, check.condition.span)
    return Problem(
        site,
        f"`{text(check.act.ref)}{element}` is tested before `{lock}` is taken, but not again under it; each thread that passed the test makes it again",
        (
            Related(test, "tested here, without the lock"),
            Related(project.site(check.func, taken.span), f"`{lock}` is acquired here"),
        ),
        partners=(site, test),
        fix=_fix(project, check, taken),
    )


def _fix(project: Project, check: Check, taken: Held) -> Fix:
    sites = (project.site(check.func, check.branch.span), project.site(check.func, taken.span))
    return Fix(Change.RECHECK, sites, safe=True, text=text(check.condition.ref))
