"""TL704."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, If, Ref, Root, Try
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity, Site
from threadlint.knowledge.loop_bound import LOOP_METHODS, NEEDS_RUNNING_LOOP
from threadlint.knowledge.stdlib import LOOP_TYPES
from threadlint.project.locks.locks import text
from threadlint.project.names.callables import HANDING
from threadlint.project.names.mentions import last_part
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func, Object
from threadlint.project.project import Project
from threadlint.project.roots.contexts import Context
from threadlint.project.roots.foreign_loops import BackgroundLoop
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.routes import route
from threadlint.rules.rule import rule

_LOOP_NAMES = frozenset({"loop", "event_loop", "main_loop", "asyncio_loop", "async_loop", "aio_loop"})
_PLAIN = frozenset({"call_soon", "call_at", "create_task"})
"""Methods that only event loops have."""


@rule("TL704", since="0.1", severity=Severity.ERROR, oracle=Oracle.FOREIGN_LOOP)
def loop_call_from_thread(project: Project) -> Iterator[Problem]:
    """A method of an event loop is called in another thread than the loop's.

    ## Why is this bad?

    An event loop is one thread's. `call_soon()`, `create_task()` and `stop()` only put something into its lists, and do not wake it: while the loop waits for the network it does
    not notice, for seconds or for ever. And they change those lists without any lock while the loop reads them. In debug mode (`PYTHONASYNCIODEBUG=1`) they raise `RuntimeError: Non-thread-safe
    operation`; otherwise nothing is said. `asyncio.create_task()` raises at once, since the thread has no running loop.

    `loop.call_soon_threadsafe()` and `asyncio.run_coroutine_threadsafe()` are made for this.

    ## Example

    ```python
    import asyncio


    def read_port(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
        print("reading")
        loop.call_soon(done.set)  # expect: TL704


    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        await asyncio.to_thread(read_port, loop, done)
        await asyncio.wait_for(done.wait(), 1)


    asyncio.run(main())
    ```

    ## Use instead

    ```python
    import asyncio


    def read_port(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
        print("reading")
        loop.call_soon_threadsafe(done.set)


    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        await asyncio.to_thread(read_port, loop, done)
        await asyncio.wait_for(done.wait(), 1)


    asyncio.run(main())
    ```

    ## Fix

    Safe: `loop.call_soon(f)` becomes `loop.call_soon_threadsafe(f)`, and `loop.stop()` by itself `loop.call_soon_threadsafe(loop.stop)`. Unsafe, since it makes another kind of
    future: `loop.create_task(work())` by itself becomes `asyncio.run_coroutine_threadsafe(work(), loop)`.

    ## Known limits

    - The other way round is reported as well: a loop that runs in a thread (`Thread(target=loop.run_forever)`), and a call of `loop.stop()` or `loop.create_task()` from outside.
    - A thread that makes or runs a loop of its own may use it, and a function that asks which thread or loop it runs in is taken to know what it does.
    - Objects that belong to a loop (queues, events, futures, tasks) are [TL709](TL709.md).
    - Code that a C extension calls from a thread of its own is not seen; `thread-roots` in the configuration names such functions.
    """
    background = tuple(project.foreign_loops.background())
    for func in project.callers_of(HANDING):
        for call in project.links.calls[func.id].values():
            for value in project.foreign_loops.given(func, call):
                if value.path[-1] in LOOP_METHODS and project.types.types(value.receiver, func) & LOOP_TYPES:
                    yield _given(project, func, call, value)
    for func in project.mentions.callers([*LOOP_METHODS, *_RUNNING]):
        way = project.foreign_loops.thread(func)
        for call in project.links.calls[func.id].values():
            found = _in_thread(project, func, call, *way) if way is not None else None
            found = found or _from_outside(project, func, call, background)
            if found is not None:
                yield found


_RUNNING = frozenset(name.rpartition(".")[2] for name in NEEDS_RUNNING_LOOP)


def _in_thread(project: Project, func: Func, call: Call, context: Context, spawn: Spawn) -> Problem | None:
    callee = call.callee
    if not isinstance(callee, Ref):
        return None
    things = project.types.of(callee, func)
    names = [thing.name for thing in things if isinstance(thing, External)]
    method = last_part(call.callee)
    confidence = Confidence.HIGH if not spawn.assumed else Confidence.MEDIUM
    if any(name in NEEDS_RUNNING_LOOP for name in names):
        if _tried(project, func, call) or in_tests(func) or not _certain(project, context):
            return None
        message = f"`{text(callee)}()` runs in a thread without a running event loop, and raises RuntimeError there"
    elif method in LOOP_METHODS and callee.path:
        if any(name.rpartition(".")[0] in LOOP_TYPES for name in names):
            if _own(project, func, callee.receiver, spawn):
                return None
        elif not things and method in _PLAIN and _is_named_loop(callee.receiver):
            confidence = Confidence.MEDIUM
        else:
            return None
        if _asks(project, func, call):
            return None
        message = f"`{text(callee)}()` is not thread-safe, and is called in a thread that is not the loop's; the loop may not notice: use `{_instead(callee, method)}`"
    else:
        return None
    site = project.site(func, call.span)
    return Problem(
        site,
        message,
        (Related(project.site(spawn.func, spawn.span), spawn.story),),
        confidence,
        why=tuple(route(project, context)),
        provable=method in LOOP_METHODS,
        fix=_fix(site, method) if method in LOOP_METHODS else None,
    )


def _certain(project: Project, context: Context) -> bool:
    """Whether each call on the way from the thread means this function alone, and not another object's as well: `sock: socket.socket | LoopSocket`."""
    for _, origin in project.contexts.chain(context, threads=True):
        caller = origin.context.func if origin.context is not None else None
        step = project.steps(caller)[origin.step].node if caller is not None else None
        if caller is None or not isinstance(step, Call) or not isinstance(step.callee, Ref) or not step.callee.path:
            continue
        receivers = {
            thing.type if isinstance(thing, Object) else thing
            for thing in project.types.of(step.callee.receiver, caller)
        }
        if len(receivers) > 1:
            return False
    return True


