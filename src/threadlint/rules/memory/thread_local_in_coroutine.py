"""TL602."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Const, If, Jump, Kind, Loop, Node, Ref, Root, Span, Suspend, Try, Value, With
from threadlint.findings import Problem, Related, Severity
from threadlint.knowledge.stdlib import LOOP_TYPES
from threadlint.project.bodies.paths import catches
from threadlint.project.bodies.thread_locals import LocalUse, Storage
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_DEEP = 3


@rule("TL602", since="0.1", severity=Severity.ERROR)
def thread_local_in_coroutine(project: Project) -> Iterator[Problem]:
    """A coroutine keeps its own data in a `threading.local`, which it shares with every other coroutine of the thread.

    ## Why is this bad?

    All coroutines of an event loop run in one thread, so a `threading.local()` is the same for all of them. While one waits at an `await`, another sets the attribute, and
    the first goes on with the other's value: one request acts for the user of another.

    ## Example

    ```python
    import asyncio
    import threading

    request = threading.local()


    async def handle(user: str) -> None:
        request.user = user  # expect: TL602
        await asyncio.sleep(0)
        print("audit:", request.user)


    async def main() -> None:
        await asyncio.gather(handle("ann"), handle("bob"))


    asyncio.run(main())
    ```

    It prints `audit: bob` twice.

    ## Use instead

    A context variable: each task has its own value.

    ```python
    import asyncio
    import contextvars

    request_user: contextvars.ContextVar[str] = contextvars.ContextVar("request_user")


    async def handle(user: str) -> None:
        request_user.set(user)
        await asyncio.sleep(0)
        print("audit:", request_user.get())


    async def main() -> None:
        await asyncio.gather(handle("ann"), handle("bob"))


    asyncio.run(main())
    ```

    ## Known limits

    - What is made once for each thread (under `if not hasattr(...)`, or in `except AttributeError`) and event loops may well be kept there, and are not reported.
    - Where only functions that the coroutine does not visibly call read the attribute, it is reported only if the value comes from the coroutine's parameters.
    - Objects of greenlet, gevent and werkzeug that look like `threading.local` are not known here.
    """
    for storage in project.thread_locals.all():
        for name, uses in storage.uses.items():
            told: set[str] = set()
            for use in uses:
                if use.kind in (Kind.WRITE, Kind.UPDATE) and use.func.facts.is_async and use.func.id not in told:
                    found = _mixed(project, storage, name, use)
                    if found is not None:
                        told.add(use.func.id)
                        yield found


@dataclass(slots=True)
class _Walk:
    """Looks for a read of the attribute after the coroutine has waited, in the order of evaluation."""

    project: Project
    reads: dict[tuple[str, int], LocalUse]
    writes: frozenset[tuple[str, int]]
    context: tuple[tuple[Node, str], ...]
    """what stands around the assignment"""
    waited: Span | None = None
    """where the writing coroutine waits first"""

    def run(self, func: Func, start: int, depth: int, *, suspended: bool) -> tuple[LocalUse | None, bool]:
        """The read that may see another coroutine's value; whether the function has waited."""
        steps = self.project.steps(func)
        for number in range(start, len(steps)):
            step = steps[number]
            if suspended and (func.id, number) in self.reads:
                return self.reads[func.id, number], True
            if (func.id, number) in self.writes and number > start and not depth:
                return None, suspended
            if not depth and isinstance(step.node, Jump) and self.leaves(step):
                return None, suspended
            if isinstance(step.node, Call) and depth < _DEEP:
                for thing in self.project.callees(func, step.node):
                    if isinstance(thing, FunctionThing) and (
                        not thing.func.facts.is_async or step.node.use.startswith("awaited")
                    ):
                        found, after = self.run(thing.func, 0, depth + 1, suspended=suspended)
                        if found is not None:
                            if not depth and self.waited is None:
                                self.waited = step.node.span
                            return found, True
                        suspended = suspended or after
            if _waits(step):
                if not depth and self.waited is None:
                    self.waited = step.node.span
                suspended = suspended or func.facts.is_async
        return None, suspended

    def leaves(self, jump: Step) -> bool:
        """Whether the coroutine comes by this way whenever it has written: `local.x = v; return`."""
        return jump.context == self.context[: len(jump.context)]


