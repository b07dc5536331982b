"""TL112."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from threadlint.facts.model import Access, Call, Const, Kind, Ref, Span, Value, With
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.knowledge.thread_affine import TYPES, Affine, affine
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.callables import HANDING
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.project import Project
from threadlint.project.roots.contexts import MAIN
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.routes import route
from threadlint.rules.rule import rule


@rule("TL112", since="0.1", severity=Severity.ERROR, confidence=Confidence.MEDIUM)
def shared_thread_affine_object(project: Project) -> Iterator[Problem]:
    """An object that may only be used in the thread that made it is used in another thread.

    ## Why is this bad?

    An SQLite connection remembers which thread made it: in any other thread its methods raise `sqlite3.ProgrammingError`. Tk's widgets belong to the thread
    that runs the main loop; calls from other threads raise `RuntimeError`, hang, or corrupt the window. In a worker whose errors nobody reads, the
    work is silently not done.

    ## Example

    ```python
    import sqlite3
    import threading

    db = sqlite3.connect(":memory:")
    db.execute("create table done (job text)")


    def work() -> None:
        db.execute("insert into done values ('tea')")  # expect: TL112


    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    ```

    ## Use instead

    Make one in each thread, keep one for each thread in a `threading.local`, or let one thread own it and send it work through a queue. For Tk, let the worker
    put results in a queue and read the queue in a function that is called with `after()`.

    ```python
    import contextlib
    import sqlite3
    import threading


    def work() -> None:
        with contextlib.closing(sqlite3.connect("jobs.db")) as db:
            db.execute("create table if not exists done (job text)")
            db.execute("insert into done values ('tea')")
            db.commit()


    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    ```

    ## Known limits

    - Connections made with `check_same_thread=False` are left alone; each use of one needs a lock.
    - Other objects that are not safe to share, such as `requests.Session`, are not covered.
    """
    for func in project.callers_of(HANDING):
        yield from _handed_over(project, func)
    for func in project.meetings.on_threads():
        reached = [(context, roots) for context, roots in project.meetings.contexts(func) if roots & ~MAIN]
        bits = project.meetings.roots(func)
        told: set[Value] = set()
        for step in project.steps(func):
            for value in _used(step):
                found = _foreign(project, func, value, bits, _method(step)) if value not in told else None
                if found is not None:
                    told.add(value)
                    yield _problem(project, func, step, value, found, tuple(route(project, reached[0][0])))


def _handed_over(project: Project, func: Func) -> Iterator[Problem]:
    """A method of such an object is itself what the thread runs: `submit(db.execute, query)`."""
    for call in project.links.calls[func.id].values():
        for value in project.thread_roots.handed_over(func, call):
            if not isinstance(value, Ref) or not value.path:
                continue
            receiver = value.receiver
            for thing in project.types.of(receiver, func):
                if not isinstance(thing, Object) or thing.frame is None or thing.call is None:
                    continue
                kind = _kind(project, thing)
                if kind is None or value.path[-1] in kind.free or _own_method(project, thing, value.path[-1]):
                    continue
                if _bound_to_thread(project, thing):
                    made = Related(project.site(thing.frame, thing.call.span), "it is made here")
                    yield Problem(project.site(func, call.span), _message(receiver, kind), (made,))
                    break


def _used(step: Step) -> Iterator[Ref]:
    """The objects that the step uses: the receiver of a method call, what a `with` enters, what an element is assigned to."""
    node = step.node
    if isinstance(node, Call):
        if isinstance(node.callee, Ref) and node.callee.path:
            yield node.callee.receiver
    elif isinstance(node, With):
        for item in node.items:
            if isinstance(item.value, Ref):
                yield item.value
    elif isinstance(node, Access) and node.kind != Kind.READ and node.ref.path and node.ref.path[-1].startswith("["):
        yield node.ref.receiver


def _method(step: Step) -> str:
    node = step.node
    return node.callee.path[-1] if isinstance(node, Call) and isinstance(node.callee, Ref) else ""


@dataclass(frozen=True, slots=True)
class _Foreign:
    """The kind of an object, where it is made, and the thread that uses it though another thread makes it."""

    kind: Affine
    maker: Func
    span: Span
    root: Spawn


def _foreign(project: Project, func: Func, value: Ref, bits: int, method: str) -> _Foreign | None:
    found: _Foreign | None = None
    for thing in project.types.of(value, func):
        if not isinstance(thing, Object) or (thing.frame is None and isinstance(thing.type, str)):
            continue  # an annotation says what it is, not where it is made
        kind = _kind(project, thing)
        if kind is None or method in kind.free or _own_method(project, thing, method):
            return None
        maker = thing.frame if thing.frame is not None else project.types.method(cast("Cls", thing.type), "__init__")
        if maker is None or not _bound_to_thread(project, thing) or _initialises(project, maker):
            return None
        makers = 0
        for _, roots in project.meetings.contexts(maker):
            makers |= roots
        root = next(project.contexts.roots(bits & ~MAIN), None)
        if not makers or makers & bits & ~MAIN or root is None:
            return None
        if any(_one_worker(maker_root, root) for maker_root in project.contexts.roots(makers & ~MAIN)):
            return None
        found = _Foreign(kind, maker, thing.call.span if thing.call is not None else maker.facts.span, root)
    return found


def _one_worker(one: Spawn, other: Spawn) -> bool:
    """Two jobs for one pool that has a single worker, or is only given one job at a time."""
    if one.many or other.many or one.kind != "executor" or other.kind != "executor":
        return False
    first, second = one.call.callee, other.call.callee
    return isinstance(first, Ref) and isinstance(second, Ref) and first.path[:-1] == second.path[:-1]


def _own_method(project: Project, thing: Object, method: str) -> bool:
    """A method that the program's own class defines is judged by what it does."""
    return isinstance(thing.type, Cls) and bool(method) and project.types.method(thing.type, method) is not None


