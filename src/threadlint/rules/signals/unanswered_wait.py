"""TL509."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Const
from threadlint.findings import Confidence, Oracle, Problem, Related, Severity
from threadlint.project.locks.locks import text
from threadlint.project.project import Project
from threadlint.project.signals.predicates import told
from threadlint.project.signals.signals import SignalCall
from threadlint.rules.rule import rule


@rule("TL509", since="0.1", severity=Severity.ERROR, confidence=Confidence.HIGH, oracle=Oracle.EVENT)
def unanswered_wait(project: Project) -> Iterator[Problem]:
    """A thread waits for a sign that nobody gives.

    ## Why is this bad?

    A thread in `Condition.wait()` looks at nothing until it is notified. `self.closed = True` alone does not wake it: without `notify_all()` the thread sleeps on, and a `join()` on it
    never returns. An event that is waited for, and set nowhere, is the same mistake in its plainest form.

    ## Example

    ```python
    import threading


    class Clock:
        def __init__(self) -> None:
            self.cond = threading.Condition()
            self.started = threading.Event()
            self.ticks = 0
            self.stopped = False
            self.thread = threading.Thread(target=self.run)
            self.thread.start()

        def run(self) -> None:
            with self.cond:
                self.started.set()
                while not self.stopped:
                    self.cond.wait()  # expect: TL509
                    print(self.ticks)

        def tick(self) -> None:
            with self.cond:
                self.ticks += 1
                self.cond.notify()

        def stop(self) -> None:
            with self.cond:
                self.stopped = True
            self.thread.join()


    clock = Clock()
    clock.started.wait()
    clock.stop()
    ```

    ## Use instead

    ```python
    import threading


    class Clock:
        def __init__(self) -> None:
            self.cond = threading.Condition()
            self.started = threading.Event()
            self.ticks = 0
            self.stopped = False
            self.thread = threading.Thread(target=self.run)
            self.thread.start()

        def run(self) -> None:
            with self.cond:
                self.started.set()
                while not self.stopped:
                    self.cond.wait()
                    print(self.ticks)

        def tick(self) -> None:
            with self.cond:
                self.ticks += 1
                self.cond.notify()

        def stop(self) -> None:
            with self.cond:
                self.stopped = True
                self.cond.notify_all()
            self.thread.join()


    clock = Clock()
    clock.started.wait()
    clock.stop()
    ```

    ## Known limits

    - Waits with a timeout are left alone: they look again by themselves.
    - A flag counts where one of its values alone ends the loop of the wait. A function that notifies, or calls one that does, or is called by one that does, is taken to wake the waiter.
    - An event that only its maker knows is a way to wait until the program is interrupted, and so is any for a task, which can be cancelled.
    - An event that is returned, stored in a container, given to unknown code, or kept in a public attribute may be set by others.
    """
    for wait in (*project.signals.calls("event", "wait"), *project.signals.calls("condition", "wait", "wait_for")):
        if _limited(wait):
            continue
        if project.signals.answers.nobody(wait):
            yield _nobody(project, wait)
        elif wait.type.kind == "condition":
            yield from _unheard(project, wait)


def _limited(wait: SignalCall) -> bool:
    timeout = wait.call.argument(1 if wait.method == "wait_for" else 0, "timeout")
    return not (timeout is None or (isinstance(timeout, Const) and timeout.value is None)) or wait.call.use == "used"


def _nobody(project: Project, wait: SignalCall) -> Problem:
    name = text(wait.receiver)
    made, call = project.signals.made(next(iter(wait.origins)))
    what = "sets it" if wait.type.kind == "event" else f"notifies `{name}`"
    return Problem(
        project.site(wait.func, wait.call.span),
        f"`{name}.{wait.method}()` waits for ever: nothing in the program {what}",
        (Related(project.site(made, call.span), "made here"),),
        provable=wait.type.world == "threads",
    )


def _unheard(project: Project, wait: SignalCall) -> Iterator[Problem]:
    for state, use in project.signals.answers.unheard(wait):
        name = text(wait.receiver)
        yield Problem(
            project.site(wait.func, wait.call.span),
            f"`{name}.{wait.method}()` is not woken when `{told(state)}` changes in `{use.func.name}`, which notifies nobody",
            (Related(project.site(use.func, use.span), f"changed here, without `{name}.notify_all()`"),),
            confidence=Confidence.MEDIUM,
            severity=Severity.WARNING,
            provable=wait.type.world == "threads",
        )
        return
