"""TL404."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Compare, Const, If, Jump, Kind, Ref, Root, Value, walk
from threadlint.findings import Problem, Related, Severity
from threadlint.knowledge.stdlib import QUEUES
from threadlint.project.locks.locks import text
from threadlint.project.names.counts import total
from threadlint.project.names.things import Func
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.queues.consumers import PUTTING, waits_for_ever
from threadlint.project.queues.queues import Origin, Use
from threadlint.project.waited_tasks import hangs_somebody
from threadlint.rules.rule import rule


@rule("TL404", since="0.1", severity=Severity.WARNING)
def missing_stop_markers(project: Project) -> Iterator[Problem]:
    """Several workers take items from the queue, and fewer stop markers are put into it, so some workers never end.

    ## Why is this bad?

    Each stop marker is taken by one worker. With four workers and one `put(None)` one worker ends and three wait in `get()` for ever; the program does not end, because the interpreter waits for them.

    ## Example

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


    for _ in range(4):
        threading.Thread(target=worker).start()
    for number in range(10):
        jobs.put(number)
    jobs.put(None)  # expect: TL404
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


    for _ in range(4):
        threading.Thread(target=worker).start()
    for number in range(10):
        jobs.put(number)
    for _ in range(4):
        jobs.put(None)
    ```

    ## Known limits

    - Both numbers must stand in the program: as numbers, names of numbers, or lengths of lists written there.
    - A worker that puts the marker back for the next one needs only one; daemon threads that nobody joins need none.
    - Tasks of `asyncio` count where the function that starts them waits for all of them (`gather`, `TaskGroup`, `await`) and cancels none.
    - Since Python 3.13 `jobs.shutdown()` ends all workers at once.
    """
    for origin, uses in project.queues.uses().items():
        if any(use.method == "shutdown" for use in uses):
            continue
        gets = [use for use in uses if use.method == "get"]
        if len(gets) == 1 and waits_for_ever(gets[0].call, awaited=QUEUES[project.queues.kinds[origin]] == "tasks"):
            yield from _check(project, origin, gets[0], uses)


def _check(project: Project, origin: Origin, get: Use, uses: list[Use]) -> Iterator[Problem]:
    marker = _marker(project, get)
    if marker is None:
        return
    worker = get.func
    spawns = [spawn for spawn in project.consumers.spawns(origin) if spawn.target.func is worker]
    if (
        len(spawns) != 1
        or len(project.consumers.spawns(origin)) != 1
        or spawns[0].kind not in ("thread", "executor", "class", "task")
    ):
        return
    spawn = spawns[0]
    workers = total(project.links, spawn.loops, spawn.func)
    puts = [use for use in uses if use.method in PUTTING]
    if any(use.func is worker for use in puts) or not hangs_somebody(project, spawn):
        return
    markers = [use for use in puts if use.call.args and _same(use.call.args[0], use.func, marker, worker)]
    unsure = [use for use in puts if use not in markers and not _is_job(project, use)]
    sent = 0
    for use in markers:
        loops = next(step.loops for step in project.steps(use.func) if step.node is use.call)
        times = total(project.links, loops, use.func)
        if times is None or (use.func is not spawn.func and not loops):
            return
        sent += times
    if workers is None or unsure or not markers or not 0 < sent < workers:
        return
    last = markers[-1]
    verb = "is" if sent == 1 else "are"
    yield Problem(
        project.site(last.func, last.call.span),
        f"{workers} workers take items from `{text(get.receiver)}` and {sent} stop marker{'' if sent == 1 else 's'} {verb} put; "
        f"{workers - sent} worker{' never ends' if workers - sent == 1 else 's never end'}",
        (
            Related(project.site(spawn.func, spawn.span), f"{workers} workers are started here"),
            Related(project.site(worker, get.call.span), "each of them takes one marker and ends"),
        ),
    )


def _marker(project: Project, get: Use) -> Value | None:
    """What the worker compares the item with before it leaves its loop."""
    steps = project.steps(get.func)
    here = next(step for step in steps if step.node is get.call)
    if not here.loops:
        return None
    item = {get.call.result}
    item |= {
        node.ref
        for node in walk(here.loops[-1].body)
        if isinstance(node, Access) and node.kind == Kind.WRITE and get.call.result in set(refs(node.value))
    }
    for node in walk(here.loops[-1].body):
        if (
            isinstance(node, If)
            and isinstance(node.test, Compare)
            and node.test.op in ("is", "==")
            and node.test.left in item
            and _leaves(node)
        ):
            return node.test.right
    return None


def _leaves(node: If) -> bool:
    return any(isinstance(one, Jump) and one.kind in ("break", "return") for one in node.body)


def _same(value: Value, func: Func, marker: Value, worker: Func) -> bool:
    if isinstance(marker, Const):
        return value == marker
    if not isinstance(value, Ref) or not isinstance(marker, Ref):
        return False
    return (value.root, value.name, value.path) == (marker.root, marker.name, marker.path) and (
        marker.root in (Root.GLOBAL, Root.IMPORT) and func.module is worker.module
    )


def _is_job(project: Project, use: Use) -> bool:
    """Whether what is put is certainly no marker: an item of a loop, a display or a computed value."""
    value = use.call.args[0] if use.call.args else None
    if not isinstance(value, Ref) or value.root not in (Root.GLOBAL, Root.IMPORT):
        return value is not None
    bound = project.links.bindings.get((use.func.module.name, value.name), [])
    return bool(bound) and all(access.form == "for" for _, access in bound)
