"""TL215."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Ref, Root, Span, With
from threadlint.findings import Problem, Related, Severity
from threadlint.project.locks.acquires import Acquire
from threadlint.project.locks.locks import text
from threadlint.project.names.things import Cls, External, Func, Object
from threadlint.project.project import Project
from threadlint.project.roots.contexts import MAIN
from threadlint.rules.rule import rule

_CALLBACKS = {"weakref.finalize": 1, "weakref.ref": 1, "weakref.proxy": 1, "signal.signal": 1, "gc.callbacks.append": 0}
"""Who runs a callable in the middle of other code, and the position of the callable."""
_QUEUES = frozenset({"queue.Queue", "queue.LifoQueue", "queue.PriorityQueue"})
_DEEPEST = 2


@dataclass(frozen=True, slots=True)
class _Handler:
    """A function that runs in the middle of any line; `place` is where it is registered, None for `__del__`."""

    func: Func
    why: str
    place: tuple[Func, Span] | None = None


@rule("TL215", since="0.1", severity=Severity.ERROR)
def lock_in_finalizer_or_signal_handler(project: Project) -> Iterator[Problem]:
    """A finalizer or signal handler acquires a lock that the code it interrupts may hold.

    ## Why is this bad?

    `__del__`, `weakref` callbacks and signal handlers run between any two steps of whatever the thread is doing: also inside a `with lock:` block. If they acquire
    the same plain lock there, the thread waits for itself. `queue.Queue` has such a lock inside.

    ## Example

    ```python
    import threading

    registry_lock = threading.Lock()
    registry = {}


    class Handle:
        def __init__(self) -> None:
            registry[id(self)] = "open"

        def __del__(self) -> None:
            with registry_lock:  # expect: TL215
                registry.pop(id(self), None)


    handle = Handle()
    with registry_lock:
        handle = None
    ```

    ## Use instead

    Only note what is to be done, in a way that takes no lock: `SimpleQueue.put()` is made for this.

    ```python
    import queue
    import threading

    registry_lock = threading.Lock()
    registry = {}
    dead = queue.SimpleQueue()


    class Handle:
        def __init__(self) -> None:
            registry[id(self)] = "open"

        def __del__(self) -> None:
            dead.put(id(self))


    handle = Handle()
    with registry_lock:
        handle = None
    registry.pop(dead.get(), None)
    ```

    ## Known limits

    - Locks that are taken by the handler itself, or at most two calls further down. An `RLock` does not block its own thread and is not reported, though the
      handler may then see half of a change. A try (`blocking=False`) or a timeout is the usual way out, and is fine.
    - `__del__` may acquire a lock that its own object, or a part that it has made for itself, has made: nobody else is inside then.
    - `Event.set()` in a signal handler is accepted. Handlers of `asyncio` (`loop.add_signal_handler`) and `atexit` do not interrupt anything.
    """
    for handler in _handlers(project):
        found = _acquire(project, handler)
        if found is not None:
            yield _of_lock(project, handler, found)
            continue
        put = _queue_call(project, handler)
        if put is not None:
            yield _of_queue(project, handler, put)


def _handlers(project: Project) -> Iterator[_Handler]:
    seen: set[str] = set()
    for func in project.functions:
        if func.facts.name == "__del__" and func.facts.cls:
            yield _Handler(func, "the object is collected")
    for func in project.mentions.callers(_LAST):
        for call in project.links.calls[func.id].values():
            name = _registers(project, func, call)
            if name is None:
                continue
            for target in project.types.functions(call.argument(_CALLBACKS[name]), func):
                if target.func.id not in seen:
                    seen.add(target.func.id)
                    why = "the signal arrives" if name == "signal.signal" else "an object is collected"
                    yield _Handler(target.func, why, (func, call.span))


def _registers(project: Project, func: Func, call: Call) -> str | None:
    callee = call.callee
    if not isinstance(callee, Ref) or (callee.name, *callee.path)[-1].rpartition(".")[2] not in _LAST:
        return None
    return next(
        (one.name for one in project.types.of(callee, func) if isinstance(one, External) and one.name in _CALLBACKS),
        None,
    )


def _acquire(project: Project, handler: _Handler) -> Acquire | None:
    for acquire in project.acquires.of(handler.func):
        lock = acquire.lock
        if not lock.known or lock.reentrant or lock.kind.kind != "lock" or lock.kind.world != "threads":
            continue
        if (
            len(acquire.chain) <= _DEEPEST
            and not _own(project, handler, acquire)
            and _taken_elsewhere(project, handler, acquire)
        ):
            return acquire
    return None


def _own(project: Project, handler: _Handler, acquire: Acquire) -> bool:
    """The lock of the very object that is going away, or of one that it has made for itself and that others only reach through it."""
    cls = project.types.owner(handler.func)
    value = acquire.value
    if handler.func.facts.name != "__del__" or cls is None:
        return False
    family = [base.id for base in (*project.types.mro(cls), *project.types.subclasses(cls)) if isinstance(base, Cls)]
    if value is None:
        part = project.links.classes.get(acquire.lock.key.rpartition(".__init__#")[0])
        makers = project.callers_of([part]) if part is not None else []
        its_own = bool(makers) and all(f"{maker.module.name}:{maker.facts.cls}" in family for maker in makers)
        return its_own and not _by_thread(project, acquire)
    if not isinstance(value, Ref) or value.root != Root.VAR:
        return False
    if len(value.path) == 2 and ".__init__#" in acquire.lock.key:
        stores = [
            access.value
            for where, access in project.links.attributes.get(value.path[0], ())
            if f"{where.module.name}:{where.facts.cls}" in family
        ]
        # unsound: others may have been given the part
        made = bool(stores) and all(isinstance(one, Ref) and one.root == Root.RESULT and not one.path for one in stores)
        return made and not _by_thread(project, acquire)
    return len(value.path) == 1 and any(acquire.lock.key.startswith(f"{base}.") for base in family)


def _by_thread(project: Project, acquire: Acquire) -> bool:
    """Whether a thread that the program starts takes the lock: it may know the part and not whose part it is."""
    return any(roots & ~MAIN for func in _takers(project, acquire) for _, roots in project.contexts.of(func))


def _takers(project: Project, acquire: Acquire) -> Iterator[Func]:
    """The functions that acquire the lock."""
    for func in (*project.having(With), *project.mentions.callers(["acquire"])):
        for step in project.steps(func):
            if any(one.lock.key == acquire.lock.key for one in project.acquires.own(func, step)):
                yield func
                break


def _taken_elsewhere(project: Project, handler: _Handler, acquire: Acquire) -> bool:
    if any(func is not handler.func and func is not acquire.func for func in _takers(project, acquire)):
        return True
    # the handler interrupts itself, or a direct call of the function that it calls
    return acquire.func is not handler.func


def _of_lock(project: Project, handler: _Handler, found: Acquire) -> Problem:
    name = found.lock.text
    span = found.chain[0][1] if found.chain else found.span
    related = [Related(project.site(where, place), "through this call") for where, place in found.chain[1:]]
    if found.chain:
        related.append(Related(project.site(found.func, found.span), f"`{name}` is acquired here"))
    if handler.place is not None:
        related.append(Related(project.site(*handler.place), f"`{handler.func.name}` is registered here"))
    message = (
        f"`{handler.func.name}` acquires `{name}` when {handler.why}, in the middle of any line;"
        f" a thread that holds `{name}` just then waits for itself"
    )
    return Problem(project.site(handler.func, span), message, tuple(related))


def _queue_call(project: Project, handler: _Handler) -> tuple[Call, str] | None:
    own = project.types.self_name(handler.func)
    for call in project.links.calls[handler.func.id].values():
        callee = call.callee
        if not isinstance(callee, Ref) or callee.path[-1:] not in (
            ("put",),
            ("get",),
            ("put_nowait",),
            ("get_nowait",),
        ):
            continue
        if own and (callee.root, callee.name) == (Root.VAR, own) and len(callee.path) == 2:
            continue
        receiver = callee.receiver
        for thing in project.types.of(receiver, handler.func):
            if isinstance(thing, Object) and thing.type in _QUEUES:
                return call, text(callee)
    return None


def _of_queue(project: Project, handler: _Handler, found: tuple[Call, str]) -> Problem:
    call, name = found
    related = (
        (Related(project.site(*handler.place), f"`{handler.func.name}` is registered here"),)
        if handler.place is not None
        else ()
    )
    return Problem(
        project.site(handler.func, call.span),
        f"`{handler.func.name}` calls `{name}()` when {handler.why}, in the middle of any line;"
        " if that line is inside the same queue, the thread waits for itself",
        related,
    )


_LAST = frozenset(name.rpartition(".")[2] for name in _CALLBACKS)
