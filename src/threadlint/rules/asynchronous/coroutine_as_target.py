"""TL706."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, Ref, Root, Value
from threadlint.findings import Oracle, Problem, Related, Severity
from threadlint.knowledge.event_loops import PLAIN_CALLBACKS
from threadlint.project.names.callables import HANDING, handed_over
from threadlint.project.names.things import ClassThing, External, Func, FunctionThing
from threadlint.project.project import Project
from threadlint.project.roots.coroutines import is_coroutine_function
from threadlint.rules.rule import rule

_THREADS = ("threading.Thread",)
_PROCESSES = ("multiprocessing.Process",)


@rule("TL706", since="0.1", severity=Severity.ERROR, oracle=Oracle.NEVER_AWAITED)
def coroutine_as_target(project: Project) -> Iterator[Problem]:
    """An `async def` function is given to a thread, a pool or a plain callback, which only makes a coroutine of it; its body never runs.

    ## Why is this bad?

    Calling a coroutine function runs nothing: it returns a coroutine, which an event loop has to run. A thread calls its target and drops what it returns, so the thread ends at
    once, nothing has happened, and the only trace is `RuntimeWarning: coroutine 'refresh' was never awaited`, if that is shown at all. A pool keeps the coroutine as the future's result.

    ## Example

    ```python
    import asyncio
    import threading


    async def refresh() -> None:
        await asyncio.sleep(0.01)
        print("refreshed")


    thread = threading.Thread(target=refresh)  # expect: TL706
    thread.start()
    thread.join()
    ```

    ## Use instead

    Give the thread something that runs the coroutine; where there is a loop already, `asyncio.run_coroutine_threadsafe(refresh(), loop)`, or a task without any thread.

    ```python
    import asyncio
    import threading


    async def refresh() -> None:
        await asyncio.sleep(0.01)
        print("refreshed")


    thread = threading.Thread(target=lambda: asyncio.run(refresh()))
    thread.start()
    thread.join()
    ```

    ## Known limits

    - The function must be known to be a coroutine function: a plain name, a method, `partial(...)` of one, or a lambda that only calls one. One under an unknown decorator is left alone.
    - A coroutine given where a function is wanted (`call_later(1, refresh())`) is reported for plain callbacks; for threads and pools that is [TL304](TL304.md).
    - Executors and schedulers that know how to run coroutines (Dask's, APScheduler's) are not meant, and not reported.
    """
    for func in project.callers_of([*HANDING, *PLAIN_CALLBACKS]):
        for call in project.links.calls[func.id].values():
            found = _taker(project, func, call)
            if found is not None:
                name = _coroutine(project, func, found[1])
                if name:
                    yield _problem(project, func, call, found, name)
                elif found[0] in PLAIN_CALLBACKS:
                    yield from _made_at_once(project, func, found)
    classes = [cls for cls in project.links.classes.values() if project.types.derives(cls, (*_THREADS, *_PROCESSES))]
    for func in project.callers_of(classes):
        for call in project.links.calls[func.id].values():
            yield from _thread_class(project, func, call)


def _taker(project: Project, func: Func, call: Call) -> tuple[str, Value] | None:
    """What calls the function later and drops what it returns, and the value that it is given."""
    for name, starter in handed_over(project.types, call, func):
        value = call.argument(starter.target, starter.keyword)
        if value is not None:
            return name, value
    for thing in project.types.of(call.callee, func):
        if isinstance(thing, External) and thing.name in PLAIN_CALLBACKS:
            value = call.argument(*PLAIN_CALLBACKS[thing.name])
            if value is not None:
                return thing.name, value
    return None


def _coroutine(project: Project, func: Func, value: Value) -> str:
    """The coroutine function that the value certainly is, or that it only calls; else empty."""
    name = project.coroutines.certain(Call(0, (0, 0, 0, 0), value), func)
    if name:
        return name
    things = project.types.of(value, func)
    if len(things) == 1 and isinstance(things[0], FunctionThing) and things[0].func.facts.name == "<lambda>":
        lambda_ = things[0].func
        for returned in project.types.returned(lambda_):
            if isinstance(returned, Ref) and returned.root == Root.RESULT and not returned.path:
                inner = project.links.calls[lambda_.id].get(int(returned.name))
                return project.coroutines.certain(inner, lambda_) if inner is not None else ""
    return ""


def _made_at_once(project: Project, func: Func, found: tuple[str, Value]) -> Iterator[Problem]:
    """`loop.call_later(3, self.abort(timeout=True))`: the coroutine is no function. For threads and pools TL304 says so."""
    taker, value = found
    made = (
        project.links.calls[func.id].get(int(value.name))
        if isinstance(value, Ref) and value.root == Root.RESULT and not value.path
        else None
    )
    name = project.coroutines.certain(made, func) if made is not None else ""
    if made is not None and name:
        yield Problem(
            project.site(func, made.span),
            f"`{name}()` makes a coroutine, which `{_shown(taker)}()` calls as if it were a function: that fails, and its body never runs",
            provable=False,
        )


def _shown(taker: str) -> str:
    return taker.rpartition(".")[2].replace("AbstractEventLoop", "loop")


def _problem(project: Project, func: Func, call: Call, found: tuple[str, Value], name: str) -> Problem:
    site = project.site(func, call.span)
    related = tuple(
        Related(project.site(thing.func, thing.func.facts.span), f"`{thing.func.name}` is `async def`")
        for thing in project.types.functions(found[1], func)
        if is_coroutine_function(thing.func)
    )
    return Problem(
        site,
        f"`{name}` is a coroutine function: `{_shown(found[0])}()` only makes a coroutine of it, which nobody awaits, so its body never runs",
        related,
        partners=(site, *(one.site for one in related)),
        provable=bool(related),
    )


def _thread_class(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    """`class Worker(Thread)` with `async def run`."""
    for thing in project.types.of(call.callee, func):
        if isinstance(thing, ClassThing) and project.types.derives(thing.cls, (*_THREADS, *_PROCESSES)):
            run = project.types.method(thing.cls, "run")
            if run is not None and is_coroutine_function(run):
                yield Problem(
                    project.site(func, call.span),
                    f"`{run.name}` is a coroutine function: the thread only makes a coroutine of it, which nobody awaits, so its body never runs",
                    (Related(project.site(run, run.facts.span), f"`{run.name}` is `async def`"),),
                    provable=False,
                )
