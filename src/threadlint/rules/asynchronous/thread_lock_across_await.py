"""TL701."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, Loop, Node, Ref, Root, Span, Suspend, With
from threadlint.findings import Oracle, Problem, Related, Severity
from threadlint.project.locks.locks import Held
from threadlint.project.names.things import Func, Object
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL701", since="0.1", severity=Severity.ERROR, oracle=Oracle.SELF_DEADLOCK)
def thread_lock_across_await(project: Project) -> Iterator[Problem]:
    """A coroutine holds a lock of `threading` while it waits in `await`.

    ## Why is this bad?

    At `await` the event loop goes on with other tasks, in the same thread, and the lock stays held. As soon as one of them wants it, it blocks the whole thread, and
    with it the task that would release the lock: the program stands still for ever. With an `RLock` it is the other way round: all tasks of a loop are one
    thread, so the lock lets them all in and protects nothing.

    ## Example

    ```python
    import asyncio
    import threading


    class Journal:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.rows = []

        async def write(self, row: str) -> None:
            with self._lock:  # expect: TL701
                self.rows.append(row)
                await asyncio.sleep(0.01)


    async def main() -> None:
        journal = Journal()
        await asyncio.gather(journal.write("a"), journal.write("b"))


    asyncio.run(main())
    ```

    ## Use instead

    Between tasks, a lock of `asyncio`: who waits for it lets the loop go on. Where threads need the same lock, hold it only for the statements between two `await`s.

    ```python
    import asyncio


    class Journal:
        def __init__(self) -> None:
            self._lock = asyncio.Lock()
            self.rows = []

        async def write(self, row: str) -> None:
            async with self._lock:
                self.rows.append(row)
                await asyncio.sleep(0.01)


    async def main() -> None:
        journal = Journal()
        await asyncio.gather(journal.write("a"), journal.write("b"))


    asyncio.run(main())
    ```

    ## Known limits

    - The lock must be known by where it is made: a name such as `lock` alone is not enough.
    - A lock that the coroutine makes for itself and shows nobody is left alone, and so are semaphores with more than one permit.
    - What a coroutine awaits may end without giving way to the loop; that is not looked into.
    """
    for func in project.functions:
        if not func.facts.is_async:
            continue
        told = set(_entered_async(project, func))
        for step in project.steps(func):
            stop = _stop(step.node)
            if not stop:
                continue
            for held in step.held:
                lock = held.lock
                if (
                    lock.known
                    and lock.excludes
                    and lock.kind.world in ("threads", "processes")
                    and held.span not in told
                    and not _own(project, held, func)
                ):
                    told.add(held.span)
                    yield _problem(project, func, step.node, held, stop)


def _entered_async(project: Project, func: Func) -> Iterator[Span]:
    """Where the coroutine takes a lock with `async with` or `await`: that is none of `threading`, whatever else the name can mean."""
    for step in project.steps(func):
        node = step.node
        if isinstance(node, With) and node.is_async:
            yield from (item.span for item in node.items)
        elif isinstance(node, Call) and node.use.startswith("awaited"):
            yield node.span


def _stop(node: Node) -> str:
    """How the step may stop the coroutine; empty where it does not."""
    if isinstance(node, Suspend) and node.kind == "await":
        return "await"
    if isinstance(node, With) and node.is_async:
        return "async with"
    return "async for" if isinstance(node, Loop) and node.is_async else ""


def _own(project: Project, held: Held, func: Func) -> bool:
    """Whether each call of the coroutine has a lock of its own, which no inner function sees."""
    value = held.value
    if not isinstance(value, Ref) or value.path or value.root not in (Root.VAR, Root.RESULT):
        return False
    if value.root == Root.VAR and (value.owner != func.facts.qualname or value.name in func.facts.captured):
        return False
    made = [thing for thing in project.types.of(value, func) if isinstance(thing, Object) and thing.call is not None]
    return bool(made) and all(
        thing.frame is func and thing.call is not None and not project.lifetimes.of(func, thing.call).escapes
        for thing in made
    )


def _problem(project: Project, func: Func, node: Node, held: Held, stop: str) -> Problem:
    name = held.lock.text
    stopped, taken = project.site(func, node.span), project.site(held.func, held.span)
    if held.lock.reentrant:
        harm = "other tasks of this loop run in the same thread, so it lets them all in"
    else:
        harm = "the first other task that needs it blocks the event loop for ever"
    what = (
        f"`{name}` is a lock between {held.lock.kind.world}, and is held while the coroutine stops at `{stop}`; {harm}"
    )
    if held.func is not func:
        return Problem(stopped, what, (Related(taken, f"`{name}` is acquired here"),), partners=(taken, taken))
    return Problem(
        taken,
        what,
        (Related(stopped, f"the coroutine stops here with `{name}` held"),),
        partners=(taken, taken),
        provable=not held.lock.reentrant,
    )
