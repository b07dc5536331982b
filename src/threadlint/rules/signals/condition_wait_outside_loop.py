"""TL503."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Call, If, Kind, Node, Ref, Suspend, walk
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.quiet import QUIET
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.signals.predicates import State, meet, told
from threadlint.project.signals.signals import SignalCall
from threadlint.project.signals.waiting import Test, Waiting
from threadlint.rules.rule import rule

_ACTING = frozenset({"pop", "popleft", "popitem", "get", "get_nowait", "remove", "__next__"})


@rule("TL503", since="0.1", severity=Severity.WARNING, confidence=Confidence.HIGH, oracle=Oracle.WOKEN)
def condition_wait_outside_loop(project: Project) -> Iterator[Problem]:
    """After `Condition.wait()` nothing looks whether what was waited for is there.

    ## Why is this bad?

    `notify()` says "look again", not "it is yours". Between the notification and the moment when the waiter has the lock back, another thread can take the item; `notify_all()` wakes
    everybody for one item; a wait with a timeout comes back with nothing. So `if not items: cond.wait()` followed by `items.pop()` raises `IndexError` on a busy day.
    A wait that is not preceded by a test is worse: when the notification came first, nobody is left to give another, and it waits for ever.

    `while not items: cond.wait()`, or `cond.wait_for(lambda: items)`, does both: it looks before and after.

    ## Example

    ```python
    import threading

    cond = threading.Condition()
    items: list[int] = []


    def take() -> None:
        with cond:
            if not items:
                cond.wait()  # expect: TL503
            print(items.pop())


    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(2):
        with cond:
            items.append(number)
            cond.notify_all()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    ```python
    import threading

    cond = threading.Condition()
    items: list[int] = []


    def take() -> None:
        with cond:
            cond.wait_for(lambda: items)
            print(items.pop())


    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(2):
        with cond:
            items.append(number)
            cond.notify_all()
    for thread in threads:
        thread.join()
    ```

    ## Fix

    Safe: `if not items: cond.wait()` becomes `while not items: cond.wait()`, where the wait is all that the `if` does, has no timeout, and there is no `else`.

    ## Known limits

    - Any loop around the wait counts, also one in the function that calls it; so does any test of the same state after it.
    - `wait(timeout)` without a test before it is taken for a pause that can be cut short.
    - State that is set once and stays so, always together with the notification, is left alone: no wake-up is for nothing then.
    - A function that does not take the lock itself leaves the test to its caller, and one that notifies before it waits is one side of a handshake: both are left alone.
    """
    for call in project.signals.calls("condition", "wait"):
        wait = project.signals.conditions.waiting(call)
        if _is_looked_after(project, wait):
            continue
        changed = project.signals.conditions.own_changes(call)
        # what the function itself changes before it waits is not what it waits for
        tests = [test for test in wait.tests() if isinstance(test.node, If) and not meet(test.state, changed)]
        if tests and project.signals.conditions.lost(call) is not None:
            continue  # told as TL504
        if tests:
            yield from _tested_once(project, wait, tests)
        else:
            yield from _untested(project, wait)
    for call in project.signals.calls("condition", "wait_for"):
        yield from _in_vain(project, project.signals.conditions.waiting(call))


def _is_looked_after(project: Project, wait: Waiting) -> bool:
    """Whether a loop, the caller, or the other side of a handshake makes up for the missing loop."""
    call = wait.wait
    if (
        call.step.loops
        or call.call.use not in ("discarded", "awaited-discarded")
        or (wait.region is None and not wait.by_hand)
    ):
        return True
    if any(_is_notify(before, call) for before in wait.before):
        return True
    calls = [
        (caller, one)
        for caller, one, _ in project.named_calls.of(call.func)
        if project.links.calls[caller.id].get(one.id) is one  # not what a new thread will call
    ]
    return bool(calls) and all(one.id in project.links.looped[caller.id] for caller, one in calls)


def _is_notify(step: Step, wait: SignalCall) -> bool:
    callee = step.node.callee if isinstance(step.node, Call) else None
    return (
        isinstance(callee, Ref)
        and callee.path[-1:] in (("notify",), ("notify_all",), ("notifyAll",))
        and callee.receiver == wait.receiver
    )


def _tested_once(project: Project, wait: Waiting, tests: list[Test]) -> Iterator[Problem]:
    """`if not items: cond.wait()`, and then no second look."""
    func = wait.wait.func
    state = frozenset().union(*(test.state for test in tests))
    if any(wait.tests_again(step, state) for step in wait.after):
        return
    acting = next((step.node for step in wait.after if _relies(project, step.node, func, state)), None)
    if (acting is None and wait.limited) or (not wait.limited and project.signals.conditions.settled(wait.wait, state)):
        return
    name = text(wait.wait.receiver)
    start = tests[-1].node.span
    related = [
        Related(project.site(func, (start[0], start[1], start[0], start[1] + 2)), "tested once, before the wait")
    ]
    if isinstance(acting, (Call, Access)):
        related.append(Related(project.site(func, acting.span), "relied on here"))
    yield Problem(
        project.site(func, wait.wait.call.span),
        f"`{name}.wait()` is not in a loop: {_names(state)} may no longer be as announced when it returns, and nothing tests that",
        tuple(related),
        confidence=Confidence.HIGH if acting is not None else Confidence.MEDIUM,
        provable=wait.wait.type.world == "threads",
        fix=_loop(project, wait, tests[-1]),
    )


def _loop(project: Project, wait: Waiting, test: Test) -> Fix | None:
    """A `while` in place of the `if`, where the wait is all that stands in it; with a timeout that would wait longer than asked."""
    node, context = test.node, wait.wait.step.context
    if wait.limited or not context or context[-1][0] is not node or not isinstance(node, If):
        return None
    inside = [one for one in walk(node.body) if isinstance(one, (Call, Suspend))]
    if node.orelse or any(one.span[0] != wait.wait.call.span[0] for one in inside):
        return None
    return Fix(Change.WAIT_LOOP, (project.site(wait.wait.func, wait.wait.call.span),), safe=True)


def _in_vain(project: Project, wait: Waiting) -> Iterator[Problem]:
    """`cond.wait_for(lambda: items, timeout)` and then `items.pop()`, whatever it returned."""
    call, func = wait.wait.call, wait.wait.func
    if not wait.limited or call.use not in ("discarded", "awaited-discarded"):
        return
    state = wait.looked_for()
    after = project.steps(func)[wait.wait.number + 1 :]
    if wait.wait.step.loops or any(wait.tests_again(step, state) for step in after):
        return
    taken = next(
        (step.node for step in after if isinstance(step.node, Call) and _relies(project, step.node, func, state)), None
    )
    if isinstance(taken, Call):
        yield Problem(
            project.site(func, call.span),
            f"the result of `{text(wait.wait.receiver)}.wait_for()` is ignored; after the timeout {_names(state)} is as it was, and nothing tests that",
            (Related(project.site(func, taken.span), "relied on here"),),
        )


def _names(state: frozenset[State]) -> str:
    return ", ".join(f"`{told(one)}`" for one in sorted(state)[:2])


def _relies(project: Project, node: Node, func: Func, state: frozenset[State]) -> bool:
    """Whether the step takes something out of the state, or reads it."""
    if isinstance(node, Call) and isinstance(node.callee, Ref) and node.callee.path:
        return node.callee.path[-1] in _ACTING and _is_state(project, node.callee.receiver, func, state)
    return isinstance(node, Access) and node.kind != Kind.WRITE and _is_state(project, node.ref, func, state)


def _is_state(project: Project, ref: Ref, func: Func, state: frozenset[State]) -> bool:
    found = project.signals.predicates.state(ref, func)
    return bool(found) and meet(frozenset([found]), state)


def _untested(project: Project, wait: Waiting) -> Iterator[Problem]:
    """`with cond: cond.wait()`: whatever was announced before is lost."""
    region = wait.region
    inside = [step.node for step in wait.before if any(node is region for node, _ in step.context)]
    if region is None or wait.limited or any(_does_something(node) for node in inside):
        return
    name = text(wait.wait.receiver)
    yield Problem(
        project.site(wait.wait.func, wait.wait.call.span),
        f"`{name}.wait()` waits without a test of what it waits for; a notification that came before is lost, and it waits for ever",
        provable=False,
    )


def _does_something(node: Node) -> bool:
    """Whether the step may set going what will notify: that cannot come too early, as this thread has the lock."""
    if isinstance(node, Call):
        callee = node.callee
        last = (callee.path[-1] if callee.path else callee.name.rpartition(".")[2]) if isinstance(callee, Ref) else ""
        return last not in QUIET
    return isinstance(node, Access) and node.kind != Kind.READ and bool(node.ref.path)
