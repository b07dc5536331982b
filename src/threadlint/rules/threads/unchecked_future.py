"""TL302."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Ref, walk
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.stdlib import EXECUTORS, POOLS
from threadlint.project.bodies.handling import handles_errors
from threadlint.project.bodies.lifetimes import Life, named
from threadlint.project.locks.locks import is_held_at
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func, FunctionThing
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_MAKING = frozenset({"submit", "apply_async", "map_async", "starmap_async"})
_WAITING = frozenset({"concurrent.futures.wait", "concurrent.futures.as_completed"})
_FUTURE_SILENT = frozenset({"done", "cancel", "cancelled", "running", "add_done_callback"})
_RESULT_SILENT = frozenset({"wait", "ready"})
_CONTAINER_SILENT = frozenset(
    {
        "append", "appendleft", "add", "insert", "extend", "remove", "discard", "clear", "pop", "popleft", "popitem", "update", "copy", "count",
        "values", "items", "keys", "get", "setdefault", "sort", "index", "difference_update",
    }
)  # fmt: skip


@rule("TL302", since="0.1", severity=Severity.ERROR, oracle=Oracle.SWALLOWED_ERROR)
def unchecked_future(project: Project) -> Iterator[Problem]:
    """The future is kept, and perhaps waited for, but `result()` is never asked, so an exception in the task is never seen.

    ## Why is this bad?

    `wait(futures)`, `as_completed(futures)`, `done()` and the end of `with ThreadPoolExecutor()` tell when a task is over, not how it ended. The exception of a task that
    failed stays in its future until somebody calls `result()` or `exception()`. The program goes on as if all tasks had succeeded.

    ## Example

    ```python
    from concurrent.futures import ThreadPoolExecutor, wait


    def save(row: int) -> None:
        print(10 // row)


    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(save, row) for row in range(3)]  # expect: TL302
        wait(futures)
    print("all saved")
    ```

    ## Use instead

    ```python
    from concurrent.futures import ThreadPoolExecutor, wait


    def save(row: int) -> None:
        print(10 // (row + 1))


    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(save, row) for row in range(3)]
        done, _ = wait(futures)
        for future in done:
            future.result()
    print("all saved")
    ```

    ## Fix

    Unsafe, since the function then waits for the task and raises its errors: `result()` is called at the end of the block that keeps the future or the list of futures.

    ## Known limits

    - Only futures whose whole life is in one function are judged: one that is returned, stored in an attribute or given to unknown code may be asked elsewhere.
    - A callback of `add_done_callback()` counts as asking, unless it makes no use of its argument.
    - Tasks that handle all their errors themselves, and test files, are left out.
    """
    for func in project.mentions.callers(_MAKING):
        if in_tests(func):
            continue
        for call in project.links.calls[func.id].values():
            made = _made(project, call, func) if call.use == "used" else ""
            if made:
                yield from _check(project, func, call, made)


def _made(project: Project, call: Call, func: Func) -> str:
    """`future` or `result` (of a pool's `apply_async()`) where the call makes one."""
    if not isinstance(call.callee, Ref) or not call.callee.path or call.callee.path[-1] not in _MAKING:
        return ""
    for thing in project.types.of(call.callee, func):
        owner, _, method = thing.name.rpartition(".") if isinstance(thing, External) else ("", "", "")
        if owner in EXECUTORS and method == "submit":
            return "future"
        if owner in POOLS and method.endswith("_async") and call.keyword("error_callback") is None:
            return "result"
    return ""


def _check(project: Project, func: Func, call: Call, made: str) -> Iterator[Problem]:
    life = project.lifetimes.of(func, call, _WAITING)
    if life.escapes or life.awaited or _asked(project, life, func, made):
        return
    bodies = list(project.types.functions(call.argument(0, "fn" if made == "future" else "func"), func))
    if bodies and all(handles_errors(body.func, project.types) for body in bodies):
        return
    related = []
    waits = [one for one in life.passed if one[0] in _WAITING] or life.called("wait", "done")
    if waits:
        related.append(Related(project.site(func, waits[0][1].span), "waited for here, without asking for the result"))
    related += [
        Related(project.site(body.func, body.func.facts.span), f"an exception raised in `{body.func.name}` is lost")
        for body in bodies[:1]
    ]
    asking = "`result()` or `exception()`" if made == "future" else "`get()`"
    site = project.site(func, call.span)
    asks = Fix(Change.ASK_RESULT, (site,), text="result" if made == "future" else "get")
    yield Problem(
        site,
        f"{asking} of this {made} is never called, so an exception raised in the task is never seen",
        tuple(related),
        partners=(site,),
        fix=None if is_held_at(project.steps(func), call) else asks,
    )


def _asked(project: Project, life: Life, func: Func, made: str) -> bool:
    """Whether anything that is done to the future may show its exception."""
    silent = _CONTAINER_SILENT | _FUTURE_SILENT if made == "future" else (_CONTAINER_SILENT | _RESULT_SILENT) - {"get"}
    for method, call, _ in life.methods:
        if method not in silent or (method == "add_done_callback" and not _ignores(project, call, func)):
            return True
    # `fut.result` as a value, or an attribute that is not known
    methods = {number for _, _, number in life.methods}
    return any(number not in methods for _, number in life.attributes)


def _ignores(project: Project, call: Call, func: Func) -> bool:
    """Whether the callback makes no use of the future that it is given."""
    callback = call.argument(0, "fn")
    if isinstance(callback, Ref) and callback.path[-1:] in (("discard",), ("remove",)):
        return True
    targets: list[FunctionThing] = list(project.types.functions(callback, func))
    return bool(targets) and all(_without_argument(target.func) for target in targets)


def _without_argument(func: Func) -> bool:
    params = func.facts.params[1 if func.facts.cls else 0 :]
    if len(params) != 1:
        return False
    return not any(
        ref.name == params[0].name and ref.owner == func.facts.qualname
        for node in walk(func.facts.body)
        for ref in named(node)
    )
