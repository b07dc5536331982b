"""TL301."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Ref
from threadlint.findings import Fix, Oracle, Problem, Related, Severity, Site
from threadlint.knowledge.stdlib import EXECUTORS, POOLS
from threadlint.project.bodies.handling import handles_errors
from threadlint.project.locks.locks import is_held_at
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_MAKING = frozenset({"submit", "map", "apply_async", "map_async", "starmap_async"})


@rule("TL301", since="0.1", severity=Severity.ERROR, oracle=Oracle.SWALLOWED_ERROR)
def discarded_future(project: Project) -> Iterator[Problem]:
    """The future that `submit()` returns is thrown away, so an exception in the task is never seen.

    ## Why is this bad?

    An executor catches what the task raises and keeps it in the future; `result()` raises it again. When nobody keeps the future, a task that
    fails looks exactly like one that succeeded: no traceback, exit code 0. The same holds for `Executor.map` whose results are not read, and for
    `Pool.apply_async` and `map_async` without `error_callback`.

    ## Example

    ```python
    from concurrent.futures import ThreadPoolExecutor


    def save(row: int) -> None:
        print(10 // row)


    with ThreadPoolExecutor() as pool:
        for row in range(3):
            pool.submit(save, row)  # expect: TL301
    print("all saved")
    ```

    ## Use instead

    ```python
    from concurrent.futures import ThreadPoolExecutor, as_completed


    def save(row: int) -> None:
        print(10 // (row + 1))


    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(save, row) for row in range(3)]
        for future in as_completed(futures):
            future.result()
    print("all saved")
    ```

    ## Fix

    Unsafe, since the function then waits for the task and raises its errors: the future is kept, and `result()` is called after the loop, or at the end of the block. Not where a
    lock is held, or in a coroutine.

    ## Known limits

    - A task that handles all its errors itself (its body is one `try` with `except Exception` that does more than `pass`) is not reported.
    - Test files are left out: tests drop futures on purpose.
    - The executor must be known by its type: from its constructor, an annotation, or an attribute assigned in the class.
    """
    for func in project.mentions.callers(_MAKING):
        if in_tests(func):
            continue
        for call in project.links.calls[func.id].values():
            if call.use == "discarded":
                yield from _check(project, func, call)


def _check(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    callee = call.callee
    if not isinstance(callee, Ref) or not callee.path or callee.path[-1] not in _MAKING:
        return
    for thing in project.types.of(callee, func):
        if not isinstance(thing, External):
            continue
        owner, _, method = thing.name.rpartition(".")
        if (owner in EXECUTORS and method in ("submit", "map")) or (
            owner in POOLS and method.endswith("_async") and call.keyword("error_callback") is None
        ):
            target = call.argument(0, "fn" if owner in EXECUTORS else "func")
            bodies = [found.func for found in project.types.functions(target, func)]
            if not bodies and isinstance(target, Ref) and target.path[-1:] == ("run",):
                # `copy_context().run` calls what comes next
                bodies = [found.func for found in project.types.functions(call.argument(1), func)]
            if bodies and all(handles_errors(body, project.types) for body in bodies):
                return
            what = "results" if "map" in method else "future"
            site = project.site(func, call.span)
            related = tuple(
                Related(project.site(body, body.facts.span), f"an exception raised in `{body.name}` is lost")
                for body in bodies[:1]
            )
            verb = "are" if what == "results" else "is"
            yield Problem(
                site,
                f"the {what} of `{method}()` {verb} thrown away, so an exception raised in the task is never seen",
                related,
                partners=(site,),
                fix=None if is_held_at(project.steps(func), call) else _fix(method, site),
            )
            return


def _fix(method: str, site: Site) -> Fix | None:
    """Asking makes the function wait for the task, and raises its errors."""
    asks = {"submit": "result", "map": "list"}
    return Fix(Change.ASK_RESULT, (site,), text=asks.get(method, "get"))
