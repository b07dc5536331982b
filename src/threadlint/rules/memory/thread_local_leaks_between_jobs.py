"""TL603."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threadlint.facts.model import Compare, If, Kind, Match, Root, Span, Try, Value
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.roots.thread_roots import Spawn
from threadlint.rules.rule import rule

_DEEP = 4


@rule("TL603", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM, default=False)
def thread_local_leaks_between_jobs(project: Project) -> Iterator[Problem]:
    """A job of a pool sets thread-local data only sometimes, so the next job in the same thread finds what an earlier one left.

    ## Why is this bad?

    The threads of a pool live on. What one job stores in a `threading.local()`, or sets in a context variable, is still there for the next job that the thread runs. A job that
    does not set it reads the data of another: another user's session, another request's id.

    ## Example

    ```python
    import threading
    from concurrent.futures import ThreadPoolExecutor

    session = threading.local()


    def job(user: str | None) -> str:
        if user is not None:
            session.user = user  # expect: TL603
        return getattr(session, "user", "nobody")


    with ThreadPoolExecutor(max_workers=1) as pool:
        print(pool.submit(job, "ann").result(), pool.submit(job, None).result())
    ```

    It prints `ann ann`.

    ## Use instead

    ```python
    import threading
    from concurrent.futures import ThreadPoolExecutor

    session = threading.local()


    def job(user: str | None) -> str:
        session.user = user or "nobody"
        try:
            return session.user
        finally:
            del session.user


    with ThreadPoolExecutor(max_workers=1) as pool:
        print(pool.submit(job, "ann").result(), pool.submit(job, None).result())
    ```

    ## Known limits

    - Off by default: only the program knows which of its data belongs to a job.
    - Only values that come from the job's parameters are reported; connections and buffers that a thread keeps are not.
    - Jobs of frameworks (a request handler, a task) are not looked at.
    """
    told: set[tuple[str, Span]] = set()
    for spawn in project.spawns:
        if spawn.kind not in ("executor", "pool") or spawn.note or in_tests(spawn.func):
            continue
        funcs = list(_reached(project, spawn.target.func, _DEEP, set()))
        for place in (*_locals(project, {func.id for func in funcs}), *_variables(project, funcs)):
            found = _leak(project, place)
            if found is not None and (found.func.id, found.span) not in told:
                told.add((found.func.id, found.span))
                yield _problem(project, spawn, place, found)


@dataclass(frozen=True, slots=True)
class _Set:
    func: Func
    step: int
    span: Span
    value: Value | None


@dataclass(frozen=True, slots=True)
class _Place:
    """What the functions of one job do to one attribute or variable."""

    name: str
    sets: tuple[_Set, ...]
    reads: tuple[tuple[Func, int, Span], ...]
    cleared: bool


def _reached(project: Project, func: Func, depth: int, seen: set[str]) -> Iterator[Func]:
    if func.id in seen:
        return
    seen.add(func.id)
    yield func
    for step in project.steps(func) if depth else ():
        for thing, _ in project.calls(func, step):
            if isinstance(thing, FunctionThing):
                yield from _reached(project, thing.func, depth - 1, seen)


def _locals(project: Project, funcs: set[str]) -> Iterator[_Place]:
    for storage in project.thread_locals.all():
        for name, uses in storage.uses.items():
            here = [use for use in uses if use.func.id in funcs]
            sets = [use for use in here if use.kind == Kind.WRITE]
            if not sets:
                continue
            reads = [
                use
                for use in (*here, *storage.defaulted.get(name, ()))
                if use.kind == Kind.READ and use.func.id in funcs
            ]
            yield _Place(
                f"{sets[0].text}.{name}",
                tuple(_Set(use.func, use.step, use.span, use.value) for use in sets),
                tuple((use.func, use.step, use.span) for use in reads),
                cleared=any(use.kind == Kind.DELETE for use in here) or name in storage.asked,
            )


def _variables(project: Project, funcs: list[Func]) -> Iterator[_Place]:
    uses = [use for func in funcs for use in project.context_vars.of(func)]
    for var in dict.fromkeys(use.var for use in uses):
        own = [use for use in uses if use.var == var]
        sets = [use for use in own if use.method == "set"]
        if sets:
            yield _Place(
                sets[0].text,
                tuple(_Set(use.func, use.step, use.call.span, use.call.argument(0, "value")) for use in sets),
                tuple((use.func, use.step, use.call.span) for use in own if use.method == "get"),
                cleared=any(use.method == "reset" for use in own),
            )


def _leak(project: Project, place: _Place) -> _Set | None:
    """The assignment that some jobs make and others do not, where every job may read."""
    if place.cleared:
        return None
    found = None
    for one in place.sets:
        test = _condition(project, one)
        if test is None:
            return None
        if found is None and _given(project, one.value, one.func) and _by_parameter(one.func, test):
            found = (one, test)
    if found is None:
        return None
    one, test = found
    inside = {id(step.node) for step in project.steps(one.func) if any(node is test for node, _ in step.context)}
    for func, number, _ in place.reads:
        if func is not one.func or (number > one.step and id(project.steps(func)[number].node) not in inside):
            return one
    return None


def _condition(project: Project, one: _Set) -> If | None:
    """The test that decides whether the assignment is made; None where it is always made."""
    for node, part in reversed(project.steps(one.func)[one.step].context):
        if isinstance(node, If):
            other = node.orelse if part == "body" else node.body
            return None if other else node
        if isinstance(node, Match) or (isinstance(node, Try) and part != "body"):
            return None
    return None


def _by_parameter(func: Func, test: If) -> bool:
    """Whether the job's own arguments decide, not what the thread already has."""
    params = {param.name for param in func.facts.params}
    value = test.test
    named = list(refs(value.left if isinstance(value, Compare) else value))
    return bool(named) and all(ref.root == Root.VAR and ref.name in params for ref in named)


def _given(project: Project, value: Value | None, func: Func, depth: int = 2) -> bool:
    params = {param.name for param in func.facts.params}
    for ref in refs(value):
        if ref.root == Root.VAR and ref.owner == func.facts.qualname:
            if ref.name in params:
                return True
            bound = project.links.bindings.get((func.id, ref.name), ())
            if depth and any(_given(project, access.value, where, depth - 1) for where, access in bound):
                return True
        elif ref.root == Root.RESULT and depth:
            call = project.links.calls[func.id].get(int(ref.name))
            if call is not None and any(_given(project, one, func, depth - 1) for one in (*call.args, call.callee)):
                return True
    return False


def _problem(project: Project, spawn: Spawn, place: _Place, one: _Set) -> Problem:
    func, _, span = place.reads[0]
    return Problem(
        project.site(one.func, one.span),
        f"`{place.name}` is set by some jobs only, and stays in the pool's thread; the next job there reads what an earlier one left",
        (
            Related(project.site(spawn.func, spawn.span), spawn.story),
            Related(project.site(func, span), f"`{place.name}` is read here"),
        ),
    )
