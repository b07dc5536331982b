"""TL708."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from threadlint.changes import Change
from threadlint.facts.model import (
    Access,
    Call,
    Const,
    Handler,
    Jump,
    Kind,
    Loop,
    Node,
    Ref,
    Root,
    Span,
    Try,
    Value,
    With,
    walk,
)
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.blocking import ENDING_NAMES
from threadlint.project.bodies.handling import always_raises
from threadlint.project.locks.locks import Step
from threadlint.project.names.mentions import last_part
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func, FunctionThing
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_CATCHING = frozenset({"builtins.BaseException", "asyncio.CancelledError"})
_OTHERS_TASKS = frozenset({"gather", "wait", "shield", "wait_for", "wait_closed", "join"})
_LEAVING = frozenset({"exit", "_exit", "abort", "quit"})
_KNOWING = frozenset({"cancel", "uncancel", "cancelling", "cancelled"})


@rule("TL708", since="0.1", severity=Severity.WARNING, oracle=Oracle.CANCELLATION)
def swallowed_cancellation(project: Project) -> Iterator[Problem]:
    """A loop in a coroutine catches the cancellation of its own task and goes on.

    ## Why is this bad?

    `task.cancel()` raises `CancelledError` at the `await` where the task stands. A handler that takes it, as `except BaseException` and a bare `except` do, and
    goes on with the next turn of the loop makes the task immortal: who cancels it and waits for it waits for ever, `asyncio.timeout()` and `TaskGroup` do not
    end it, and neither does Ctrl-C under `asyncio.run()`.

    ## Example

    ```python
    import asyncio


    async def step() -> None:
        await asyncio.sleep(1)


    async def run() -> None:
        for _ in range(3):
            try:
                await step()
            except BaseException:  # expect: TL708
                print("step failed")


    async def main() -> None:
        task = asyncio.create_task(run())
        await asyncio.sleep(0)
        task.cancel()
        done, running = await asyncio.wait([task], timeout=0.1)
        print("still running:", len(running))


    asyncio.run(main())
    ```

    ## Use instead

    Catch `Exception`: since Python 3.8 `CancelledError` is none. Where something must be done on a cancellation, raise it again afterwards.

    ```python
    import asyncio


    async def step() -> None:
        await asyncio.sleep(1)


    async def run() -> None:
        for _ in range(3):
            try:
                await step()
            except asyncio.CancelledError:
                print("cancelled")
                raise
            except Exception:
                print("step failed")


    async def main() -> None:
        task = asyncio.create_task(run())
        await asyncio.sleep(0)
        task.cancel()
        done, running = await asyncio.wait([task], timeout=0.1)
        print("still running:", len(running))


    asyncio.run(main())
    ```

    ## Fix

    Unsafe, since the task then ends where it is cancelled: `except asyncio.CancelledError: raise` is put before a handler that takes everything.

    ## Known limits

    - Reported is what goes on in a loop. A coroutine that catches its cancellation and then ends is nearly always meant, as the end of a worker or of the program.
    - Waiting for another task is left alone (`task.cancel()`, then `try: await task` with `except CancelledError: pass`): there the error is the other's. So
      are loops of functions that end something by their name, handlers that raise, return or break on some path, and loops whose test the handler changes.
    """
    for func in project.functions:
        if not func.facts.is_async or in_tests(func) or any(part in func.facts.name.lower() for part in ENDING_NAMES):
            continue
        knowing = any(last_part(call.callee) in _KNOWING for call in project.links.calls[func.id].values())
        for step in project.steps(func):
            node = step.node
            if not isinstance(node, (Try, With)) or not step.loops:
                continue
            found = _catches(project, func, node) if isinstance(node, Try) else _suppresses(project, func, node)
            if found is None or (knowing and not found[2]):
                continue
            span, name, _, body = found
            stop = _stop(project, func, node)
            if stop is not None and _goes_on(project, func, step, body):
                site = project.site(func, span)
                yield Problem(
                    site,
                    f"`{name}` also catches the cancellation of this task, and the loop goes on: the task cannot be cancelled",
                    (Related(project.site(func, stop), "a cancellation is raised here"),),
                    fix=Fix(Change.LET_CANCEL, (site,)) if isinstance(node, Try) else None,
                )


def _catches(project: Project, func: Func, node: Try) -> tuple[Span, str, bool, tuple[Node, ...]] | None:
    """The handler that takes a cancellation: its place, how it is written, whether it takes everything, and what it does."""
    for handler in node.handlers:
        names = {name for one in _types(handler) for name in _named(project, func, one)}
        if handler.types and not names & _CATCHING:
            continue
        written = "except:" if not handler.types else "except BaseException"
        everything = not handler.types or "builtins.BaseException" in names
        return handler.span, written if everything else "except CancelledError", everything, handler.body
    return None


def _suppresses(project: Project, func: Func, node: With) -> tuple[Span, str, bool, tuple[Node, ...]] | None:
    for item in node.items:
        value = item.value
        call = project.links.calls[func.id].get(int(value.name)) if _is_result(value) else None
        if call is None or "contextlib.suppress" not in _named(project, func, call.callee):
            continue
        names = {name for one in call.args for name in _named(project, func, one)}
        if names & _CATCHING:
            return item.span, "suppress", "builtins.BaseException" in names, ()
    return None


def _is_result(value: Value) -> TypeGuard[Ref]:
    return isinstance(value, Ref) and value.root == Root.RESULT and not value.path


def _types(handler: Handler) -> Iterator[Value]:
    for one in handler.types:
        yield from getattr(one, "items", (one,))


def _named(project: Project, func: Func, value: Value) -> set[str]:
    return {thing.name for thing in project.types.of(value, func) if isinstance(thing, External)}


def _stop(project: Project, func: Func, node: Try | With) -> Span | None:
    """Where in the block the task waits for something of its own, and not for another task."""
    for step in project.steps(func):
        if not any(outer is node and part == "body" for outer, part in step.context):
            continue
        inner = step.node
        if isinstance(inner, Call) and inner.use.startswith("awaited") and last_part(inner.callee) not in _OTHERS_TASKS:
            return inner.span
        if isinstance(inner, (With, Loop)) and inner.is_async:
            return inner.span
    return None


def _goes_on(project: Project, func: Func, step: Step, body: tuple[Node, ...]) -> bool:
    """Whether the loop around goes on after the handler, on all its paths."""
    loop = step.loops[-1]
    if loop.kind not in ("for", "while"):
        return False
    changed: set[tuple[str, ...]] = set()
    for node in walk(body):
        if isinstance(node, Jump) and node.kind != "continue":
            return False
        if isinstance(node, Call) and (last_part(node.callee) in _LEAVING or _raises(project, func, node)):
            return False
        if isinstance(node, Access) and node.kind != Kind.READ:
            changed.add((node.ref.name, *node.ref.path))
        if isinstance(node, Call) and any(part in last_part(node.callee).lower() for part in ENDING_NAMES):
            changed.add(("",))
    if loop.kind == "while" and not isinstance(loop.value, Const):
        tested = {(ref.name, *ref.path) for ref in refs(loop.value)}
        if changed & tested or ("",) in changed or _asks(loop):
            return False
    return not _told_later(project, func, loop)


def _raises(project: Project, func: Func, call: Call) -> bool:
    """`self.convert(error)`, where that raises one error or another."""
    callees = project.callees(func, call)
    return bool(callees) and all(isinstance(one, FunctionThing) and always_raises(one.func) for one in callees)


def _asks(loop: Loop) -> bool:
    """`while not self.stopping.is_set()`: whoever cancels the task may have set that before."""
    return any(
        name in word.lower()
        for ref in refs(loop.value)
        for word in (ref.name, *ref.path)
        for name in ("stop", "clos", "shut", "exit", "cancel", "run", "alive", "done", "finish", "quit")
    ) or any(_is_result(ref) for ref in refs(loop.value))


def _told_later(project: Project, func: Func, loop: Loop) -> bool:
    """Whether the function raises after the loop: `except BaseException as error: errors.append(error)`, and then the first of them."""
    steps = project.steps(func)
    last = max(number for number, one in enumerate(steps) if any(node is loop for node, _ in one.context))
    return any(isinstance(one.node, Jump) and one.node.kind == "raise" for one in steps[last + 1 :])
