"""TL310."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Call, Handler, Jump, Kind, Loop, Node, Ref, Suspend, Try, With, walk
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.project.bodies.paths import catches_all, suppresses_all
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.roots.thread_roots import Spawn
from threadlint.rules.rule import rule

_TIDYING = frozenset(
    {
        "close", "join", "shutdown", "release", "unlink", "remove", "rmtree", "terminate", "kill", "cancel", "disconnect", "stop", "flush", "get",
        "get_nowait", "put_nowait", "set", "clear", "wait", "sleep", "task_done", "pop", "popleft", "next", "unregister", "deregister", "detach",
        "set_result", "set_exception", "exit", "quit", "wakeup", "notify", "send_signal", "getattr", "hasattr", "len", "fileno", "isinstance",
    }
)  # fmt: skip
"""Calls whose failure is dropped on purpose: cleaning up, or waiting for the next job."""


@rule("TL310", since="0.1", severity=Severity.WARNING)
def swallowed_worker_error(project: Project) -> Iterator[Problem]:
    """The worker drops every exception of its work, so a job that failed looks like one that succeeded.

    ## Why is this bad?

    `except Exception: pass` around the work of a thread hides every mistake in it, the programmer's own too: a misspelt name, a full disk, a lost connection. Nobody waits for a result, so nothing else
    tells that the work was not done.

    ## Example

    ```python
    import queue
    import threading

    jobs: queue.Queue[int | None] = queue.Queue()


    def handle(job: int) -> None:
        print(10 // job)


    def worker() -> None:
        while (job := jobs.get()) is not None:
            try:
                handle(job)
            except Exception:  # expect: TL310
                pass


    threading.Thread(target=worker).start()
    for job in (1, 0, None):
        jobs.put(job)
    ```

    ## Use instead

    ```python
    import logging
    import queue
    import threading

    jobs: queue.Queue[int | None] = queue.Queue()


    def handle(job: int) -> None:
        print(10 // job)


    def worker() -> None:
        while (job := jobs.get()) is not None:
            try:
                handle(job)
            except Exception:
                logging.exception("job %r failed", job)


    threading.Thread(target=worker).start()
    for job in (1, 0, None):
        jobs.put(job)
    ```

    ## Fix

    Unsafe, since it may be meant to be silent: the handler logs the exception, with the module's logger if it has one.

    ## Known limits

    - Looked at are functions that threads and pools run, and in them a `try` that is the last thing in the worker's loop, or the whole work of a task of a pool.
    - A handler that does anything at all (logs, counts, stores the error, calls back) deals with the exception.
    - Work that is only cleaning up, such as closing a socket, may fail unseen. Test files are left out.
    """
    seen: set[str] = set()
    for spawn in project.spawns:
        func = spawn.target.func
        if spawn.kind != "framework" and func.id not in seen and not in_tests(func):
            seen.add(func.id)
            yield from _check(project, func, spawn)


def _check(project: Project, func: Func, spawn: Spawn) -> Iterator[Problem]:
    whole = spawn.kind in ("executor", "pool")
    for node, looped in _works(func.facts.body, work=whole, looped=False):
        if isinstance(node, Try) and not _tells_success(node):
            for handler in node.handlers:
                if (
                    catches_all(handler)
                    and _drops(handler, looped=looped)
                    and _is_work(node.body)
                    and not _expected(node, handler)
                ):
                    yield _problem(project, func, spawn, handler, node)
                    break
        elif (
            isinstance(node, With)
            and suppresses_all(node, lambda value: project.types.of(value, func))
            and _is_work(node.body)
        ):
            yield _problem(project, func, spawn, node, node)


def _problem(project: Project, func: Func, spawn: Spawn, at: Handler | With, work: Node) -> Problem:
    site = project.site(func, at.span)
    return Problem(
        site,
        f"every exception of the work of `{func.name}` is dropped here; a job that fails looks like one that is done",
        (
            Related(project.site(func, work.span), "the work"),
            Related(project.site(spawn.func, spawn.span), spawn.story),
        ),
        fix=Fix(Change.LOG, (site,), text=func.name) if isinstance(at, Handler) else None,
    )


def _works(block: tuple[Node, ...], *, work: bool, looped: bool) -> Iterator[tuple[Node, bool]]:
    """The statements that are a worker's work: the last one of each turn of its loops, and of the whole body where `work` says so; and whether in a loop.

    A thread that does one thing and drops its error has mostly been told to: it is a report to be sent if possible. A worker that goes on has more work to do.
    """
    last = next((node for node in reversed(block) if not _plain(node)), None)
    if work and last is not None:
        yield last, looped
    if isinstance(last, Loop) and last.kind in ("while", "for"):
        yield from _works(last.body, work=True, looped=True)
    elif isinstance(last, (With, Try)):
        yield from _works(last.body, work=work, looped=looped)


def _plain(node: Node) -> bool:
    """A node after which the work is over all the same: sleeping, counting, marking an item as done, going on."""
    if isinstance(node, Call):
        return (
            isinstance(node.callee, Ref)
            and (node.callee.path or (node.callee.name.rpartition(".")[2],))[-1] in _TIDYING
        )
    return isinstance(node, Access) or (isinstance(node, Jump) and node.kind == "continue")


def _drops(handler: Handler, *, looped: bool) -> bool:
    """`pass`, `continue` or `...`; outside a loop also `return` without a word, which in a loop ends the worker, for a connection that is closed."""
    kinds = ("continue",) if looped else ("return",)
    body = [node for node in handler.body if not (isinstance(node, Access) and node.form == "except")]
    return all(
        isinstance(node, Jump) and node.kind in kinds and (node.value is None or _is_none(node)) for node in body
    )


def _is_none(node: Jump) -> bool:
    return getattr(node.value, "value", 0) is None


def _is_work(body: tuple[Node, ...]) -> bool:
    """Whether something happens here that is no mere cleaning up; a body that waits or yields counts as work."""
    for node in walk(body):
        if isinstance(node, Suspend):
            return True
        if isinstance(node, Call):
            name = (
                (node.callee.path or (node.callee.name.rpartition(".")[2],))[-1] if isinstance(node.callee, Ref) else ""
            )
            if name not in _TIDYING:
                return True
    return False


def _tells_success(node: Try) -> bool:
    """Whether the `else` stores something in an object, so that it is missing after a failure."""
    return any(
        isinstance(one, Access) and one.kind in (Kind.WRITE, Kind.UPDATE) and bool(one.ref.path)
        for one in walk(node.orelse)
    )


def _expected(node: Try, handler: Handler) -> bool:
    """Whether a handler before this one says what is expected to go wrong and deals with it, and this one only ends the worker."""
    before = node.handlers[: node.handlers.index(handler)]
    return any(isinstance(one, Call) for other in before for one in walk(other.body))
