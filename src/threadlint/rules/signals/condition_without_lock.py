"""TL504."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Const, If, Ref, Try
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.project.bodies.paths import catches
from threadlint.project.locks.locks import ANY_LOCK, Lock, text
from threadlint.project.names.mentions import last_part
from threadlint.project.names.things import Cls, Func
from threadlint.project.project import Project
from threadlint.project.signals.predicates import told
from threadlint.project.signals.signals import SignalCall
from threadlint.rules.rule import rule

_ERRORS = {"processes": "AssertionError"}
"""What is raised where it is not RuntimeError (`multiprocessing.synchronize`, CPython 3.14)."""
_NOTIFYING = ("notify", "notify_all")
_WRAPPING = frozenset({"acquire", "release", "__enter__", "__aenter__"})


@rule("TL504", since="0.1", severity=Severity.ERROR, confidence=Confidence.HIGH, oracle=Oracle.CONDITION_LOCK)
def condition_without_lock(project: Project) -> Iterator[Problem]:
    """A condition is used without its lock, or what it announces is tested or changed without the lock.

    ## Why is this bad?

    `wait()`, `notify()` and `notify_all()` raise `RuntimeError` when the lock of the condition is not held. Mostly that is found at once; not in an error path, a `close()`,
    or a line that has slipped out of the `with`.

    The lock also makes one step of "not ready, so wait". When the test stands outside the `with`, the notification can come between the test and the wait, finds nobody who
    waits, and is lost: the waiter sleeps for ever. The same when the state changes only after the notification: the waiter looks, sees the old state and sleeps on.

    ## Example

    ```python
    import threading

    cond = threading.Condition()
    items: list[int] = []


    def take() -> None:
        with cond:
            cond.wait_for(lambda: items)
            print(items.pop())


    def put(number: int) -> None:
        with cond:
            items.append(number)
        cond.notify()  # expect: TL504


    taker = threading.Thread(target=take, daemon=True)
    taker.start()
    put(1)
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


    def put(number: int) -> None:
        with cond:
            items.append(number)
            cond.notify()


    taker = threading.Thread(target=take, daemon=True)
    taker.start()
    put(1)
    taker.join()
    ```

    ## Fix

    Safe for `notify()` without the lock, which always fails: it is called in `with condition:`. Not for `wait()`, which needs a test in there too.

    ## Known limits

    - A private function without callers in the project, or with a caller that holds the lock, is taken to be called with the lock.
    - State that is changed without the lock, but before a notification under the lock, wakes the waiter in time, and is not reported here.
    - On an event loop nothing comes between a test and a lock that is free; tests outside the lock are reported for threads and processes only.
    - A lock that is acquired and released by hand (`cond.acquire()`) is followed only on straight ways through the function.
    """
    for call in project.signals.calls("condition", "wait", "wait_for", *_NOTIFYING):
        lock = project.locks.of(call.receiver, call.func)
        if lock is None or not lock.known or lock.each or _of_unknown_lock(project, call, lock):
            continue
        if _held(project, call, lock):
            if call.method == "wait":
                yield from _tested_outside(project, call)
            elif call.method in _NOTIFYING:
                yield from _changed_after(project, call, lock)
        elif _is_bare(project, call, lock):
            yield _not_held(project, call)


def _of_unknown_lock(project: Project, call: SignalCall, lock: Lock) -> bool:
    """Whether the condition was made with a lock that is not known."""
    for origin in call.origins:
        func, made = project.signals.made(origin)
        inner = made.argument(0, "lock")
        if made.starred or (
            inner is not None and not isinstance(inner, Const) and project.locks.of(inner, func) is None
        ):
            return True
    return not call.origins or lock.kind.kind != "condition"


def _held(project: Project, call: SignalCall, lock: Lock) -> bool:
    """Whether the lock, or one that is not known, is held there for certain."""
    always = project.entry.always.get(call.func.id, frozenset())
    if lock.key in always or ANY_LOCK in always:
        return True
    return any(one.lock.key == lock.key or not one.lock.known for one in call.step.held)


def _is_bare(project: Project, call: SignalCall, lock: Lock) -> bool:
    """Whether the function is certainly reached without the lock."""
    func = call.func
    ever = project.entry.ever.get(func.id, frozenset())
    if lock.key in ever or ANY_LOCK in ever or _by_hand(project, func, lock) or _expects_error(call):
        return False
    cls = project.types.owner(func)
    if cls is not None and (
        any(project.types.method(cls, name) is not None for name in _WRAPPING) or _taken_by_a_method(project, cls, lock)
    ):
        return False
    if any(spawn.target.func is func for spawn in project.spawns) or func.is_module:
        return True
    if func.facts.owner or func.facts.name == "<lambda>":
        return func.id in project.entry.bare
    return not func.facts.name.startswith("_") or func.id in project.entry.bare


def _taken_by_a_method(project: Project, cls: Cls, lock: Lock) -> bool:
    """Whether a method takes the lock and keeps it, for callers that call others with it: `def lock(self): self.cond.acquire()`."""
    for base in project.types.mro(cls):
        for method in project.links.methods.get(base.id, {}).values() if isinstance(base, Cls) else ():
            done = {last_part(call.callee) for call in project.links.calls[method.id].values()}
            if "acquire" in done and "release" not in done and _by_hand(project, method, lock):
                return True
    return False


def _by_hand(project: Project, func: Func, lock: Lock) -> bool:
    """Whether the function acquires the lock other than by `with`."""
    if any(one.lock.key == lock.key and not one.lexical for step in project.steps(func) for one in step.held):
        return True
    for call in project.links.calls[func.id].values():
        callee = call.callee
        if not isinstance(callee, Ref) or callee.path[-1:] not in (("acquire",), ("release",), ("enter_context",)):
            continue
        value = call.argument(0) if callee.path[-1] == "enter_context" else callee.receiver
        found = project.locks.of(value, func)
        if found is not None and found.key == lock.key:
            return True
    return False


def _expects_error(call: SignalCall) -> bool:
    return any(
        isinstance(node, Try) and part == "body" and any(catches(handler, "RuntimeError") for handler in node.handlers)
        for node, part in call.step.context
    )


def _not_held(project: Project, call: SignalCall) -> Problem:
    name = text(call.receiver)
    with_it = next(
        (
            one
            for one in project.signals.on(call.origins, "condition", "wait", "wait_for", *_NOTIFYING)
            if one.step.held and one.call is not call.call
        ),
        None,
    )
    related = (
        (Related(project.site(with_it.func, with_it.call.span), f"`{with_it.method}()` is called with the lock here"),)
        if with_it is not None
        else ()
    )
    site = project.site(call.func, call.call.span)
    holds = Fix(Change.HOLD, (site,), safe=True, text=name)
    return Problem(
        site,
        f"`{name}.{call.method}()` is called without the lock of `{name}`; this raises {_ERRORS.get(call.type.world, 'RuntimeError')}",
        related,
        provable=call.type.world != "processes",
        fix=holds if call.type.world == "threads" and call.method in _NOTIFYING else None,
    )


def _tested_outside(project: Project, call: SignalCall) -> Iterator[Problem]:
    """`while not ready: with cond: cond.wait()`: the notification can come between the test and the wait."""
    lost = project.signals.conditions.lost(call)
    if lost is None:
        return
    name, start = text(call.receiver), lost.test.node.span
    width = 2 if isinstance(lost.test.node, If) else 5
    yield Problem(
        project.site(call.func, call.call.span),
        f"`{told(lost.state)}` is tested without the lock of `{name}`; a notification between the test and this wait is lost, and it waits for ever",
        (
            Related(
                project.site(call.func, (start[0], start[1], start[0], start[1] + width)),
                "tested here, before the lock is taken",
            ),
            Related(project.site(lost.notify.func, lost.notify.call.span), "changed and notified here"),
        ),
        confidence=Confidence.MEDIUM,
        provable=False,
    )


def _changed_after(project: Project, call: SignalCall, lock: Lock) -> Iterator[Problem]:
    """`with cond: cond.notify()` and only then `self.ready = True`."""
    late = project.signals.conditions.late(call, lock.key)
    if late is None:
        return
    use, wait = late
    yield Problem(
        project.site(call.func, use.span),
        f"`{text(use.ref)}` changes only after `{text(call.receiver)}.{call.method}()`; the waiter looks, sees the old state, and sleeps on",
        (
            Related(project.site(call.func, call.call.span), "notified here"),
            Related(project.site(wait.func, wait.call.span), "waited for here"),
        ),
        confidence=Confidence.MEDIUM,
        provable=False,
    )
