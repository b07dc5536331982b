"""TL205."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Many, Ref, Root, Value, With
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.project.locks.acquires import Acquire
from threadlint.project.locks.lock_calls import new_locks
from threadlint.project.locks.locks import Held, Step
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.rules.locks.chains import calls
from threadlint.rules.rule import rule


@rule("TL205", since="0.1", severity=Severity.ERROR, oracle=Oracle.SELF_DEADLOCK)
def non_reentrant_reacquire(project: Project) -> Iterator[Problem]:
    """A plain `Lock` is acquired again by the thread that holds it.

    ## Why is this bad?

    A `threading.Lock` does not know who holds it. When the thread that holds it acquires it again, in a nested `with`, by recursion or in a helper
    method, it waits for itself, for ever. `asyncio.Lock` is the same for tasks; the locks of anyio and trio raise `RuntimeError`.

    ## Example

    ```python
    import threading


    class Cache:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.rows = {}

        def get(self, key: str) -> str:
            with self._lock:
                return self._load(key)  # expect: TL205

        def _load(self, key: str) -> str:
            with self._lock:
                return self.rows.setdefault(key, key.upper())


    print(Cache().get("a"))
    ```

    ## Use instead

    Let helpers that run under the lock say so in their name, and take no lock; or use an `RLock`, which its holder may acquire again.

    ```python
    import threading


    class Cache:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.rows = {}

        def get(self, key: str) -> str:
            with self._lock:
                return self._load_locked(key)

        def _load_locked(self, key: str) -> str:
            return self.rows.setdefault(key, key.upper())


    print(Cache().get("a"))
    ```

    ## Fix

    Unsafe, since the code that acquires it again then runs in the middle of what the lock protects: `Lock()` becomes `RLock()`. Often better is a second function that
    expects the lock to be held.

    ## Known limits

    - Locks of two objects of one class are told apart only by how the code names the objects (`self` and `other`).
    - An acquire that depends on an argument of the helper (`if not locked:`) is not counted.
    - An acquire through a callback or an overridden method of a class outside the run is not seen.
    """
    for func in project.having(With, Held):
        for step in project.steps(func):
            if step.held or isinstance(step.node, With):
                yield from _again(project, func, step)


def _again(project: Project, func: Func, step: Step) -> Iterator[Problem]:
    before = list(step.held)
    for acquire in project.acquires.own(func, step):
        for held in before:
            if _same(held, acquire, func) and not _released_elsewhere(project, held):
                yield _problem(project, func, held, acquire)
                return
        if acquire.value is not None:
            # `with a, b:` holds `a` while it acquires `b`
            before.append(Held(acquire.lock, acquire.value, func, acquire.span))
    seen: set[str] = set()
    for acquire in project.acquires.called(func, step) if step.held else ():
        for held in step.held:
            if acquire.lock.key not in seen and _same(held, acquire, func) and not _released_elsewhere(project, held):
                seen.add(acquire.lock.key)
                yield _problem(project, func, held, acquire)


def _same(held: Held, acquire: Acquire, func: Func) -> bool:
    lock = held.lock
    if lock.key != acquire.lock.key or lock.reentrant or acquire.lock.reentrant or not lock.known or not lock.excludes:
        return False
    if lock.each or held.func is not func:
        return False
    return held.value == acquire.value or (
        acquire.value is not None
        and not _through_object(held)
        and not _through_object_value(acquire)
        and not _two_locals(held.value, acquire.value)
    )


def _two_locals(one: Value, other: Value) -> bool:
    """Two local names for locks that are made in one place: `first, second = sorted((a.lock, b.lock))`."""
    return isinstance(one, Ref) and isinstance(other, Ref) and one.root == other.root == Root.VAR and one != other


def _released_elsewhere(project: Project, held: Held) -> bool:
    """A lock used as a signal: taken by a bare `acquire()`, and released by another function, or handed to one."""
    if held.lexical:
        return False
    calls = project.links.calls[held.func.id].values()
    return held.lock.key in project.handed_over or any(_hands_on(call, held) for call in calls)


def _hands_on(call: Call, held: Held) -> bool:
    given = (*call.args, *(value for _, value in call.keywords))
    return any(value == held.value or (isinstance(value, Many) and held.value in value.items) for value in given)


def _through_object(held: Held) -> bool:
    return bool(getattr(held.value, "path", ())) or "?" in held.lock.key


def _through_object_value(acquire: Acquire) -> bool:
    return bool(getattr(acquire.value, "path", ()))


def _problem(project: Project, func: Func, held: Held, acquire: Acquire) -> Problem:
    outer = project.site(held.func, held.span)
    inner = project.site(acquire.func, acquire.span)
    related = [Related(outer, f"`{held.lock.text}` is acquired here")]
    outcome = "raises `RuntimeError`" if held.lock.kind.checked else "blocks for ever"
    if not acquire.chain:
        message = f"`{held.lock.text}` is a plain Lock that this thread already holds (acquired at line {held.span[0]}); acquiring it again {outcome}"
        return Problem(inner, message, tuple(related), partners=(inner, outer), fix=_fix(project, held))
    site = project.site(func, acquire.chain[0][1])
    message = (
        f"this call acquires `{acquire.lock.text}` again, a plain Lock that this thread already holds (acquired at line {held.span[0]});"
        f" it {outcome}"
    )
    related.append(Related(inner, f"`{acquire.lock.text}` is acquired again here, in `{acquire.func.name}`"))
    why = (related[0], *calls(project, acquire.chain, acquire.func), related[1])
    return Problem(site, message, tuple(related), partners=(inner, outer), why=why, fix=_fix(project, held))


def _fix(project: Project, held: Held) -> Fix | None:
    """Make the lock an `RLock`, where it is known where it is made."""
    made = new_locks(project.locks, held)
    if len(made) != 1:
        return None
    func, call = made[0]
    return Fix(Change.REENTRANT, (project.site(func, call.span),))
