"""TL408."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Call, Const, Ref, Value
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.project.bodies.lifetimes import Life, receiver_of
from threadlint.project.locks.locks import may_follow, text
from threadlint.project.names.things import External, Func
from threadlint.project.project import Project
from threadlint.project.queues.queues import Origin, Use
from threadlint.project.roots.processes import ProcessSpawn
from threadlint.rules.rule import rule

_PIPED = frozenset({"multiprocessing.Queue", "multiprocessing.JoinableQueue", "multiprocessing.SimpleQueue"})
_READING = frozenset({"read", "readline", "readlines", "communicate"})


@rule("TL408", since="0.1", severity=Severity.ERROR)
def join_before_drain(project: Project) -> Iterator[Problem]:
    """A process is waited for before what it sends is read; it cannot end until somebody reads.

    ## Why is this bad?

    A `multiprocessing.Queue` and the output of a subprocess travel through a pipe that holds some 64 KiB. A process that has put more than that waits until the other end reads, so it does not end,
    and `join()` waits for its end before anybody reads. Small results fit into the pipe, which is why tests do not hang.

    ## Example

    ```python
    import multiprocessing


    def produce(rows) -> None:
        rows.put("x" * 1_000_000)


    if __name__ == "__main__":
        rows = multiprocessing.Queue()
        process = multiprocessing.Process(target=produce, args=(rows,))
        process.start()
        process.join()  # expect: TL408
        print(len(rows.get()))
    ```

    ## Use instead

    ```python
    import multiprocessing


    def produce(rows) -> None:
        rows.put("x" * 1_000_000)


    if __name__ == "__main__":
        rows = multiprocessing.Queue()
        process = multiprocessing.Process(target=produce, args=(rows,))
        process.start()
        print(len(rows.get()))
        process.join()
    ```

    ## Fix

    Unsafe, since reading may need to know that the process is done: `join()` is moved behind the statement that reads the queue.

    ## Known limits

    - The process, its `join()` and the `get()` must stand in one function, and the process must be seen to put into the queue.
    - `join()` with a timeout is left alone, and so are the queues of a `Manager`, which live in a process of their own.
    - A subprocess is reported only where its `stdout` or `stderr` is a pipe and is read after `wait()`.
    """
    for spawn in project.forks.processes:
        if spawn.kind == "process":
            yield from _process(project, spawn)
    for func in project.callers_of(["subprocess.Popen"]):
        for call in project.links.calls[func.id].values():
            if call.keyword("stdout") is not None or call.keyword("stderr") is not None:
                yield from _subprocess(project, func, call)


def _process(project: Project, spawn: ProcessSpawn) -> Iterator[Problem]:
    func = spawn.func
    life = project.lifetimes.of(func, spawn.call)
    joins = [(call, number) for _, call, number in life.called("join") if not call.args and not call.keywords]
    if not joins:
        return
    join, at = joins[0]
    numbers = {step.node.id: n for n, step in enumerate(project.steps(func)) if isinstance(step.node, Call)}
    for origin, uses in project.queues.uses().items():
        if project.queues.kinds[origin] not in _PIPED or not _fills(project, spawn, origin, uses):
            continue
        gets = [use for use in uses if use.method in ("get", "get_nowait")]
        here = sorted((use for use in gets if use.func is func), key=lambda use: numbers[use.call.id])
        if not here or len(here) != len(gets) or numbers[here[0].call.id] < at:
            continue
        name = text(here[0].receiver)
        site, read = project.site(func, join.span), project.site(func, here[0].call.span)
        yield Problem(
            site,
            f"the process is joined before `{name}` is read; it cannot end while what it has put is still in the pipe",
            (
                Related(read, f"`{name}` is read here"),
                Related(project.site(spawn.target.func, _put(uses, spawn).call.span), "the process puts items here"),
            ),
            fix=Fix(Change.MOVE_AFTER, (site, read)),
        )
        return


def _fills(project: Project, spawn: ProcessSpawn, origin: Origin, uses: list[Use]) -> bool:
    """Whether the process's function puts into this queue, which it has from an argument or from a variable."""
    target = spawn.target.func
    puts = [use for use in uses if use.func is target and use.method in ("put", "put_nowait")]
    if not puts:
        return False
    names = [param.name for param in target.facts.params]
    given = [origin in project.queues.origins(value, spawn.func) for value in spawn.args]
    return any(given) or puts[0].receiver.name not in names


def _put(uses: list[Use], spawn: ProcessSpawn) -> Use:
    return next(use for use in uses if use.func is spawn.target.func and use.method in ("put", "put_nowait"))


def _subprocess(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    if not any(
        isinstance(thing, External) and thing.name == "subprocess.Popen"
        for thing in project.types.of(call.callee, func)
    ):
        return
    pipes = [name for name in ("stdout", "stderr") if _is_pipe(project, call, func, name)]
    if not pipes:
        return
    life = project.lifetimes.of(func, call)
    waits = [
        (node, number)
        for _, node, number in life.called("wait")
        if not node.args and node.keyword("timeout") in (None, Const(None))
    ]
    reads = sorted(_reads(project, func, life, pipes))
    steps = project.steps(func)
    if waits and reads and waits[0][1] < reads[0] and may_follow(steps[waits[0][1]], steps[reads[0]]):
        yield Problem(
            project.site(func, waits[0][0].span),
            f"the subprocess is waited for before its `{pipes[0]}` is read; it cannot end while the pipe is full",
            (Related(project.site(func, steps[reads[0]].node.span), "its output is read here"),),
        )


def _is_pipe(project: Project, call: Call, func: Func, name: str) -> bool:
    return any(
        isinstance(thing, External) and thing.name == "subprocess.PIPE"
        for thing in project.types.of(call.keyword(name), func)
    )


def _reads(project: Project, func: Func, life: Life, pipes: list[str]) -> Iterator[int]:
    """The steps at which a pipe of the subprocess is read or handed to somebody who may."""
    for number, step in enumerate(project.steps(func)):
        node = step.node
        if isinstance(node, Call):
            receiver = receiver_of(node)
            if receiver is not None and receiver != node.callee and _last(node.callee) in _READING:
                of_child = life.has(receiver) or _is_pipe_of(receiver, life, pipes)
            else:
                of_child = any(_is_pipe_of(value, life, pipes) for value in node.args)
            if of_child:
                yield number
        elif isinstance(node, Access) and _is_pipe_of(node.ref, life, pipes):
            yield number


def _is_pipe_of(value: Value, life: Life, pipes: list[str]) -> bool:
    """Whether the value is `child.stdout` or `child.stderr`."""
    return isinstance(value, Ref) and bool(value.path) and value.path[-1] in pipes and life.has(_without(value))


def _last(value: Value) -> str:
    return value.path[-1] if isinstance(value, Ref) and value.path else ""


def _without(ref: Ref) -> Ref:
    return ref.receiver
