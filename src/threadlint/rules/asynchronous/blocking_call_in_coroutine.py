"""TL703."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from threadlint.changes import Change
from threadlint.facts.model import Call, Compare, Const, If, Logic, Ref, Root, Value
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity, Site
from threadlint.knowledge.blocking import ENDING_NAMES, ENDINGS
from threadlint.project.locks.locks import text
from threadlint.project.names.mentions import last_part
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import ClassThing, External, Func, FunctionThing
from threadlint.project.project import Project
from threadlint.project.roots.blocking import Blocking, BlockingCalls
from threadlint.rules.rule import rule

_MAKERS = (
    "partial",
    "cast",
    "wrap",
    "bind",
    "make",
    "create",
    "build",
    "get",
    "attr",
    "getter",
    "caller",
    "compose",
    "decorat",
    "factory",
    "func",
    "callback",
    "handler",
    "lambda",
    "run",
)


@rule("TL703", since="0.1", severity=Severity.WARNING, oracle=Oracle.LOOP_BLOCKED)
def blocking_call_in_coroutine(project: Project) -> Iterator[Problem]:
    """A coroutine calls, directly or through plain functions, something that blocks the thread of the event loop.

    ## Why is this bad?

    All tasks of an event loop share one thread. While one of them waits in a blocking call, nothing else happens: no other task goes on, no timer fires, no
    connection is served. Where the call waits for another thread, which may in turn need the loop, the program stands still.

    ## Example

    ```python
    import asyncio
    import time


    def connect(attempts: int) -> str:
        for attempt in range(attempts):
            time.sleep(0.2)
        return "connected"


    async def tick() -> None:
        for _ in range(3):
            await asyncio.sleep(0.05)


    async def serve() -> None:
        print(connect(2))  # expect: TL703


    async def main() -> None:
        await asyncio.gather(tick(), serve())


    asyncio.run(main())
    ```

    ## Use instead

    Run the blocking function in a thread, and await that; or use the library's own coroutine (`asyncio.sleep()`, `asyncio.Queue`, `asyncio.wrap_future()`).

    ```python
    import asyncio
    import time


    def connect(attempts: int) -> str:
        for attempt in range(attempts):
            time.sleep(0.2)
        return "connected"


    async def tick() -> None:
        for _ in range(3):
            await asyncio.sleep(0.05)


    async def serve() -> None:
        print(await asyncio.to_thread(connect, 2))


    async def main() -> None:
        await asyncio.gather(tick(), serve())


    asyncio.run(main())
    ```

    ## Fix

    Unsafe, since other tasks run meanwhile: `time.sleep(1)` in a coroutine becomes `await asyncio.sleep(1)`.

    ## Known limits

    - What stands in a coroutine itself and is known by its name (`time.sleep()`, `requests.get()`, `subprocess.run()`, `urllib.request.urlopen()`, `input()`) is
      said by ruff (ASYNC210, 220, 221, 222, 250, 251) and flake8-async. It is reported here only where TL703, or `TL7`, is selected. Through a helper, which they do
      not see, it is reported by default, and so are waits that types tell: `queue.Queue.get()`, `Thread.join()`, `Future.result()`, `Event.wait()`.
    - Waiting for a thread or an executor to end in a function that ends something by its name (`close`, `stop`, `__aexit__`) is left out likewise.
    - Reading files is not reported, and neither is taking a lock of `threading`: both are usually short. TL701 knows the lock that is held across `await`.
    - A call that hangs on a parameter of the helper (`if wait: thread.join()`), and helpers that ask whether a loop runs, are not followed.
    - Each blocking call is reported once, at the first coroutine that leads to it. Test files are left out.
    """
    everything = project.config.asks_for("TL703")
    blocking_calls = BlockingCalls(project.types, project.steps)
    told: set[Site] = set()
    for func in project.functions:
        if func.is_module or in_tests(func):
            continue
        for problem in _called_at_once(project, func) if func.facts.is_async else ():
            if problem.site not in told:
                told.add(problem.site)
                yield problem
        route = project.loop_calls.route(func)
        if route is None or project.loop_calls.probes(func):
            continue
        for step, blocking in blocking_calls.of(func):
            if (
                project.loop_calls.optional(func, step)
                or project.loop_calls.waits_for_own(blocking.call, func)  # TL705
                or blocking.call.id in project.loop_calls.run_elsewhere(func)
                or _looked_before(project, blocking, route)
                or (not route and _meant_for_threads(project, func))
            ):
                continue
            if everything or not ((blocking.known and not route) or _ends(func, blocking, route)):
                problem = _problem(project, func, blocking, route)
                if problem.site not in told:
                    told.add(problem.site)
                    yield problem


def _called_at_once(project: Project, func: Func) -> Iterator[Problem]:
    """`await to_thread(render(page))`: the function is called on the loop, and the thread is given its result."""
    for call in project.links.calls[func.id].values():
        if not call.use.startswith("awaited") or call.keywords or call.starred:
            continue
        for value in project.thread_roots.handed_over(func, call):
            inner = project.links.calls[func.id].get(int(value.name)) if _is_result(value) else None
            if inner is not None and value == call.args[-1] and _gives_a_value(project, func, inner):
                shown = text(inner.callee)
                yield Problem(
                    project.site(func, inner.span),
                    f"`{shown}()` is called here, on the event loop; the thread is given its result, not the function, and there is nothing left to run",
                    (Related(project.site(func, call.span), "this call wants a function"),),
                    confidence=Confidence.MEDIUM,
                    provable=False,
                )


def _is_result(value: Value) -> TypeGuard[Ref]:
    return isinstance(value, Ref) and value.root == Root.RESULT and not value.path


def _gives_a_value(project: Project, func: Func, inner: Call) -> bool:
    """Whether the call, as far as one can see, does the work itself: it is given data, and is not named like what makes functions."""
    callee = inner.callee
    if not isinstance(callee, Ref) or not (inner.args or inner.keywords):
        return False
    if any(isinstance(thing, (FunctionThing, ClassThing)) for thing in project.types.of(inner.result, func)):
        return False
    name = (callee.path[-1] if callee.path else callee.name.rpartition(".")[2]).lower()
    if any(part in name for part in _MAKERS) or name[:1].isupper():
        return False
    given = (*inner.args, *(value for _, value in inner.keywords))
    return not any(
        isinstance(thing, (FunctionThing, ClassThing)) for value in given for thing in project.types.of(value, func)
    ) and not any(
        isinstance(thing, FunctionThing) and _may_give_a_function(project, thing.func)
        for thing in project.callees(func, inner)
    )


def _may_give_a_function(project: Project, func: Func) -> bool:
    """Whether the function is declared to return one, or returns what only a run can tell: an attribute, an item, the result of a maker."""
    declared = func.facts.returns
    if isinstance(declared, Ref) and last_part(declared) in ("Callable", "partial", "Any"):
        return True
    for value in project.types.returned(func):
        if isinstance(value, Ref) and value.root != Root.RESULT and value.path:
            return True
        call = project.links.calls[func.id].get(int(value.name)) if _is_result(value) else None
        if call is not None and any(part in last_part(call.callee).lower() for part in _MAKERS):
            return True
    return False


def _ends(func: Func, blocking: Blocking, route: tuple[tuple[Func, Call], ...]) -> bool:
    """Whether the thread is waited for by what ends it all: `close()`, `__aexit__()`."""
    names = [func.facts.name.lower(), *(caller.facts.name.lower() for caller, _ in route)]
    return blocking.method in ENDINGS and any(part in name for name in names for part in ENDING_NAMES)


def _looked_before(project: Project, blocking: Blocking, route: tuple[tuple[Func, Call], ...]) -> bool:
    """`while queue.empty(): await ...` and then a helper that gets the item."""
    return blocking.method == "get" and any(
        isinstance(call.callee, Ref) and call.callee.path[-1:] in (("empty",), ("qsize",))
        for caller, _ in route
        for call in project.links.calls[caller.id].values()
    )


def _meant_for_threads(project: Project, func: Func) -> bool:
    """Whether callers await the coroutine only where they have no loop to keep free: `if self._loop is not None: ...`, and the coroutine in the `else`."""
    steps = [
        step
        for caller in project.callers_of([func])
        for step in project.steps(caller)
        if isinstance(step.node, Call)
        and any(isinstance(thing, FunctionThing) and thing.func is func for thing in project.callees(caller, step.node))
    ]
    return bool(steps) and all(
        any(isinstance(node, If) and _without_loop(node.test, part) for node, part in step.context) for step in steps
    )


def _without_loop(test: Value, part: str) -> bool:
    """Whether the branch is that of a test which finds no event loop."""
    found, asked = part == "body", test
    if isinstance(asked, Logic) and asked.op == "not":
        found, asked = not found, asked.items[0]
    if isinstance(asked, Compare) and asked.op in ("is", "is not") and asked.right == Const(None):
        found, asked = found == (asked.op == "is not"), asked.left
    return not found and isinstance(asked, Ref) and last_part(asked).strip("_") in ("loop", "event_loop")


def _fix(project: Project, func: Func, blocking: Blocking, site: Site) -> Fix | None:
    """Sleep in the event loop's way, which lets other tasks run here."""
    things = project.types.of(blocking.call.callee, func)
    sleeps = any(isinstance(thing, External) and thing.name == "time.sleep" for thing in things)
    return Fix(Change.AWAIT_SLEEP, (site,)) if sleeps and func.facts.is_async else None


def _problem(project: Project, func: Func, blocking: Blocking, route: tuple[tuple[Func, Call], ...]) -> Problem:
    what = blocking.text if " " in blocking.text else f"`{blocking.text}()`"
    inner = project.site(func, blocking.call.span)
    if not route:
        return Problem(
            inner,
            f"{what} waits {blocking.waits} in a coroutine, and blocks the event loop: no other task runs meanwhile",
            partners=(inner,),
            fix=_fix(project, func, blocking, inner),
        )
    caller, call = route[0]
    names = [callee.name for callee, _ in route[1:]] + [func.name]
    chain = (
        " and ".join(f"`{name}()`" for name in names) if len(names) < 3 else ", ".join(f"`{name}()`" for name in names)
    )
    site = project.site(caller, call.span)
    return Problem(
        site,
        f"this call in a coroutine leads through {chain} to {what}, which waits {blocking.waits} and blocks the event loop: no other task runs meanwhile",
        (
            *(Related(project.site(where, one.span), "through this call") for where, one in route[1:]),
            Related(inner, f"{what} blocks here"),
        ),
        partners=(site,),
    )
