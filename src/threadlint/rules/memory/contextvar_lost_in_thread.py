"""TL604."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Const, Try
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.primitives import CONTEXT_CARRIERS
from threadlint.project.bodies.context_vars import VarUse
from threadlint.project.bodies.paths import catches
from threadlint.project.names.callables import handed_over
from threadlint.project.names.carriers import Made
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func, FunctionThing
from threadlint.project.project import Project
from threadlint.project.roots.thread_roots import Spawn
from threadlint.rules.rule import rule

_DEEP = 4
_CALLS_UP = 2
_INHERITS = (3, 14)


@rule("TL604", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM, oracle=Oracle.NOT_SET)
def contextvar_lost_in_thread(project: Project) -> Iterator[Problem]:
    """A context variable is set, and read in a thread that does not have the value.

    ## Why is this bad?

    A task or `asyncio.to_thread()` begins with a copy of the caller's context. A thread that `Thread`, `submit()` or `run_in_executor()` starts begins with an empty one: there,
    `get()` gives the default or raises `LookupError`. A request's id is missing from the log, or its user is nobody.

    ## Example

    ```python
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id")


    def audit(what: str) -> str:
        return f"{request_id.get()}: {what}"


    def handle(pool: ThreadPoolExecutor, number: str) -> str:
        request_id.set(number)
        return pool.submit(audit, "paid").result()  # expect: TL604


    with ThreadPoolExecutor() as pool:
        print(handle(pool, "17"))
    ```

    It ends with `LookupError`.

    ## Use instead

    Run the function in a copy of the context.

    ```python
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id")


    def audit(what: str) -> str:
        return f"{request_id.get()}: {what}"


    def handle(pool: ThreadPoolExecutor, number: str) -> str:
        request_id.set(number)
        context = contextvars.copy_context()
        return pool.submit(context.run, audit, "paid").result()


    with ThreadPoolExecutor() as pool:
        print(handle(pool, "17"))
    ```

    ## Fix

    Unsafe, since what the function sets in the context is then lost with the copy: `submit(f, x)` becomes `submit(contextvars.copy_context().run, f, x)`, and likewise with `Thread`.

    ## Known limits

    - Free-threaded builds of Python 3.14 start a `Thread` with a copy of the context (`sys.flags.thread_inherit_context`); with that target version and `free-threaded` set, only
      pools are reported, whose workers keep the context of the job that made them.
    - The variable must be set in the function that starts the thread, or in one that calls it.
    - Variables that the thread sets itself somewhere are left alone, and so are reads with `except LookupError`.
    """
    if not project.context_vars.made():
        return
    told: set[tuple[str, int, Made]] = set()
    for spawn in project.spawns:
        if spawn.note or in_tests(spawn.func) or _carries(project, spawn):
            continue
        before = {use.var: use for use in _set_before(project, spawn.func, _step(project, spawn), _CALLS_UP)}
        if not before:
            continue
        reads = list(_uses(project, spawn.target.func, _DEEP, set()))
        own = {use.var for use in reads if use.method == "set"}
        for read in reads:
            place = (spawn.func.id, spawn.call.id, read.var)
            if read.method != "get" or read.var not in before or read.var in own or _prepared(project, read):
                continue
            if place not in told:
                told.add(place)
                yield _problem(project, spawn, before[read.var], read)


def _carries(project: Project, spawn: Spawn) -> bool:
    """Whether the thread begins with the caller's context."""
    if spawn.call.keyword("context") is not None:
        return True
    names = {thing.name for thing in project.types.of(spawn.call.callee, spawn.func) if isinstance(thing, External)}
    if names & CONTEXT_CARRIERS or any(name.endswith(".add_done_callback") for name in names):
        return True
    return _inherited(project) and spawn.kind not in ("executor", "pool")


def _inherited(project: Project) -> bool:
    target = project.config.target_version
    return project.config.free_threaded and target is not None and target >= _INHERITS


def _step(project: Project, spawn: Spawn) -> int:
    return next((n for n, step in enumerate(project.steps(spawn.func)) if step.node is spawn.call), 0)


def _set_before(project: Project, func: Func, at: int, up: int) -> Iterator[VarUse]:
    """The variables that have a value when the step runs: set before it here, or in a function that calls this one."""
    if up:
        for caller, call, _ in project.named_calls.of(func):
            step = next((n for n, one in enumerate(project.steps(caller)) if one.node is call), -1)
            if step >= 0 and caller is not func:
                yield from _set_before(project, caller, step, up - 1)
    open_vars: dict[Made, VarUse] = {}
    for use in project.context_vars.of(func):
        if use.step >= at:
            break
        if use.method == "set":
            open_vars[use.var] = use
        elif use.method == "reset":
            open_vars.pop(use.var, None)
    yield from open_vars.values()


def _uses(project: Project, func: Func, depth: int, seen: set[str]) -> Iterator[VarUse]:
    """What the function, and those that it calls, do to context variables."""
    if func.id in seen:
        return
    seen.add(func.id)
    yield from project.context_vars.of(func)
    for step in project.steps(func) if depth else ():
        for thing, _ in project.calls(func, step):
            if isinstance(thing, FunctionThing):
                yield from _uses(project, thing.func, depth - 1, seen)


def _prepared(project: Project, read: VarUse) -> bool:
    """Whether the reader reckons with a missing value: `except LookupError`."""
    return any(
        isinstance(node, Try) and part == "body" and any(catches(handler, "LookupError") for handler in node.handlers)
        for node, part in project.steps(read.func)[read.step].context
    )


def _problem(project: Project, spawn: Spawn, write: VarUse, read: VarUse) -> Problem:
    made = project.context_vars.made()[write.var]
    default = made.keyword("default") is not None or bool(read.call.args)
    given = read.call.args[0] if read.call.args else made.keyword("default")
    shown = f"`{given.value!r}`" if isinstance(given, Const) else "the default"
    outcome = f"`get()` gives {shown} there" if default else "`get()` raises `LookupError` there"
    if _inherited(project):
        start = "a worker of the pool keeps the context of the job that made it; later ones read its value"
    else:
        start = f"the thread begins with an empty context; {outcome}"
    site = project.site(spawn.func, spawn.span)
    return Problem(
        site,
        f"`{spawn.target.func.name}` reads the context variable `{read.text}`, which is set here, in a thread: {start}",
        (
            Related(project.site(write.func, write.call.span), f"`{write.text}` is set here"),
            Related(project.site(read.func, read.call.span), "and read here"),
        ),
        fix=_fix(project, spawn),
    )


def _fix(project: Project, spawn: Spawn) -> Fix | None:
    """Run the function in a copy of the context that hands it over."""
    site = project.site(spawn.func, spawn.call.span)
    for name, starter in handed_over(project.types, spawn.call, spawn.func):
        if starter.args or name.endswith(".submit"):
            return Fix(Change.COPY_CONTEXT, (site,), text=starter.keyword if starter.args else "")
    return None
