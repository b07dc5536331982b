"""TL402."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Compare, If, Jump, Logic, Loop, Ref, Root, Value, walk
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.knowledge.stdlib import QUEUES
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.queues.consumers import GETTING, waits_for_ever
from threadlint.project.queues.queues import Origin, Use
from threadlint.rules.rule import rule


@rule("TL402", since="0.1", severity=Severity.WARNING)
def empty_then_get(project: Project) -> Iterator[Problem]:
    """The queue is asked whether it is empty, and then `get()` waits for an item that another consumer may have taken meanwhile.

    ## Why is this bad?

    `empty()` and `qsize()` tell how the queue was, not how it is. Between the question and `get()` another thread can take the last item; `get()` then waits for the next one, for ever
    if none comes. A `multiprocessing.Queue` answers even later, because its items travel through a pipe.

    ## Example

    ```python
    import queue
    import threading

    jobs: queue.Queue[int] = queue.Queue()
    for number in range(100):
        jobs.put(number)


    def worker() -> None:
        while not jobs.empty():
            print(jobs.get())  # expect: TL402


    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    ```python
    import queue
    import threading

    jobs: queue.Queue[int] = queue.Queue()
    for number in range(100):
        jobs.put(number)


    def worker() -> None:
        while True:
            try:
                job = jobs.get_nowait()
            except queue.Empty:
                break
            print(job)


    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Fix

    Safe for a queue between threads: `while not q.empty(): x = q.get()` and `if not q.empty(): x = q.get()` try `get_nowait()`, and stop at `Empty`. Unsafe for a queue between
    processes, where items may still be on their way.

    ## Known limits

    - Reported only where several threads are seen to take items from the same queue, or the queue connects processes and is filled by one.
    - A queue that is emptied by the only thread that is left is not reported; nor is one where the question and the `get()` stand under one lock.
    """
    seen: set[tuple[str, int]] = set()
    for origin, uses in project.queues.uses().items():
        kind = project.queues.kinds[origin]
        if QUEUES[kind] == "tasks":
            continue
        asked = {use.func.id for use in uses if use.method in ("empty", "qsize")}
        for func in {use.func.id: use.func for use in uses if use.method == "get" and use.func.id in asked}.values():
            for use, problem in _check(project, origin, func, [use for use in uses if use.func is func], uses):
                if (func.id, use.call.id) not in seen:
                    seen.add((func.id, use.call.id))
                    yield problem


def _check(
    project: Project, origin: Origin, func: Func, own: list[Use], uses: list[Use]
) -> Iterator[tuple[Use, Problem]]:
    steps = project.steps(func)
    questions = {use.call.id: use for use in own if use.method in ("empty", "qsize")}
    gets = {use.call.id: use for use in own if use.method == "get" and waits_for_ever(use.call)}
    for number, step in enumerate(steps):
        use = gets.get(getattr(step.node, "id", -1))
        if use is None or step.node is not use.call:
            continue
        asking = _question(steps, number, questions)
        if asking is None or _locked(steps, asking[0], step):
            continue
        question, test = asking
        rival = project.consumers.rivals(origin, func)
        asked = Related(project.site(func, question.call.span), "asked here")
        name = text(use.receiver)
        site = project.site(func, use.call.span)
        if rival is not None:
            spawn, other = rival
            yield (
                use,
                Problem(
                    site,
                    f"another thread can take the last item after `{name}.{question.method}()` is asked; `get()` then waits for ever",
                    (
                        asked,
                        *(
                            (Related(project.site(other.func, other.call.span), "items are taken here too"),)
                            if other.call is not use.call
                            else ()
                        ),
                        Related(project.site(spawn.func, spawn.span), spawn.story),
                    ),
                    fix=Fix(Change.GET_NOWAIT, (site,), safe=QUEUES[project.queues.kinds[origin]] == "threads"),
                ),
            )
        elif (
            QUEUES[project.queues.kinds[origin]] == "processes"
            and _filled_elsewhere(project, uses)
            and not _asked_again(test, step)
        ):
            yield (
                use,
                Problem(
                    site,
                    f"`{name}.{question.method}()` of a queue between processes can be wrong; items that are on their way are not seen",
                    (asked,),
                    fix=Fix(Change.GET_NOWAIT, (site,)),
                ),
            )


def _question(steps: list[Step], number: int, questions: dict[int, Use]) -> tuple[Use, If | Loop] | None:
    """The question that decides whether the step runs: the test of an `if` or `while` around it, or of one before it that leaves; and whose test it is."""
    here = steps[number]
    for node, _ in reversed(here.context):
        test = (
            node.test
            if isinstance(node, If)
            else node.value
            if isinstance(node, Loop) and node.kind == "while"
            else None
        )
        for use in questions.values():
            if isinstance(node, (If, Loop)) and test is not None and _decides(test, str(use.call.id)):
                return use, node
    for before in reversed(steps[:number]):
        node = before.node
        if (
            isinstance(node, If)
            and node.body
            and isinstance(node.body[-1], Jump)
            and here.context[: len(before.context)] == before.context
        ):
            for use in questions.values():
                if _decides(node.test, str(use.call.id)):
                    return use, node
    return None


def _asked_again(test: If | Loop, get: Step) -> bool:
    """Whether a loop asks again after the answer that the queue is empty, so that what was on its way is seen then."""
    if isinstance(test, Loop):
        return False
    inside = any(node is test for node, _ in get.context)
    when_empty = test.orelse if inside else test.body
    goes_on = not any(isinstance(one, Jump) and one.kind != "continue" for one in walk(when_empty))
    return goes_on and any(loop.kind == "while" for loop in get.loops)


def _decides(test: Value, number: str) -> bool:
    if isinstance(test, Logic):
        return test.op in ("not", "and") and any(_decides(item, number) for item in test.items)
    if isinstance(test, Compare):
        return _decides(test.left, number) or _decides(test.right, number)
    return isinstance(test, Ref) and test.root == Root.RESULT and test.name == number


def _locked(steps: list[Step], question: Use, step: Step) -> bool:
    asked = next((one for one in steps if one.node is question.call), step)
    return bool({held.lock.key for held in asked.held} & {held.lock.key for held in step.held})


def _filled_elsewhere(project: Project, uses: list[Use]) -> bool:
    """Whether a process of the program puts into the queue: the queue is given to it, or its function uses it."""
    takers = {use.func.id for use in uses if use.method in GETTING}
    fillers = {use.func.id for use in uses if use.method in ("put", "put_nowait")} - takers
    return bool(fillers) and any(spawn.target.func.id in fillers for spawn in project.forks.processes)
