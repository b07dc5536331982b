"""TL311."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Ref
from threadlint.findings import Confidence, Fix, Problem, Related, Severity, Site
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.project import Project
from threadlint.project.roots.contexts import MAIN
from threadlint.project.roots.fork_aware import Inherited
from threadlint.project.roots.forks import Fork, forks
from threadlint.project.roots.thread_roots import Spawn
from threadlint.rules.rule import rule


@rule("TL311", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def fork_with_threads(project: Project) -> Iterator[Problem]:
    """The process forks while other threads run; a lock that one of them holds stays locked for ever in the child.

    ## Why is this bad?

    The child of a fork has only the thread that forked. Whatever the others were in the middle of stays that way: a lock of the program, of `logging`, or of the C library that was held at that moment
    is never released in the child, and the child hangs when it wants it. Python warns of it since 3.12, and `multiprocessing` no longer forks by default since 3.14.

    ## Example

    ```python
    import os
    import threading
    import time

    lock = threading.Lock()


    def pump() -> None:
        with lock:
            time.sleep(1)


    threading.Thread(target=pump).start()
    if os.fork() == 0:  # expect: TL311
        print("the child gets the lock:", lock.acquire(timeout=3), flush=True)
        os._exit(0)
    ```

    ## Use instead

    ```python
    import os
    import threading
    import time

    lock = threading.Lock()


    def pump() -> None:
        with lock:
            time.sleep(1)


    if os.fork() == 0:
        print("the child gets the lock:", lock.acquire(timeout=3), flush=True)
        os._exit(0)
    threading.Thread(target=pump).start()
    ```

    ## Fix

    Safe: `preexec_fn=os.setsid` becomes `start_new_session=True`.

    ## Known limits

    - The thread must be started before the fork in the same function, or by a function that it calls; or the fork must itself run on a thread.
    - A lock is also reported where a function compares `os.getpid()` with a remembered number, so expects to be forked, and waits for the lock, unless the lock is made anew somewhere or the package calls `os.register_at_fork`.
    - A child that at once runs another program (`os.exec*`) is left alone, and so is a `preexec_fn` that only asks the kernel for something (`os.nice`), unless an argument of `Popen` does the same.
    - `Process`, `Pool` and `ProcessPoolExecutor` fork on Linux unless a context says otherwise, and since Python 3.14 no longer do.
    """
    for fork in forks(project.links, project.types, project.steps, project.config.target_version):
        if fork.explicit and _runs_program(project, fork.func):
            continue
        before = _before(project, fork)
        if before is not None:
            spawn, at = before
            yield _problem(project, fork, Related(at, f"{spawn.story}, and may still run"))
            continue
        threads = project.contexts.roots(project.meetings.roots(fork.func) & ~MAIN)
        root = next((one for one in threads if in_tests(fork.func) or not in_tests(one.func)), None)
        if root is not None and root.kind != "framework":
            yield _problem(
                project, fork, Related(project.site(root.func, root.span), f"this runs on a thread: {root.story}")
            )

    for one in project.forks.inherited_locks():
        if not in_tests(one.func):
            yield _inherited(project, one)


def _inherited(project: Project, one: Inherited) -> Problem:
    """A lock that the child of a fork finds locked for ever."""
    title = project.deadlocks.titles.of(one.acquire.lock.key)
    name = one.acquire.lock.text
    taken = project.site(one.acquire.func, one.acquire.span)
    made = project.site(title.func, title.span) if title.func is not None and title.span is not None else taken
    return Problem(
        made,
        f"if another thread holds `{name}` when the process forks, it stays locked in the child, where `{one.func.name}` waits for it; nothing makes it new there",
        (
            Related(project.site(one.func, one.asks), f"`{one.func.name}` looks for a new process here"),
            Related(taken, f"`{name}` is acquired here"),
        ),
    )


def _problem(project: Project, fork: Fork, related: Related) -> Problem:
    site = project.site(fork.func, fork.call.span)
    if fork.instead:
        # the function itself takes no lock, but what was registered for forks runs before it
        new_session = Fix(Change.NEW_SESSION, (site,), safe=True) if fork.what == "`os.setsid`" else None
        return Problem(
            site,
            f"`preexec_fn` calls {fork.what} in a forked child, which is not safe while other threads run; {fork.instead} does the same safely",
            (related,),
            fix=new_session,
        )
    return Problem(
        site,
        f"{fork.what} while other threads run; a lock that one of them holds stays locked in the child",
        (related,),
    )


def _before(project: Project, fork: Fork) -> tuple[Spawn, Site] | None:
    """A thread that was started before in the function, and is not known to have ended."""
    func = fork.func
    steps = project.steps(func)
    for spawn in project.spawns_in(func):
        alive = spawn.begin < fork.step and (spawn.end < 0 or spawn.end >= fork.step)
        running = spawn.kind in ("executor", "pool") or _is_started(spawn, project)
        if alive and running and not _other_branch(steps[spawn.begin].context, steps[fork.step].context):
            return spawn, project.site(func, spawn.span)
    for step in steps[: fork.step]:
        if _other_branch(step.context, steps[fork.step].context):
            continue
        for thing, node in project.calls(func, step):
            if isinstance(thing, FunctionThing) and thing.func is not func:
                for inner in project.pools.reached(thing.func).values():
                    inside = next(
                        (
                            one
                            for one in project.spawns_in(inner)
                            if one.kind in ("thread", "timer") and one.end < 0 and _is_started(one, project)
                        ),
                        None,
                    )
                    if inside is not None and not _asks_for_exit(project, inner):
                        return inside, project.site(func, node.span)
    return None


def _is_started(spawn: Spawn, project: Project) -> bool:
    at = project.steps(spawn.func)[spawn.begin].node
    return isinstance(at, Call) and isinstance(at.callee, Ref) and at.callee.path[-1:] == ("start",)


def _asks_for_exit(project: Project, func: Func) -> bool:
    """Whether the function joins what it starts, in a way that its spawn does not show."""
    return any(
        isinstance(call.callee, Ref) and call.callee.path[-1:] == ("join",) and not call.args
        for call in project.links.calls[func.id].values()
    )


def _other_branch(one: tuple[tuple[object, str], ...], other: tuple[tuple[object, str], ...]) -> bool:
    """Whether two steps stand in different branches of one statement, so that only one of them runs."""
    for (first, part), (second, other_part) in zip(one, other, strict=False):
        if first is not second:
            return False
        if part != other_part:
            return True
    return False


def _runs_program(project: Project, func: Func) -> bool:
    """Whether the function, or one that it calls directly, replaces the child's program."""
    near = [func]
    for step in project.steps(func):
        near += [thing.func for thing, _ in project.calls(func, step) if isinstance(thing, FunctionThing)]
    return any(
        isinstance(call.callee, Ref)
        and (call.callee.path or (call.callee.name.rpartition(".")[2],))[-1].startswith(("exec", "_exec"))
        for one in near
        for call in project.links.calls[one.id].values()
    )
