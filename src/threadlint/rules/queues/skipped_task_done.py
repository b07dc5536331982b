"""TL401."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import (
    Call,
    Compare,
    Const,
    Handler,
    If,
    Node,
    Operate,
    Ref,
    Root,
    Span,
    Suspend,
    Value,
    With,
    walk,
)
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.quiet import QUIET
from threadlint.knowledge.stdlib import JOINABLE_QUEUES, QUEUES
from threadlint.project.bodies.paths import Outcome, Paths, catches_all, suppresses_all
from threadlint.project.locks.lock_calls import conjuncts
from threadlint.project.locks.locks import text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.queues.queues import Origin, Use
from threadlint.rules.rule import rule

_IDLE, _ASKED, _OWING = "idle", "asked", "owing"


@rule("TL401", since="0.1", severity=Severity.ERROR, oracle=Oracle.QUEUE_JOIN)
def skipped_task_done(project: Project) -> Iterator[Problem]:
    """`task_done()` is missing, or is skipped when handling the item fails, on a queue that is joined.

    ## Why is this bad?

    `Queue.join()` returns once `task_done()` has been called for every item. When the code between `get()` and `task_done()` raises, or goes on with
    `continue`, the count never reaches zero, and `join()` waits for ever.

    ## Example

    ```python
    import queue
    import threading

    jobs = queue.Queue()


    def worker() -> None:
        while True:
            job = jobs.get()
            print(10 // job)
            jobs.task_done()  # expect: TL401


    threading.Thread(target=worker, daemon=True).start()
    for number in (2, 1, 0):
        jobs.put(number)
    jobs.join()
    ```

    ## Use instead

    ```python
    import queue
    import threading

    jobs = queue.Queue()


    def worker() -> None:
        while True:
            job = jobs.get()
            try:
                print(10 // (job + 1))
            finally:
                jobs.task_done()


    threading.Thread(target=worker, daemon=True).start()
    for number in (2, 1, 0):
        jobs.put(number)
    jobs.join()
    ```

    ## Fix

    Safe, where `get()` and the last `task_done()` stand in one block: what is between them goes into a `try`, and `task_done()` into its `finally`; a `task_done()` right before a
    `return`, `raise`, `break` or `continue` goes.

    ## Known limits

    - Queues that nobody joins are left alone.
    - Calls, `await`, `raise` and arithmetic count as able to raise; logging, `print`, `append` and their like do not.
    - A worker that leaves its loop on a stop marker without `task_done()` is reported only where the marker is put before the `join()`.
    """
    seen: set[str] = set()
    for origin, uses in project.queues.uses().items():
        joins = [use for use in uses if use.method == "join"]
        if not joins or project.queues.kinds[origin] not in JOINABLE_QUEUES:
            continue
        consumers = {use.func.id: use.func for use in uses if use.method in ("get", "get_nowait")}
        # a callback of the item's task, say, marks it
        handed_on = any(use.method == "task_done" and use.func.id not in consumers for use in uses)
        for func in () if handed_on else consumers.values():
            if func.id in seen:
                continue
            seen.add(func.id)
            yield from _consumer(project, func, origin, uses, joins)


def _consumer(project: Project, func: Func, origin: Origin, uses: list[Use], joins: list[Use]) -> Iterator[Problem]:
    own = [use for use in uses if use.func is func]
    gets = [use for use in own if use.method in ("get", "get_nowait")]
    dones = [use for use in own if use.method == "task_done"]
    name = text(gets[0].receiver)
    join = joins[0]
    joined = Related(project.site(join.func, join.call.span), "this `join()` never returns")
    if not dones:
        if not any(use.method == "task_done" for use in uses) and not _handed_on(project, func, origin):
            site = project.site(func, gets[0].call.span)
            yield Problem(
                site,
                f"`task_done()` is never called for the items of `{name}`, which is joined",
                (joined,),
                partners=(site, joined.site),
            )
        return
    awaits = QUEUES[project.queues.kinds[origin]] == "tasks"
    numbers = {use.call.id: use.method for use in own}

    def step(node: Node, state: str) -> str:
        if isinstance(node, Call) and node.id in numbers:
            method = numbers[node.id]
            if method == "get" and awaits and not node.use.startswith("awaited"):
                return state  # a task of its own, which may be cancelled
            got = _ASKED if method == "get" and awaits else _OWING
            return got if method in ("get", "get_nowait") else _IDLE if method == "task_done" else state
        return _OWING if state == _ASKED and isinstance(node, Suspend) else state

    def raises(node: Node) -> bool:
        if isinstance(node, Call):
            return numbers.get(node.id) != "task_done" and not _quiet(node)
        return isinstance(node, (Suspend, Operate))

    def catches(handler: Handler) -> bool:
        return catches_all(handler)

    def swallows(node: With) -> bool:
        return suppresses_all(node, lambda value: project.types.of(value, func))

    def branch(node: If, state: str, *, body: bool) -> str | None:
        """`if job: queue.task_done()`: there is a job when there was one to get."""
        got = any(wanted and _is_got(project, test, func, numbers) for test, wanted in conjuncts(node.test, truth=True))
        return None if got and state == (_IDLE if body else _OWING) else state

    getting = {use.call.span for use in gets}

    def enters(handler: Handler, raised: Span) -> bool:
        """The work does not say that the queue is empty: `except queue.Empty` is for the `get()`."""
        return raised in getting or not _only_empty(handler)

    outcome = Paths(step, raises, catches, swallows, branch, enters).run(func.facts.body, _IDLE)
    found = _worst(project, func, outcome, uses, joins)
    if found is None:
        return
    reason, span, at_done = found
    place = _nearest(dones, span) if at_done else span
    site = project.site(func, place)
    related = (
        (Related(project.site(func, span), "leaves here with the item not marked as done"), joined)
        if place != span
        else (joined,)
    )
    got = [use.call.span for use in gets if use.call.span < place]
    yield Problem(
        site,
        f"`task_done()` is not reached when {reason}; `{name}.join()` then never returns",
        related,
        partners=(project.site(func, gets[0].call.span), joined.site),
        fix=_fix(project, func, max(got), dones) if got else None,
    )


def _only_empty(handler: Handler) -> bool:
    return bool(handler.types) and all(
        isinstance(one, Ref) and (one.name, *one.path)[-1].rpartition(".")[2] in ("Empty", "QueueEmpty", "ShutDown")
        for one in handler.types
    )


def _fix(project: Project, func: Func, got: Span, dones: list[Use]) -> Fix:
    last = max((use.call.span for use in dones if use.call.span >= got), default=dones[0].call.span)
    return Fix(Change.FINALLY, (project.site(func, got), project.site(func, last)), safe=True)


def _worst(
    project: Project, func: Func, outcome: Outcome, uses: list[Use], joins: list[Use]
) -> tuple[str, Span, bool] | None:
    again = sorted(span for state, span in outcome.get("again") if state == _OWING)
    skipping = [span for span in again if span[0] and _takes_the_next(project, func, span, uses)]
    if skipping:
        return "the loop goes on here", skipping[0], False
    raised = sorted(span for state, span in outcome.get("raise") if state == _OWING)
    if raised:
        return "the job raises", raised[0], True
    left = sorted(span for way in ("fall", "return", "break") for state, span in outcome.get(way) if state == _OWING)
    if left and left[0][0] and any(_marker_before_join(project, join, uses) for join in joins):
        return "the worker leaves its loop here", left[0], False
    return None


def _takes_the_next(project: Project, func: Func, span: Span, uses: list[Use]) -> bool:
    """Whether the loop that goes on here is one that takes items, not one that tries again with the same item."""
    gets = {use.call.id for use in uses if use.func is func and use.method in ("get", "get_nowait")}
    loops = next((step.loops for step in project.steps(func) if getattr(step.node, "span", None) == span), ())
    return not loops or any(isinstance(node, Call) and node.id in gets for node in walk(loops[-1].body))


def _marker_before_join(project: Project, join: Use, uses: list[Use]) -> bool:
    """Whether a stop marker is put before the queue is joined, in the function that joins it."""
    puts = {
        use.call.id
        for use in uses
        if use.func is join.func and use.method in ("put", "put_nowait") and _is_marker(use.call)
    }
    for step in project.steps(join.func):
        if step.node is join.call:
            return False
        if isinstance(step.node, Call) and step.node.id in puts:
            return True
    return False


def _is_marker(call: Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], Const) and call.args[0].value is None


def _is_got(project: Project, test: Value, func: Func, numbers: dict[int, str]) -> bool:
    """Whether the value is a variable that holds `None` or what a `get()` of the queue gave."""
    if isinstance(test, Compare) and test.op == "is not" and test.right == Const(None):
        test = test.left
    if not isinstance(test, Ref) or test.root != Root.VAR or test.path:
        return False
    bound = [access.value for _, access in project.links.bindings.get((func.id, test.name), ())]
    return Const(None) in bound and all(
        value == Const(None) or (isinstance(value, Ref) and numbers.get(_number(value)) in ("get", "get_nowait"))
        for value in bound
    )


def _number(value: Ref) -> int:
    return int(value.name) if value.root == Root.RESULT and not value.path else -1


def _quiet(call: Call) -> bool:
    callee = call.callee
    return isinstance(callee, Ref) and (callee.path[-1] if callee.path else callee.name.rpartition(".")[2]) in QUIET


def _handed_on(project: Project, func: Func, origin: Origin) -> bool:
    """Whether the queue, or the object that holds it, goes to code that is not known."""
    for call in project.links.calls[func.id].values():
        for value in (*call.args, *(value for _, value in call.keywords)):
            if any(found == origin for found in project.queues.origins(value, func)):
                return True
    return False


def _nearest(dones: list[Use], span: Span) -> Span:
    after = [use.call.span for use in dones if use.call.span >= span]
    return min(after) if after else dones[0].call.span
