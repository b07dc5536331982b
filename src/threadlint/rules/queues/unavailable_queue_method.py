"""TL407."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, If, Ref, Root, Try
from threadlint.findings import Problem, Related, Severity
from threadlint.knowledge.stdlib import canonical
from threadlint.project.bodies.lifetimes import named
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.queues.queues import Use
from threadlint.rules.rule import rule

_MISSING: dict[str, frozenset[str]] = {
    "queue.SimpleQueue": frozenset({"task_done", "join", "full", "shutdown"}),
    "multiprocessing.Queue": frozenset({"task_done", "join", "shutdown"}),
    "multiprocessing.JoinableQueue": frozenset({"shutdown"}),
    "multiprocessing.SimpleQueue": frozenset(
        {"task_done", "join", "full", "shutdown", "qsize", "get_nowait", "put_nowait"}
    ),
}
"""Methods that a queue does not have, of those that other queues have. Source: Lib/queue.py and Lib/multiprocessing/queues.py of CPython 3.14."""

_NEW = frozenset(
    {
        "queue.Queue",
        "multiprocessing.managers.SyncManager.Queue",
        "multiprocessing.managers.SyncManager.JoinableQueue",
        "queue.LifoQueue",
        "queue.PriorityQueue",
        "asyncio.Queue",
        "asyncio.LifoQueue",
        "asyncio.PriorityQueue",
    }
)
_SHUT_DOWN = frozenset({"queue.ShutDown", "asyncio.QueueShutDown"})
_SINCE = (3, 13)


@rule("TL407", since="0.1", severity=Severity.WARNING)
def unavailable_queue_method(project: Project) -> Iterator[Problem]:
    """A method is called that this kind of queue does not have, or not in all versions of Python that the project supports.

    ## Why is this bad?

    `SimpleQueue` and `multiprocessing.Queue` have no `task_done()` and no `join()`; the call raises `AttributeError`, often in a worker thread, where it ends the worker and nothing else. `shutdown()`
    and `ShutDown` came with Python 3.13: on an older one that the project says it supports they fail at the moment when the program wants to end.

    ## Example

    ```python
    import queue
    import threading

    jobs: queue.SimpleQueue[int] = queue.SimpleQueue()


    def worker() -> None:
        while True:
            print(jobs.get())
            jobs.task_done()  # expect: TL407


    threading.Thread(target=worker, daemon=True).start()
    jobs.put(1)
    ```

    ## Use instead

    ```python
    import queue
    import threading

    jobs: queue.Queue[int] = queue.Queue()


    def worker() -> None:
        while True:
            print(jobs.get())
            jobs.task_done()


    threading.Thread(target=worker, daemon=True).start()
    jobs.put(1)
    jobs.join()
    ```

    ## Known limits

    - `shutdown()` and `ShutDown` are reported only where the target version (or `requires-python`) is known and older than 3.13.
    - A test of the version, `hasattr()` or a `try` around the use is taken to deal with it.
    """
    seen: set[tuple[str, int]] = set()
    for origin, uses in project.queues.uses().items():
        kind = project.queues.kinds[origin]
        frame = project.links.funcs[origin[0]]
        for use in uses:
            if (
                (use.func.id, use.call.id) in seen
                or any(project.types.functions(use.call.callee, use.func))
                or len(set(project.queues.kinds_of(use.receiver, use.func))) != 1
            ):
                continue
            seen.add((use.func.id, use.call.id))
            if use.method in _MISSING.get(kind, ()):
                yield _missing(project, use, kind, frame, origin[1])
            elif (
                use.method == "shutdown"
                and kind in _NEW
                and _old(project)
                and not _guarded(project, use.func, use.call)
            ):
                yield Problem(
                    project.site(use.func, use.call.span),
                    f"`{kind}.shutdown()` needs Python 3.13, and the project supports {_version(project)}",
                )
    if _old(project):
        yield from _names(project)


def _missing(project: Project, use: Use, kind: str, frame: Func, number: int) -> Problem:
    made = project.links.calls[frame.id][number]
    return Problem(
        project.site(use.func, use.call.span),
        f"`{text(use.receiver)}` is a `{kind}`, which has no `{use.method}()`",
        (Related(project.site(frame, made.span), "it is made here"),),
    )


def _names(project: Project) -> Iterator[Problem]:
    """`queue.ShutDown` and its like, once for each function."""
    for func in project.functions:
        for step in project.steps(func):
            refs = list(named(step.node))
            if isinstance(step.node, Try):
                refs += [one for handler in step.node.handlers for one in handler.types if isinstance(one, Ref)]
            found = next(
                (
                    ref
                    for ref in refs
                    if ref.root == Root.IMPORT and canonical(".".join((ref.name, *ref.path))) in _SHUT_DOWN
                ),
                None,
            )
            if found is not None and not _in_guard(project, func, step):
                name = canonical(".".join((found.name, *found.path)))
                yield Problem(
                    project.site(func, step.node.span),
                    f"`{name}` needs Python 3.13, and the project supports {_version(project)}",
                )
                break


def _old(project: Project) -> bool:
    return project.config.target_version is not None and project.config.target_version < _SINCE


def _version(project: Project) -> str:
    return ".".join(map(str, project.config.target_version or ()))


def _guarded(project: Project, func: Func, call: Call) -> bool:
    return any(step.node is call and _in_guard(project, func, step) for step in project.steps(func))


def _in_guard(project: Project, func: Func, step: Step) -> bool:
    """Whether an `if` or `try` around the step looks at the version or at what there is."""
    for node, part in step.context:
        if isinstance(node, Try) and part == "body" and node.handlers:
            return True
        if isinstance(node, If) and any(_looks(project, func, ref) for ref in named(node)):
            return True
    return False


def _looks(project: Project, func: Func, ref: Ref) -> bool:
    if ref.root == Root.RESULT:
        call = project.links.calls[func.id].get(int(ref.name))
        return call is not None and call.callee == Ref(Root.BUILTIN, "hasattr")
    return "version_info" in (*ref.name.split("."), *ref.path) or ref.name.isupper()
