"""TL405."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, Const, Jump, Loop, Node, Ref, Try, With, walk
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.knowledge.stdlib import QUEUES
from threadlint.project.daemons import ends_with_program
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.queues.consumers import waits_for_ever
from threadlint.project.queues.queues import Use
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.waited_tasks import waited_for
from threadlint.rules.rule import rule

_LEAVING = frozenset({"exit", "_exit", "abort", "kill", "execv", "execve"})


@rule("TL405", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def endless_worker(project: Project) -> Iterator[Problem]:
    """The worker takes items from a queue in a loop that has no way out, and the program waits for it at its end.

    ## Why is this bad?

    The interpreter waits at its exit for every thread that is no daemon, and for the workers of executors. A worker that loops on `get()` for ever never ends, so neither does the program: it has
    done its work, prints nothing more, and has to be killed.

    ## Example

    ```python
    import queue
    import threading

    jobs: queue.Queue[int] = queue.Queue()


    def worker() -> None:
        while True:
            print(jobs.get())  # expect: TL405


    threading.Thread(target=worker).start()
    jobs.put(1)
    ```

    ## Use instead

    ```python
    import queue
    import threading

    jobs: queue.Queue[int | None] = queue.Queue()


    def worker() -> None:
        while True:
            job = jobs.get()
            if job is None:
                break
            print(job)


    threading.Thread(target=worker).start()
    jobs.put(1)
    jobs.put(None)
    ```

    ## Known limits

    - A loop that can be left by `break`, `return` or `raise`, or an exception that the worker handles outside its loop, counts as a way out.
    - Exceptions that the work raises are none: they end the worker only when something goes wrong.
    - A task of `asyncio` counts where the function that starts it waits for `join()` of the queue and then for the task, and cancels nothing.
    - Whether a thread is a daemon must be visible: a thread that may inherit it from the one that starts it is left alone.
    """
    for origin, uses in project.queues.uses().items():
        if any(use.method == "shutdown" for use in uses):
            continue
        awaited = QUEUES[project.queues.kinds[origin]] == "tasks"
        for use in uses:
            if use.method == "get" and waits_for_ever(use.call, awaited=awaited):
                step = next(one for one in project.steps(use.func) if one.node is use.call)
                if step.loops and _endless(step):
                    for spawn in project.consumers.spawns(origin):
                        if spawn.target.func is use.func and _holds_up(project, spawn, uses):
                            yield _problem(project, use, spawn, step)
                            break


def _holds_up(project: Project, spawn: Spawn, uses: list[Use]) -> bool:
    """Whether the program waits for the worker at its end; a task is waited for though its work is done, which the same function has waited for before."""
    if spawn.kind == "task":
        return waited_for(project, spawn) and any(use.method == "join" and use.func is spawn.func for use in uses)
    return not ends_with_program(project, spawn)


def _endless(step: Step) -> bool:
    """Whether nothing leaves the loop around the step but an exception that nobody expects."""
    loop = step.loops[0]
    if loop.kind != "while" or not isinstance(loop.value, Const) or not loop.value.value:
        return False
    at = next(n for n, (node, _) in enumerate(step.context) if node is loop)
    if any(
        isinstance(node, With) or (isinstance(node, Try) and part == "body" and node.handlers)
        for node, part in step.context[:at]
    ):
        return False  # whoever stands around the loop may deal with the exception that ends it
    return not any(_leaves(node, loop) for node in walk(loop.body))


def _leaves(node: Node, loop: Loop) -> bool:
    if isinstance(node, Jump):
        return node.kind in ("return", "raise") or (node.kind == "break" and not _in_inner_loop(node, loop))
    if isinstance(node, Call) and isinstance(node.callee, Ref):
        return (node.callee.path or (node.callee.name.rpartition(".")[2],))[-1] in _LEAVING
    return isinstance(node, Try) and any(_leaves(inner, loop) for handler in node.handlers for inner in handler.body)


def _in_inner_loop(jump: Jump, loop: Loop) -> bool:
    return any(isinstance(inner, Loop) and any(node is jump for node in walk(inner.body)) for inner in walk(loop.body))


def _problem(project: Project, use: Use, spawn: Spawn, step: Step) -> Problem:
    func: Func = use.func
    why = {
        "executor": "the executor waits for it when the program ends, so the program cannot end",
        "task": f"`{spawn.func.name}` waits for the task, so it never goes on",
    }.get(spawn.kind, "the thread is no daemon, so the program cannot end")
    return Problem(
        project.site(func, use.call.span),
        f"`{func.name}` loops on `{text(use.receiver)}.get()` with no way out, and {why}",
        (
            Related(project.site(func, step.loops[0].span), "the loop"),
            Related(project.site(spawn.func, spawn.span), spawn.story),
        ),
    )
