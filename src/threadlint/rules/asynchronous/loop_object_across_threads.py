"""TL709."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, Ref
from threadlint.findings import Confidence, Oracle, Problem, Related, Severity
from threadlint.knowledge.loop_bound import PRIMITIVE_METHODS
from threadlint.project.locks.locks import text
from threadlint.project.names.callables import HANDING
from threadlint.project.names.things import External, Func, Object
from threadlint.project.project import Project
from threadlint.project.roots.contexts import Context
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.routes import route
from threadlint.rules.rule import rule

_METHODS = frozenset(method for methods in PRIMITIVE_METHODS.values() for method in methods)


@rule("TL709", since="0.1", severity=Severity.ERROR, oracle=Oracle.FOREIGN_LOOP)
def loop_object_across_threads(project: Project) -> Iterator[Problem]:
    """A queue, event, future or task that belongs to an event loop is used in another thread.

    ## Why is this bad?

    `asyncio.Queue` is no `queue.Queue`. Its `put_nowait()` wakes the task that waits for an item by way of the loop, and that may only be done in the loop's thread: from another one the loop does not
    notice while it waits for the network, and the item lies there for seconds or for ever. There is no lock in it either. The same holds for `Event.set()`, `Future.set_result()`,
    `Task.cancel()`, the locks of asyncio, and the writers of its streams.

    ## Example

    ```python
    import asyncio
    import threading


    def produce(jobs: asyncio.Queue) -> None:
        for number in range(3):
            jobs.put_nowait(number)  # expect: TL709


    async def main() -> None:
        jobs: asyncio.Queue = asyncio.Queue()
        getting = asyncio.create_task(jobs.get())
        await asyncio.sleep(0)
        threading.Thread(target=produce, args=(jobs,)).start()
        print(await asyncio.wait_for(getting, 5))


    asyncio.run(main())
    ```

    ## Use instead

    ```python
    import asyncio
    import threading


    def produce(loop: asyncio.AbstractEventLoop, jobs: asyncio.Queue) -> None:
        for number in range(3):
            loop.call_soon_threadsafe(jobs.put_nowait, number)


    async def main() -> None:
        jobs: asyncio.Queue = asyncio.Queue()
        getting = asyncio.create_task(jobs.get())
        await asyncio.sleep(0)
        threading.Thread(target=produce, args=(asyncio.get_running_loop(), jobs)).start()
        print(await asyncio.wait_for(getting, 5))


    asyncio.run(main())
    ```

    ## Known limits

    - Asking (`qsize()`, `is_set()`, `done()`) is not reported.
    - Queues that connect threads and tasks (janus, culsans, aiologic) are made for both sides, and not meant.
    - A thread that makes or runs a loop of its own, and what a coroutine does, is left alone.
    - One object that several loops use one after the other is not reported; asyncio raises `RuntimeError: ... is bound to a different event loop` where it has to wait.
    """
    for func in project.callers_of(HANDING):
        for call in project.links.calls[func.id].values():
            yield from _given(project, func, call)
    for func in project.mentions.callers(_METHODS):
        calls = [call for call in project.links.calls[func.id].values() if _method(call) in _METHODS]
        way = project.foreign_loops.thread(func) if calls else None
        if way is not None:
            for call in calls:
                found = _check(project, func, call, *way)
                if found is not None:
                    yield found


def _method(call: Call) -> str:
    return call.callee.path[-1] if isinstance(call.callee, Ref) and call.callee.path else ""


def _check(project: Project, func: Func, call: Call, context: Context, spawn: Spawn) -> Problem | None:
    callee = call.callee
    assert isinstance(callee, Ref)
    things = project.types.of(callee, func)
    if not things or not all(isinstance(thing, External) and _is_bound(thing.name) for thing in things):
        return None
    made = [thing for thing in project.types.of(callee.receiver, func) if isinstance(thing, Object)]
    token = project.ownership.of(callee.receiver, func, dict(context.binding))
    if token is None or not token.shared or any(project.foreign_loops.made_in(thing, spawn) for thing in made):
        return None  # the thread's own
    kind = next(thing.name for thing in things if isinstance(thing, External)).rpartition(".")[0]
    where = next((thing for thing in made if thing.frame is not None and thing.call is not None), None)
    related = [Related(project.site(spawn.func, spawn.span), spawn.story)]
    if where is not None and where.frame is not None and where.call is not None:
        related.append(Related(project.site(where.frame, where.call.span), "it is made here"))
    return Problem(
        project.site(func, call.span),
        f"`{text(callee.receiver)}` is an `{kind}`, which belongs to one event loop, and `{callee.path[-1]}()` is called in another thread; the loop may not notice: use `{_instead(kind)}`",
        tuple(related),
        Confidence.HIGH if not spawn.assumed else Confidence.MEDIUM,
        why=tuple(route(project, context)),
    )


def _given(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    """The method itself is what the thread runs: `Timer(5, done.set)`."""
    for value in project.foreign_loops.given(func, call):
        things = project.types.of(value, func)
        names = [thing.name for thing in things if isinstance(thing, External) and _is_bound(thing.name)]
        if names and len(names) == len(things):
            kind = names[0].rpartition(".")[0]
            yield Problem(
                project.site(func, call.span),
                f"`{text(value.receiver)}` is an `{kind}`, which belongs to one event loop, and another thread is given `{value.path[-1]}` to call; the loop may not notice: use `{_instead(kind)}`",
                provable=False,
            )


def _instead(kind: str) -> str:
    return {"anyio": "anyio.from_thread.run_sync", "trio": "trio.from_thread.run_sync"}.get(
        kind.partition(".")[0], "loop.call_soon_threadsafe"
    )


def _is_bound(name: str) -> bool:
    owner, _, method = name.rpartition(".")
    return method in PRIMITIVE_METHODS.get(owner, ())
