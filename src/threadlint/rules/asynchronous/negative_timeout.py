"""TL711."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Try
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.clocks import NEGATIVE_RAISES
from threadlint.project.bodies.paths import catches
from threadlint.project.bodies.time_left import Remainder, TimeLeft
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import External, Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL711", since="0.1", severity=Severity.WARNING, oracle=Oracle.NEGATIVE_TIMEOUT, everywhere=True)
def negative_timeout(project: Project) -> Iterator[Problem]:
    """The time that is left until a deadline is given to a wait, although it is negative once the deadline has passed.

    ## Why is this bad?

    `time.sleep(end - time.monotonic())` raises `ValueError: sleep length must be non-negative` when the deadline has passed, and that happens when the machine is busy: the work before it
    took longer than planned, or the clock moved on between the test in the loop's head and the subtraction. `Lock.acquire`, `Queue.get`, `Queue.put`, `select.select` and
    `socket.settimeout` raise as well. In a worker thread or an event loop that ends the loop.

    ## Example

    ```python
    import time


    def every(seconds: float, turns: int) -> None:
        for _ in range(turns):
            start = time.monotonic()
            work()
            time.sleep(seconds - (time.monotonic() - start))  # expect: TL711


    def work() -> None:
        time.sleep(0.02)


    every(0.01, turns=2)
    ```

    ## Use instead

    ```python
    import time


    def every(seconds: float, turns: int) -> None:
        for _ in range(turns):
            start = time.monotonic()
            work()
            time.sleep(max(0.0, seconds - (time.monotonic() - start)))


    def work() -> None:
        time.sleep(0.02)


    every(0.01, turns=2)
    ```

    ## Fix

    Safe: `time.sleep(end - time.monotonic())` becomes `time.sleep(max(0, end - time.monotonic()))`. Unsafe where the time comes from elsewhere, and could be `None` too.

    ## Known limits

    - The difference is followed through variables, `min()`, lists, return values, and what generators yield to the loop that runs them; not through attributes and parameters.
    - A variable that the function compares with anything is taken to be dealt with, and so is a wait in a `try` that catches `ValueError`.
    - `Event.wait`, `Condition.wait`, `Semaphore.acquire`, `join` and `asyncio.sleep` take a negative number for "do not wait", and are not reported.
    - That `time.time()` may be set back while a program waits is reported by [TL712](TL712.md).
    """
    time_left = TimeLeft(project.types, project.steps)
    for func in project.callers_of(NEGATIVE_RAISES):
        for call in project.links.calls[func.id].values():
            for thing in project.types.of(call.callee, func):
                found = NEGATIVE_RAISES.get(thing.name) if isinstance(thing, External) else None
                left = time_left.of(call.argument(*found), func) if found is not None else None
                if left is not None and not _caught(project, func, call):
                    assert isinstance(thing, External)
                    yield _problem(project, func, call, thing.name, left)
                    break


def _caught(project: Project, func: Func, call: Call) -> bool:
    step: Step | None = next((step for step in project.steps(func) if step.node is call), None)
    return step is not None and any(
        isinstance(node, Try) and part == "body" and any(catches(handler, "ValueError") for handler in node.handlers)
        for node, part in step.context
    )


def _problem(project: Project, func: Func, call: Call, name: str, left: Remainder) -> Problem:
    when = "where the work took longer than planned" if left.elapsed else "once the deadline has passed"
    site, clock = project.site(func, call.span), project.site(left.func, left.span)
    return Problem(
        site,
        f"the time left can be negative here, {when}; `{name}()` then raises ValueError",
        (Related(clock, "the clock is read here, for the difference"),)
        if clock.line != site.line or clock.path != site.path
        else (),
        partners=(clock,),
        fix=Fix(
            Change.NOT_NEGATIVE, (site,), safe=True, otherwise=Fix(Change.NOT_NEGATIVE, (site,), text="perhaps None")
        ),
    )