def _kind(project: Project, thing: Object) -> Affine | None:
    if isinstance(thing.type, str):
        return affine(thing.type)
    bases = (base for base in project.types.mro(thing.type) if isinstance(base, str))
    return next((kind for base in bases if (kind := affine(base)) is not None), None)


def _bound_to_thread(project: Project, thing: Object, depth: int = 0) -> bool:
    """Whether the check was not switched off: `connect(..., check_same_thread=False)`; a cursor is as its connection."""
    call, frame = thing.call, thing.frame
    if call is None or frame is None or thing.type not in TYPES:
        return True
    if call.starred or any(name == "**" for name, _ in call.keywords):
        return False
    if "Connection" in str(thing.type):
        given = call.argument(4, "check_same_thread")
        return given is None or (isinstance(given, Const) and given.value is True)
    callee = call.callee
    if not isinstance(callee, Ref) or depth > 2:
        return False
    makers = project.types.of(callee.receiver, frame)
    return bool(makers) and all(isinstance(one, Object) and _bound_to_thread(project, one, depth + 1) for one in makers)


def _initialises(project: Project, frame: Func) -> bool:
    """Whether the function runs in each worker of a pool (`initializer=`), though no call in the program says so."""
    for func in project.functions:
        for call in project.links.calls[func.id].values():
            given = call.keyword("initializer")
            if given is not None and any(thing.func is frame for thing in project.types.functions(given, func)):
                return True
    return False


def _problem(
    project: Project, func: Func, step: Step, value: Ref, found: _Foreign, why: tuple[Related, ...]
) -> Problem:
    related = (
        Related(project.site(found.maker, found.span), "it is made here"),
        Related(project.site(found.root.func, found.root.span), found.root.story),
    )
    return Problem(project.site(func, step.node.span), _message(value, found.kind), related, why=why)


def _message(value: Ref, kind: Affine) -> str:
    return f"`{text(value)}` is {kind.what} that another thread made; it may only be used in that thread, and elsewhere {kind.outcome}"
