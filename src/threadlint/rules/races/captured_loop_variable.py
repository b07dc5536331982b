"""TL110."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.knowledge.stdlib import CALLBACKS
from threadlint.project.bodies.late_binding import Late
from threadlint.project.names.callables import arguments, handed_over
from threadlint.project.names.things import External, Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL110", since="0.1", severity=Severity.ERROR)
def captured_loop_variable(project: Project) -> Iterator[Problem]:
    """A function that is handed to a thread in a loop reads the loop's variable when it runs, not when it is created.

    ## Why is this bad?

    A lambda or an inner function keeps the variable, not its value. By the time the thread looks, the loop may be some turns further: two threads get the
    same item, and another item is never handled. On one machine it works by luck, because the thread starts before the next turn.

    ## Example

    ```python
    import threading

    hosts = ["ant", "bee", "cat"]


    def ping(host: str) -> None:
        print("ping", host)


    threads = []
    for host in hosts:
        threads.append(threading.Thread(target=lambda: ping(host)))  # expect: TL110
    for thread in threads:
        thread.start()
    ```

    ## Use instead

    Hand the value over as an argument: it is read at once.

    ```python
    import threading

    hosts = ["ant", "bee", "cat"]


    def ping(host: str) -> None:
        print("ping", host)


    threads = []
    for host in hosts:
        threads.append(threading.Thread(target=ping, args=(host,)))
    for thread in threads:
        thread.start()
    ```

    ## Fix

    Safe: `target=lambda: f(x)` becomes `target=f, args=(x,)`; any other function that is made in the same turn of the loop gets the variable as a default, `lambda x=x: ...`.

    ## Known limits

    - A loop that waits for something after it has started the thread (`join()`, `result()`, `wait()`, `await`) is left alone.
    - A function that is kept in a list and handed to threads after the loop is not seen.
    """
    seen: set[int] = set()
    for spawn in project.spawns:
        if not spawn.note and not (spawn.distinct and spawn.call.use != "discarded") and id(spawn.call) not in seen:
            late = project.late_binding.of(spawn.func, spawn.call, spawn.target.func)
            if late is not None:
                seen.add(id(spawn.call))
                how = next(
                    (arguments(name, starter) for name, starter in handed_over(project.types, spawn.call, spawn.func)),
                    None,
                )
                yield _problem(project, spawn.func, spawn.call, spawn.target.func, late, how)
    for func in project.callers_of(CALLBACKS):
        for call in project.links.calls[func.id].values():
            position = _callback(project, func, call)
            if position is None or id(call) in seen:
                continue
            for target in project.types.functions(call.argument(position), func):
                late = project.late_binding.of(func, call, target.func)
                if late is not None:
                    yield _problem(project, func, call, target.func, late, None)
                    break


def _callback(project: Project, func: Func, call: Call) -> int | None:
    """Which argument of the call is a function that some thread runs later; None where there is none."""
    path = getattr(call.callee, "path", ())
    if not path or path[-1] not in _METHODS:
        return None
    for thing in project.types.of(call.callee, func):
        if isinstance(thing, External) and thing.name in CALLBACKS:
            return CALLBACKS[thing.name]
    return None


_METHODS = frozenset(name.rpartition(".")[2] for name in CALLBACKS)


def _problem(project: Project, func: Func, call: Call, target: Func, late: Late, how: str | None) -> Problem:
    what = "this lambda" if target.facts.name == "<lambda>" else f"`{target.facts.name}`"
    message = (
        f"{what} reads `{late.name}` when it runs, not when it is handed over here;"
        " by then the loop may have gone on to the next value"
    )
    related = (
        Related(project.site(late.func, late.read), f"`{late.name}` is read here, by whichever thread runs this"),
        Related(project.site(func, late.bound), f"each turn of the loop binds `{late.name}` anew"),
    )
    site = project.site(func, call.span)
    fix = Fix(Change.BIND_NOW, (site,), safe=True, text=f"{'-' if how is None else how}:{late.name}")
    return Problem(site, message, related, fix=fix)
