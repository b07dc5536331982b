"""TL309."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Assert, Call, Kind, Ref
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.project.bodies.lifetimes import receiver_of
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_DESTROYING = frozenset(
    {
        "remove",
        "unlink",
        "rmtree",
        "rmdir",
        "close",
        "clear",
        "truncate",
        "rename",
        "replace",
        "cleanup",
        "drop",
        "free",
        "destroy",
    }
)
_HARMLESS = frozenset({"name", "daemon", "ident", "native_id", "pid", "exitcode", "sentinel", "start", "join"})
"""Attributes that say the same whether the thread or process has ended or not, or that tell."""
_ASKING = frozenset({"is_alive", "isAlive"})


@rule("TL309", since="0.1", severity=Severity.INFO, confidence=Confidence.LOW, default=False)
def unchecked_join_timeout(project: Project) -> Iterator[Problem]:
    """`join()` with a timeout returns None whether or not the thread ended, and what follows takes for granted that it did.

    ## Why is this bad?

    `join(timeout=5)` comes back after five seconds even if the thread still runs, and says nothing about it. Removing the file that the thread writes, or closing what it uses, then fails in
    the thread, or destroys its work.

    ## Example

    ```python
    import os
    import threading
    import time


    def write() -> None:
        with open("report.txt", "w") as file:
            time.sleep(2)
            file.write("done")


    worker = threading.Thread(target=write)
    worker.start()
    worker.join(timeout=1)  # expect: TL309
    os.remove("report.txt")
    ```

    ## Use instead

    ```python
    import os
    import threading
    import time


    def write() -> None:
        with open("report.txt", "w") as file:
            time.sleep(2)
            file.write("done")


    worker = threading.Thread(target=write)
    worker.start()
    worker.join(timeout=10)
    if worker.is_alive():
        raise TimeoutError("the worker still runs")
    os.remove("report.txt")
    ```

    ## Known limits

    - Off by default: giving up on a thread at the end of a program is often just what is wanted.
    - Reported where something is removed, closed or cleared, or where the thread's own attributes are read, after the `join()` in the same function.
    """
    for func in project.mentions.callers(["join"]):
        if not in_tests(func):
            steps = project.steps(func)
            for number, step in enumerate(steps):
                if isinstance(step.node, Call) and _limited(project, func, step.node):
                    yield from _check(project, func, step.node, steps[number + 1 :])


def _limited(project: Project, func: Func, call: Call) -> bool:
    if (
        not isinstance(call.callee, Ref)
        or call.callee.path[-1:] != ("join",)
        or call.use != "discarded"
        or not call.args + call.keywords
    ):
        return False
    receiver = receiver_of(call)
    return receiver is not None and any(project.thread_classes.objects(receiver, func))


def _check(project: Project, func: Func, call: Call, after: list[Step]) -> Iterator[Problem]:
    receiver = receiver_of(call)
    assert receiver is not None
    for step in after:
        node = step.node
        if (
            isinstance(node, Call)
            and isinstance(node.callee, Ref)
            and node.callee.path[-1:]
            and node.callee.path[-1] in _ASKING
        ):
            return
        if isinstance(node, Access) and node.ref.path[-1:] == ("exitcode",) and node.ref.path[:-1] == receiver.path:
            return
        if (
            isinstance(node, Access)
            and node.kind == Kind.READ
            and node.ref.path[:-1] == receiver.path
            and _same(node.ref, receiver)
        ) or (
            isinstance(node, Call)
            and isinstance(node.callee, Ref)
            and node.callee.path[-1:]
            and node.callee.path[-1] in _DESTROYING
        ):
            used = project.site(func, node.span)
            what = (
                "process"
                if any(one.type == "multiprocessing.Process" for one in project.thread_classes.objects(receiver, func))
                else "thread"
            )
            yield Problem(
                project.site(func, call.span),
                f"`{text(receiver)}.join()` returns after the timeout whether or not the {what} has ended; nobody asks `is_alive()`",
                (Related(used, "this takes for granted that it has ended"),),
            )
            return
        if isinstance(node, Assert):
            return


def _same(one: Ref, other: Ref) -> bool:
    return (one.root, one.name, one.owner) == (other.root, other.name, other.owner) and one.path[-1] not in _HARMLESS