def _waits(step: Step) -> bool:
    node = step.node
    return isinstance(node, Suspend) or (isinstance(node, (With, Loop)) and node.is_async)


def _mixed(project: Project, storage: Storage, name: str, write: LocalUse) -> Problem | None:
    func = write.func
    step = project.steps(func)[write.step]
    if in_tests(func) or _once_per_thread(project, storage, name, func, step) or _of_the_thread(project, write):
        return None
    uses = storage.uses[name]
    reads = {(use.func.id, use.step): use for use in uses if use.kind in (Kind.READ, Kind.UPDATE)}
    writes = frozenset((use.func.id, use.step) for use in uses if use.kind == Kind.WRITE)
    walk = _Walk(project, reads, writes, step.context)
    read, _ = walk.run(func, write.step + 1, 0, suspended=False)
    if read is None:
        others = (use for use in uses if use.kind == Kind.READ and use.func is not func and not in_tests(use.func))
        read = next(others, None) if _own(project, write.value, func, _DEEP) else None
    if read is None:
        return None
    if walk.waited is None:
        return _between(project, name, uses, write)
    related = (
        Related(project.site(func, walk.waited), "others run while it waits here"),
        Related(project.site(read.func, read.span), f"`{read.text}.{name}` is read here"),
    )
    return Problem(
        project.site(func, write.span),
        f"`{write.text}.{name}` is one value for all coroutines of the thread; while `{func.name}` waits, another one can set it",
        related,
    )


def _between(project: Project, name: str, uses: list[LocalUse], write: LocalUse) -> Problem | None:
    """Set by one coroutine function, and read by another that takes it away again: `acquire()` and `release()`."""
    steps = project.steps
    for read in uses:
        if read.kind != Kind.READ or read.func is write.func or not read.func.facts.is_async or in_tests(read.func):
            continue
        ends = any(
            use.func is read.func
            and (use.kind == Kind.DELETE or (use.kind == Kind.WRITE and isinstance(use.value, Const)))
            for use in uses
        )
        if ends and any(_waits(step) for step in steps(write.func)):
            return Problem(
                project.site(write.func, write.span),
                f"`{write.text}.{name}` is one value for all coroutines of the thread; another one can set it before `{read.func.name}` reads it",
                (Related(project.site(read.func, read.span), f"`{read.text}.{name}` is read here"),),
            )
    return None


def _once_per_thread(project: Project, storage: Storage, name: str, func: Func, step: Step) -> bool:
    """`if not hasattr(local, "x"): local.x = ...`, or in `except AttributeError`: made when the thread has none yet."""
    names = {use.text for use in storage.uses[name]}
    for node, part in step.context:
        if (
            isinstance(node, Try)
            and part != "body"
            and any(catches(handler, "AttributeError") for handler in node.handlers)
        ):
            return True
        if isinstance(node, If):
            for ref in refs(node.test):
                call = project.links.calls[func.id].get(int(ref.name)) if ref.root == Root.RESULT else None
                asked = [ref] if call is None else [one for one in call.args if isinstance(one, Ref)]
                if any(text(one) in names or text(one.receiver) in names for one in asked):
                    return True
    return False


def _of_the_thread(project: Project, write: LocalUse) -> bool:
    """The event loop, of which a thread has one."""
    return bool(project.types.types(write.value, write.func) & LOOP_TYPES)


def _own(project: Project, value: Value | None, func: Func, depth: int) -> bool:
    """Whether the value comes from a parameter of the function."""
    params = {param.name for param in func.facts.params} - {project.types.self_name(func)}
    for ref in refs(value):
        if ref.root == Root.VAR and ref.owner == func.facts.qualname:
            if ref.name in params:
                return True
            bound = project.links.bindings.get((func.id, ref.name), ())
            if depth and any(_own(project, access.value, where, depth - 1) for where, access in bound):
                return True
        elif ref.root == Root.RESULT and depth:
            call = project.links.calls[func.id].get(int(ref.name))
            if call is not None and any(_own(project, one, func, depth - 1) for one in (*call.args, call.callee)):
                return True
    return False
