"""TL208."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Kind
from threadlint.findings import Confidence, Fix, Problem, Related, Severity
from threadlint.project.deadlocks.lock_order import Edge
from threadlint.project.deadlocks.waits import Need, Wait
from threadlint.project.locks.acquires import Acquire
from threadlint.project.locks.locks import Held
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.rules.locks.chains import calls
from threadlint.rules.rule import rule


@rule("TL208", since="0.1", severity=Severity.ERROR)
def wait_under_lock(project: Project) -> Iterator[Problem]:
    """A thread waits for another one while it holds a lock that the other one needs.

    ## Why is this bad?

    `join()`, `result()`, `get()`, `wait()` and their like come back when another thread has done something. If that thread has to take the lock first which the
    waiting one holds, neither goes on. A `Condition` gives up its own lock while it waits, but no second one.

    ## Example

    ```python
    import threading


    class Poller:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._running = True
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

        def _run(self) -> None:
            while True:
                with self._lock:
                    if not self._running:
                        return

        def stop(self) -> None:
            with self._lock:
                self._running = False
                self._thread.join()  # expect: TL208


    Poller().stop()
    ```

    ## Use instead

    Change the state under the lock, and wait without it.

    ```python
    import threading


    class Poller:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._running = True
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

        def _run(self) -> None:
            while True:
                with self._lock:
                    if not self._running:
                        return

        def stop(self) -> None:
            with self._lock:
                self._running = False
            self._thread.join()


    Poller().stop()
    ```

    ## Fix

    Unsafe, since the lock is free then: a wait that ends a `with` block is moved behind it.

    ## Known limits

    - Only waits without a timeout, and only where the other thread is seen to need the same lock: a wait that ends by itself is merely slow.
    - For `get()`, `Event.wait()` and `Condition.wait()` every `put()`, `set()` or `notify()` that is seen must hold the lock.
    - A ring with one more thread is found where that thread holds a lock which the other needs and takes the one that is held here; longer rings are not.
    - Tasks of `asyncio` are followed like threads: an awaited task, `gather()`, task groups, queues and events, outside `wait_for()` and `timeout()`.
    - A wait that depends on a flag which the other side sets under a lock is taken to be agreed between the two.
    - Locks of two objects of one class are taken to be the same lock.
    """
    seen: set[tuple[str, tuple[int, int, int, int], str]] = set()
    for func in project.having(Held):
        for step in project.steps(func):
            holding = [
                held
                for held in step.held
                if held.lock.known and held.lock.excludes and held.lock.kind.world in ("threads", "tasks")
            ]
            if not holding:
                continue
            for wait in (*project.deadlocks.waits.own(func, step), *project.deadlocks.waits.called(func, step)):
                for held in holding:
                    need = _needed(project, held, wait)
                    key = (wait.func.id, wait.span, held.lock.key)
                    if need is not None and key not in seen and not _agreed(project, wait, need):
                        seen.add(key)
                        yield _problem(project, func, held, wait, need)
                    elif need is None and key not in seen:
                        third = _third(project, func, held, wait, frozenset(one.lock.key for one in holding))
                        if third is not None and not _agreed(project, wait, third[0]):
                            seen.add(key)
                            yield _ring(project, func, held, wait, *third)


def _needed(project: Project, held: Held, wait: Wait) -> Need | None:
    """Who needs the lock that is held before the wait can end."""
    if held.lock.key == wait.own or held.lock.each or (not held.lexical and held.lock.key in project.handed_over):
        return None
    return next((need for need in wait.needs if held.lock.key in need.locks), None)


def _third(
    project: Project, func: Func, held: Held, wait: Wait, holding: frozenset[str]
) -> tuple[Need, Acquire, Edge] | None:
    """Who needs another lock before the wait can end, whose holder may be waiting for the lock that is held here."""
    if held.lock.key == wait.own or held.lock.each or (not held.lexical and held.lock.key in project.handed_over):
        return None
    for need in wait.needs:
        for acquire in need.acquires:
            lock = acquire.lock
            if lock.key in holding or lock.each or not lock.known or not lock.excludes:
                continue
            edge = project.deadlocks.lock_order.between(lock.key, held.lock.key, func, holding)
            if edge is not None and edge.func is not need.func:
                return need, acquire, edge
    return None


def _ring(project: Project, func: Func, held: Held, wait: Wait, need: Need, acquire: Acquire, edge: Edge) -> Problem:
    names = project.deadlocks.titles.names([held.lock.key, acquire.lock.key])
    name, other = names[held.lock.key], names[acquire.lock.key]
    waits = [Related(project.site(wait.func, wait.span), f"{wait.what} waits here")]
    ends = (
        Related(project.site(held.func, held.span), f"`{name}` is acquired here"),
        *(waits if wait.chain else ()),
        Related(project.site(need.func, need.span), need.story),
        Related(project.site(acquire.func, acquire.span), f"it acquires `{other}` here"),
        Related(project.site(edge.held.func, edge.held.span), f"`{edge.func.name}` acquires `{other}` here"),
        Related(project.site(edge.taken.func, edge.taken.span), f"and then `{name}`, with `{other}` held"),
    )
    why = (
        ends[0],
        *calls(project, wait.chain, wait.func),
        *waits,
        *ends[len(ends) - 4 : len(ends) - 3],
        *calls(project, acquire.chain, acquire.func),
        *ends[len(ends) - 3 : len(ends) - 1],
        *calls(project, edge.taken.chain, edge.taken.func),
        ends[-1],
    )
    return Problem(
        project.site(func, wait.chain[0][1] if wait.chain else wait.span),
        f"{wait.what} waits with `{name}` held for `{need.func.name}`, which needs `{other}`, and `{edge.func.name}` holds `{other}` while it takes `{name}`; all three can stop for ever",
        ends,
        confidence=Confidence.MEDIUM,
        partners=(project.site(held.func, held.span),),
        why=why,
        provable=False,
    )


def _agreed(project: Project, wait: Wait, need: Need) -> bool:
    """Whether the wait depends on a flag that the other side sets under a lock: `if self._will_exit: self._thread.join()`."""
    for func in (need.func, *(acquire.func for acquire in need.acquires)) if wait.asked else ():
        for step in project.steps(func):
            node = step.node
            if (
                step.held
                and isinstance(node, Access)
                and node.kind == Kind.WRITE
                and wait.asked.intersection(node.ref.path[-1:])
            ):
                return True
    return False


def _problem(project: Project, func: Func, held: Held, wait: Wait, need: Need) -> Problem:
    name = held.lock.text
    acquired = Related(project.site(held.func, held.span), f"`{name}` is acquired here")
    waits = Related(project.site(wait.func, wait.span), f"{wait.what} waits here")
    needs = Related(project.site(need.func, need.span), need.story)
    related = [acquired, *([waits] if wait.chain else []), needs]
    why = [acquired, *calls(project, wait.chain, wait.func), waits, needs]
    acquire = next((one for one in need.acquires if one.lock.key == held.lock.key), None)
    if acquire is not None:
        end = Related(project.site(acquire.func, acquire.span), f"it acquires `{acquire.lock.text}` here")
        related.append(end)
        why += [*calls(project, acquire.chain, acquire.func), end]
    span = wait.chain[0][1] if wait.chain else wait.span
    other = "task" if held.lock.kind.world == "tasks" else "thread"
    message = f"{wait.what} waits for another {other} with `{name}` held, and `{need.func.name}` needs `{name}`; both stop for ever"
    partners = (project.site(held.func, held.span),)
    site = project.site(func, span)
    moves = Fix(Change.MOVE_OUT, (site,))
    return Problem(site, message, tuple(related), partners=partners, why=tuple(why), fix=moves)
