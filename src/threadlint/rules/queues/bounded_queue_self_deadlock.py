"""TL403."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, Loop
from threadlint.findings import Problem, Related, Severity
from threadlint.knowledge.stdlib import QUEUES
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.counts import number, total
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.queues.consumers import GETTING, waits_for_ever
from threadlint.project.queues.queues import Origin, Use
from threadlint.project.roots.thread_roots import Spawn
from threadlint.rules.rule import rule


@rule("TL403", since="0.1", severity=Severity.ERROR)
def bounded_queue_self_deadlock(project: Project) -> Iterator[Problem]:
    """A queue is filled, or joined, before anybody takes items from it, or is filled by the only ones who take items from it.

    ## Why is this bad?

    `put()` on a full queue waits until somebody takes an item. If the threads that do so are only started afterwards, or are the very ones that wait in `put()`, that never happens.
    With few items everything works: the program hangs on the first day with more of them than the queue holds.

    ## Example

    ```python
    import queue
    import threading

    jobs: queue.Queue[int] = queue.Queue(maxsize=10)


    def worker() -> None:
        while True:
            print(jobs.get())
            jobs.task_done()


    for number in range(100):
        jobs.put(number)  # expect: TL403
    for _ in range(4):
        threading.Thread(target=worker, daemon=True).start()
    jobs.join()
    ```

    ## Use instead

    ```python
    import queue
    import threading

    jobs: queue.Queue[int] = queue.Queue(maxsize=10)


    def worker() -> None:
        while True:
            print(jobs.get())
            jobs.task_done()


    for _ in range(4):
        threading.Thread(target=worker, daemon=True).start()
    for number in range(100):
        jobs.put(number)
    jobs.join()
    ```

    ## Known limits

    - The queue must be made in the function (or at the top level of the module) that fills it, and all who take items from it must be known.
    - A number of items that is known to fit is not reported, nor is `put()` with a timeout.
    """
    for origin, uses in project.queues.uses().items():
        frame = project.links.funcs[origin[0]]
        call = project.links.calls[frame.id][origin[1]]
        if not any(use.method in GETTING for use in uses):
            continue
        size = number(project.links, call.argument(0, "maxsize"), frame)
        if size is not None and size > 0:
            yield from _own_consumer(project, origin, uses, size)
        yield from _too_early(project, origin, frame, uses, size or 0)


def _too_early(project: Project, origin: Origin, frame: Func, uses: list[Use], size: int) -> Iterator[Problem]:
    """Filled, or joined, before the first consumer starts."""
    starts = _starts(project, origin, frame, uses)
    if not starts:
        return
    steps = project.steps(frame)
    first, spawn = min(starts, key=lambda one: one[0])
    made = next((n for n, step in enumerate(steps) if isinstance(step.node, Call) and step.node.id == origin[1]), -1)
    puts = {use.call.id: use for use in uses if use.func is frame and use.method == "put"}
    joins = {use.call.id: use for use in uses if use.func is frame and use.method == "join"}
    tasks = QUEUES[project.queues.kinds[origin]] == "tasks"
    filled = 0
    for step in steps[made + 1 : first]:
        node = step.node
        if not isinstance(node, Call):
            continue
        if tasks and not node.use.startswith("awaited"):
            continue
        if node.id in puts and waits_for_ever(node):
            loops = tuple(loop for loop in step.loops if steps[made].loops.count(loop) == 0)
            times = total(project.links, loops, frame)
            if _together(loops, steps[first]):
                continue
            filled = size + 1 if times is None else filled + times
            if size and filled > size:
                yield _problem(project, frame, puts[node.id], spawn, size)
                return
        elif node.id in joins and filled:
            name = text(joins[node.id].receiver)
            yield Problem(
                project.site(frame, node.span),
                f"`{name}.join()` waits for items that nobody takes: the first consumer is started after it",
                (Related(project.site(spawn.func, spawn.span), "the first consumer"),),
            )
            return


def _together(loops: tuple[Loop, ...], start: Step) -> bool:
    """Whether the consumer starts in the same loop that fills the queue."""
    return any(loop in start.loops for loop in loops)


def _starts(project: Project, origin: Origin, frame: Func, uses: list[Use]) -> list[tuple[int, Spawn]]:
    """The steps of the function at which consumers start; empty unless all consumers start there."""
    spawns = project.consumers.spawns(origin)
    takers = {use.func.id for use in uses if use.method in GETTING}
    reached = {func for spawn in spawns for func in project.pools.reached(spawn.target.func)}
    if not spawns or not takers <= reached or any(spawn.func is not frame for spawn in spawns):
        return []
    return [(spawn.begin, spawn) for spawn in spawns]


def _problem(project: Project, frame: Func, use: Use, spawn: Spawn, size: int) -> Problem:
    items = "1 item" if size == 1 else f"{size} items"
    return Problem(
        project.site(frame, use.call.span),
        f"`{text(use.receiver)}` holds {items} and is filled here before its first consumer is started; `put()` waits for ever once it is full",
        (Related(project.site(spawn.func, spawn.span), f"the first consumer: {spawn.story}"),),
    )


def _own_consumer(project: Project, origin: Origin, uses: list[Use], size: int) -> Iterator[Problem]:
    """Filled by the function that takes items from it, several for each that it takes, and taken from by no other."""
    takers = {use.func.id: use for use in uses if use.method in GETTING}
    if len(takers) != 1:
        return
    taker = next(iter(takers.values()))
    steps = project.steps(taker.func)
    got = next((step for step in steps if step.node is taker.call), None)
    if (
        got is None
        or not got.loops
        or not any(spawn.target.func is taker.func for spawn in project.consumers.spawns(origin))
    ):
        return
    for use in uses:
        if use.func is not taker.func or use.method != "put" or not waits_for_ever(use.call):
            continue
        if QUEUES[project.queues.kinds[origin]] == "tasks" and not use.call.use.startswith("awaited"):
            continue
        put = next(step for step in steps if step.node is use.call)
        if len(put.loops) > len(got.loops) and put.loops[: len(got.loops)] == got.loops:
            yield Problem(
                project.site(use.func, use.call.span),
                f"`{text(use.receiver)}` holds {size} items and is filled here by its only consumer; when it is full, nobody is left to take one",
                (Related(project.site(taker.func, taker.call.span), "the items are taken here"),),
            )
            return
