"""TL102."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Loop, Ref, Root, walk
from threadlint.findings import Builds, Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.project.bodies.uses import Act
from threadlint.project.guard_names import hold
from threadlint.project.project import Project
from threadlint.project.races.guards import Guard, GuardedUse
from threadlint.rules.rule import rule

_SHOWN = 2


@rule("TL102", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM, oracle=Oracle.LOST_UPDATE)
def inconsistent_guard(project: Project) -> Iterator[Problem]:
    """A variable that is protected by a lock elsewhere is changed in steps, or iterated, without it.

    ## Why is this bad?

    A lock protects a variable only if everybody takes it. Where most accesses to an attribute or a module variable hold one lock, the author
    means that lock to guard it; the one place that does without it runs in the middle of the others. An update such as `self.n += 1` there
    loses the updates of threads that do hold the lock; a loop there meets a dict or set that changes size (`RuntimeError`), or skips items of a list.

    The finding says how often the lock is held. A lock that is named after the variable (`row_lock`, `rows`) need not be held so often, where a loop without it
    tells the items to do something (`row.close()`). No thread need be seen to start: owning a lock says that other threads are expected.

    ## Example

    ```python
    import threading


    class Stats:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.rows: dict[str, int] = {}

        def add(self, key: str, value: int) -> None:
            with self._lock:
                self.rows[key] = value

        def drop(self, key: str) -> None:
            with self._lock:
                del self.rows[key]

        def total(self) -> int:
            return sum(value * 2 for value in self.rows.values())  # expect: TL102


    stats = Stats()
    stats.add("a", 1)
    print(stats.total())
    ```

    ## Use instead

    ```python
    import threading


    class Stats:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.rows: dict[str, int] = {}

        def add(self, key: str, value: int) -> None:
            with self._lock:
                self.rows[key] = value

        def drop(self, key: str) -> None:
            with self._lock:
                del self.rows[key]

        def total(self) -> int:
            with self._lock:
                return sum(value * 2 for value in self.rows.values())


    stats = Stats()
    stats.add("a", 1)
    print(stats.total())
    ```

    ## Fix

    Safe for a loop over a list, dict or set: it goes through `list(xs)`, which copies in one step. Unsafe otherwise, since the lock may be held already, or come in
    the wrong order: where the lock has a name, the statement is put into a `with` block.

    ## Known limits

    - Single steps without the lock (one read, one store, `d[k] = v`, `d.pop(k, None)`) are not reported, although they can break what the lock keeps together.
    - Iterating a list that is only ever appended to is not reported: the loop may miss the newest items, no more.
    - A helper that some callers call with the lock and others without it is left out of the count.
    """
    for guard in project.guards.values():
        seen: set[str] = set()
        for one in (*guard.outside, *(one for one in guard.unsure if one.bare)):
            if one.use.func.id not in seen and (_updates(project, guard, one) or _iterates(project, guard, one)):
                seen.add(one.use.func.id)
                yield _problem(project, guard, one, _fix(project, one))
    for guard in project.guards_by_name:
        for one in guard.outside:
            if _iterates(project, guard, one) and _acts_on_items(project, one):
                yield _problem(project, guard, one, None)


def _updates(project: Project, guard: Guard, one: GuardedUse) -> bool:
    """A read, change and write back, of something that others write under the lock."""
    use = one.use
    if use.act is not Act.UPDATE or use.access is None or project.sharing.harmless(use.access, use.func):
        return False
    return any(other.use.act in {Act.UPDATE, Act.REBIND, Act.ADD} for other in guard.inside)


def _iterates(project: Project, guard: Guard, one: GuardedUse) -> bool:
    """A loop in Python over a container whose size others change under the lock."""
    use = one.use
    if use.act is not Act.ITERATE:
        return False
    kind = project.uses.kind(use.ref, use.func)
    if not kind or not any(other.use.act.in_place for other in guard.inside):
        return False
    return kind != "list" or any(other.use.act is Act.REMOVE for other in (*guard.inside, *guard.unsure))


def _acts_on_items(project: Project, one: GuardedUse) -> bool:
    """Whether the loop tells its items to do something: `for row in self.rows: row.close()`."""
    loop = project.steps(one.use.func)[one.use.step].node
    if not isinstance(loop, Loop):
        return False
    names = {target.name for target in loop.targets}
    return any(
        isinstance(node, Call)
        and node.use == "discarded"
        and isinstance(node.callee, Ref)
        and node.callee.root is Root.VAR
        and node.callee.name in names
        and len(node.callee.path) == 1
        for node in walk(loop.body)
    )


def _problem(project: Project, guard: Guard, one: GuardedUse, fix: Fix | None) -> Problem:
    use = one.use
    lock = guard.text
    verb = "iterated" if use.act is Act.ITERATE else "read, changed and written back"
    writers = sorted((other for other in guard.inside if other.use.act.writes), key=_telling)
    related = [
        Related(project.site(other.use.func, other.use.span), f"{other.use.act.value} here while `{lock}` is held")
        for other in writers[:_SHOWN]
    ]
    site = project.site(use.func, use.span)
    window = use.act is Act.ITERATE or (use.access is not None and use.access.window)
    return Problem(
        site,
        f"`{one.location.text}` is protected by `{lock}` in {len(guard.inside)} of {guard.total} accesses ({guard.writes} writes) but {verb} here without it",
        tuple(related),
        builds=Builds.EVERY if window else Builds.FREE_THREADED,
        partners=(site, *(other.site for other in related[:1])),
        provable=use.act is Act.UPDATE,
        fix=fix,
    )


def _fix(project: Project, one: GuardedUse) -> Fix | None:
    """A loop goes through a copy, an update holds the lock."""
    use = one.use
    if use.act is Act.ITERATE:
        site = project.site(use.func, use.span)
        return Fix(Change.ITERATE_COPY, (site,), safe=project.uses.kind(use.ref, use.func) in ("list", "dict", "set"))
    read = use.access.read if use.access is not None else None
    return hold(project, use.ref, use.func, *((read,) if read else ()), use.span)


def _telling(one: GuardedUse) -> tuple[bool, str, tuple[int, ...]]:
    """Changes of the object before assignments, then by place."""
    return (one.use.act is Act.REBIND, one.use.func.id, one.use.span)
