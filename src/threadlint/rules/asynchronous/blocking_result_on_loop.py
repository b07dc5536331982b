"""TL705."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Ref, Try
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.blocking import LOOP_RUNNERS
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_RUNS = frozenset({"run", "run_until_complete", "run_forever"})
_ASKS = frozenset({"result", "exception"})
_PATCHED = ("nest_asyncio", "nest_asyncio2")


@rule("TL705", since="0.1", severity=Severity.ERROR, oracle=Oracle.LOOP_BLOCKED)
def blocking_result_on_loop(project: Project) -> Iterator[Problem]:
    """A coroutine waits, in the thread of its event loop, for work that only this loop can do.

    ## Why is this bad?

    `run_coroutine_threadsafe()` hands a coroutine to a loop in another thread, and `result()` waits for it. In a coroutine of the same loop that is a wait for oneself:
    the loop cannot run the coroutine while its thread waits, so `result()` never returns, or returns with a time-out. `asyncio.run()` and `run_until_complete()`
    do not even wait: where a loop is running they raise `RuntimeError`.

    ## Example

    ```python
    import asyncio


    async def job() -> int:
        return 42


    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = asyncio.run_coroutine_threadsafe(job(), loop)
        print(future.result(timeout=0.5))  # expect: TL705


    asyncio.run(main())
    ```

    ## Use instead

    ```python
    import asyncio


    async def job() -> int:
        return 42


    async def main() -> None:
        print(await job())


    asyncio.run(main())
    ```

    Plain functions that are called from coroutines too cannot wait for coroutines: make them `async def`, or call them in a thread (`asyncio.to_thread()`), where
    `run_coroutine_threadsafe(job(), loop).result()` is right.

    ## Fix

    Safe, since it can only fail or wait for ever: `run_coroutine_threadsafe(work(), loop).result()` and `loop.run_until_complete(work())` in a coroutine become `await work()`.

    ## Known limits

    - The loop must be known to be the own one: from `get_running_loop()` or `get_event_loop()`. A future of another loop is one more blocking call (TL703).
    - Plain functions that ask whether a loop runs, or catch `RuntimeError` there, are left alone, and so are programs that import `nest_asyncio`.
    """
    told: set[tuple[str, int]] = set()
    for func in project.mentions.callers([*_RUNS, *_ASKS]):
        route = project.loop_calls.route(func) if not func.is_module and not in_tests(func) else None
        if route is None or project.loop_calls.probes(func):
            continue
        found = [
            (step, step.node, runs)
            for step in project.steps(func)
            if isinstance(step.node, Call)
            for runs in _waits(project, func, step.node)
            if not (runs and _is_patched(project))
        ]
        for step, call, runs in found:
            if project.loop_calls.optional(func, step) or (runs and _catches(project, func, step)):
                continue
            where, at = route[0] if route else (func, call)
            if (where.id, at.id) not in told:
                told.add((where.id, at.id))
                yield _problem(project, func, call, route, runs=runs)


def _is_patched(project: Project) -> bool:
    """Whether the project has a loop that may be run while it runs."""
    imports = (name for one in project.links.modules.values() for name in one.facts.imports)
    return any(name.partition(".")[0] in _PATCHED for name in imports)


def _waits(project: Project, func: Func, call: Call) -> Iterator[bool]:
    """Whether the call waits for the loop: True where it runs one, False where it waits for a result."""
    callee = call.callee
    if not isinstance(callee, Ref) or call.use.startswith("awaited"):
        return
    last = callee.path[-1] if callee.path else callee.name.rpartition(".")[2]
    if last in _RUNS:
        things = project.types.of(callee, func)
        if (things and all(isinstance(thing, External) and thing.name in LOOP_RUNNERS for thing in things)) or (
            not things and last == "run_until_complete"
        ):
            yield True
    elif project.loop_calls.waits_for_own(call, func):
        yield False


def _catches(project: Project, func: Func, step: Step) -> bool:
    """Whether the error of a loop that runs already is caught there."""
    for node, part in step.context:
        if isinstance(node, Try) and part == "body":
            for handler in node.handlers:
                names = {
                    thing.name
                    for one in handler.types
                    for thing in project.types.of(one, func)
                    if isinstance(thing, External)
                }
                if not handler.types or names & {
                    "builtins.RuntimeError",
                    "builtins.Exception",
                    "builtins.BaseException",
                }:
                    return True
    return False


def _problem(project: Project, func: Func, call: Call, route: tuple[tuple[Func, Call], ...], *, runs: bool) -> Problem:
    what = text(call.callee) if isinstance(call.callee, Ref) else "result"
    inner = project.site(func, call.span)
    if runs:
        harm = f"`{what}()` raises `RuntimeError` here: the event loop of this thread is running already"
    else:
        harm = f"`{what}()` waits for a coroutine that only this event loop can run, in the loop's own thread"
    if not route:
        awaits = Fix(Change.AWAIT_COROUTINE, (inner,), safe=True)
        return Problem(inner, harm, partners=(inner,), provable=not runs, fix=awaits)
    caller, first = route[0]
    site = project.site(caller, first.span)
    return Problem(
        site,
        f"this call in a coroutine leads to `{func.name}()`, where {harm}",
        (
            *(Related(project.site(where, one.span), "through this call") for where, one in route[1:]),
            Related(inner, f"`{what}()` is called here"),
        ),
        partners=(site,),
        provable=not runs,
    )