def _fix(site: Site, method: str) -> Fix:
    """Let the loop do it; the future of a coroutine is another one, and what goes wrong in it is told elsewhere."""
    return Fix(Change.THROUGH_LOOP, (site,), safe=method != "create_task")


def _given(project: Project, func: Func, call: Call, value: Ref) -> Problem:
    """The method itself is what the thread runs: `Timer(5, loop.stop)`."""
    return Problem(
        project.site(func, call.span),
        f"`{text(value)}()` is not thread-safe, and a thread that is not the loop's is given it to call; the loop may not notice: use `{_instead(value, value.path[-1])}`",
        provable=False,
    )


def _instead(callee: Ref, method: str) -> str:
    better = LOOP_METHODS[method]
    return better if better.startswith("asyncio.") else f"{text(callee.receiver)}.{better}"


def _own(project: Project, func: Func, receiver: Ref, spawn: Spawn) -> bool:
    return any(
        isinstance(thing, Object) and project.foreign_loops.made_in(thing, spawn)
        for thing in project.types.of(receiver, func)
    )


def _is_named_loop(receiver: Ref) -> bool:
    name = receiver.path[-1] if receiver.path else receiver.name
    return receiver.root != Root.IMPORT and name.strip("_").lower() in _LOOP_NAMES


def _tried(project: Project, func: Func, call: Call) -> bool:
    step = next((step for step in project.steps(func) if step.node is call), None)
    return step is None or any(isinstance(node, Try) and part == "body" for node, part in step.context)


def _asks(project: Project, func: Func, call: Call) -> bool:
    """Whether the function asks where it runs, or chooses between this call and the thread-safe one."""
    if project.foreign_loops.asks(func):
        return True
    names = {last_part(one.callee) for one in project.links.calls[func.id].values()}
    step = next((step for step in project.steps(func) if step.node is call), None)
    chooses = step is not None and any(isinstance(node, (If, Try)) for node, _ in step.context)
    return chooses and bool(names & {"call_soon_threadsafe", "run_coroutine_threadsafe"})


def _from_outside(project: Project, func: Func, call: Call, background: tuple[BackgroundLoop, ...]) -> Problem | None:
    callee = call.callee
    if not background or not isinstance(callee, Ref) or not callee.path or callee.path[-1] not in LOOP_METHODS:
        return None
    things = project.types.of(callee.receiver, func)
    for loop in background:
        if not any(
            isinstance(thing, Object) and thing.call is loop.call and thing.frame is loop.frame for thing in things
        ):
            continue
        if (
            not project.foreign_loops.outside(func, loop)
            or _asks(project, func, call)
            or not _while_running(project, func, call, loop)
        ):
            continue
        method = callee.path[-1]
        site = project.site(func, call.span)
        return Problem(
            site,
            f"`{text(callee)}()` is not thread-safe, and another thread runs this loop, which may not notice: use `{_instead(callee, method)}`",
            (Related(project.site(loop.runner, loop.run.span), "a thread runs the loop from here on"),),
            fix=_fix(site, method),
        )
    return None


def _while_running(project: Project, func: Func, call: Call, loop: BackgroundLoop) -> bool:
    """Whether the call comes after the start of the thread, and before it is waited for, as far as the function itself tells."""
    begun = func is not loop.runner
    for step in project.steps(func):
        node = step.node
        if not isinstance(node, Call):
            continue
        if node is call:
            return begun
        if last_part(node.callee) == "start":
            begun = True
        elif last_part(node.callee) == "join":
            begun = False
    return begun
