"""TL213."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator

from threadlint.facts.model import Access, Kind, Ref, Root
from threadlint.findings import Confidence, Oracle, Problem, Related, Severity
from threadlint.project.locks.entry_locks import guard_keys
from threadlint.project.locks.locks import ANY_LOCK, Held, Step
from threadlint.project.names.things import ClassThing, Cls, Func
from threadlint.project.project import Project
from threadlint.project.races.guards import default_binding
from threadlint.project.races.sharing import Location, last_of
from threadlint.project.roots.ownership import Token
from threadlint.rules.rule import rule

_Write = tuple[Func, Step, Access, Location, frozenset[str]]


@rule("TL213", since="0.1", severity=Severity.ERROR, oracle=Oracle.LOST_UPDATE)
def wrong_lock(project: Project) -> Iterator[Problem]:
    """Shared state is updated under a lock that the other threads do not use for it.

    ## Why is this bad?

    A lock only keeps out threads that acquire the same one. When each object has a lock of its own, that lock protects nothing which all objects share, such as a
    class attribute or a global; and two methods that update one attribute under two different locks do not wait for each other.

    ## Example

    ```python
    import threading


    class Connection:
        opened = 0

        def __init__(self) -> None:
            self._lock = threading.Lock()

        def open(self) -> None:
            with self._lock:
                Connection.opened += 1  # expect: TL213


    threads = [threading.Thread(target=Connection().open) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(Connection.opened)
    ```

    ## Use instead

    Put the lock where the state is.

    ```python
    import threading


    class Connection:
        opened = 0
        _opened_lock = threading.Lock()

        def open(self) -> None:
            with Connection._opened_lock:
                Connection.opened += 1


    threads = [threading.Thread(target=Connection().open) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(Connection.opened)
    ```

    ## Known limits

    - A class of which the program makes a single object, at the top level of a module, is left alone: its lock is one for all.
    - Under two locks only updates count (`x += 1`), and all writes must hold a known lock; what a thread root is seen to race with is reported as that race.
    """
    writes = _writes(project)
    for found in writes.values():
        yield from _by_instance(project, found)
    raced = {race.first.location.key for race in project.sharing.races()}
    for key, found in writes.items():
        if key not in raced:
            yield from _two_locks(project, found)


def _writes(project: Project) -> dict[str, list[_Write]]:
    """All writes of what is written under a lock somewhere, by location, with the keys of the locks held; those of objects that are not shared yet are left out."""
    always = (project.links.funcs[func_id] for func_id, keys in project.entry.always.items() if keys)
    locked = {
        key
        for func in (*project.having(Held), *always)
        for key, (_, step, *_, held) in _written(project, func)
        if held or step.held
    }
    names = {last_of(key) for key in locked}
    found: dict[str, list[_Write]] = defaultdict(list)
    for func in project.functions if locked else ():
        for key, write in _written(project, func, names):
            if key in locked:
                found[key].append(write)
    return found


def _written(project: Project, func: Func, names: Container[str] | None = None) -> Iterator[tuple[str, _Write]]:
    """What the function writes, by location; with `names` only what can have one of these last names."""
    if func.id in project.entry.owned:
        return
    above = project.entry.always.get(func.id, frozenset())
    binding: dict[str, Token] | None = None
    for step in project.steps(func):
        node = step.node
        if type(node) is not Access or node.kind is Kind.READ or node.form in _NO_STORE:
            continue
        if not node.ref.path and node.ref.root is Root.VAR:
            continue
        if names is not None and not project.sharing.may_be(node, func, names):
            continue
        binding = default_binding(func, project.types) if binding is None else binding
        location = project.sharing.location(node.ref, func, binding)
        if location is not None:
            yield location.key, (func, step, node, location, guard_keys(step.held) | above)


def _by_instance(project: Project, writes: list[_Write]) -> Iterator[Problem]:
    """State of all objects under the lock of one."""
    for func, step, node, location, held in writes:
        if (
            location.owner.kind != "global"
            or node.kind != Kind.UPDATE
            or ANY_LOCK in held
            or location.key.endswith("[]")
        ):
            continue
        locks = [one for one in step.held if one.lock.excludes]
        if not locks or len(held) > len(locks) or not all(_of_instance(project, func, one) for one in locks):
            continue
        cls = project.types.owner(func)
        if cls is None or _single(project, cls):
            continue
        name = locks[0].lock.text
        scope = "all objects of the class" if "." in location.text else "all threads"
        site = project.site(func, node.span)
        yield Problem(
            site,
            f"`{location.text}` is shared by {scope}, but each object has a `{name}` of its own; two objects update it at once",
            (Related(project.site(func, locks[0].span), f"`{name}` is acquired here"),),
            partners=(site,),
        )
        return


def _of_instance(project: Project, func: Func, held: Held) -> bool:
    value = held.value
    cls = project.types.owner(func)
    return (
        held.lock.known
        and isinstance(value, Ref)
        and value.root == Root.VAR
        and len(value.path) == 1
        and cls is not None
        and value.name == project.types.self_name(func)
        and any(
            held.lock.key.startswith(f"{base.id}.__init__#") for base in project.types.mro(cls) if isinstance(base, Cls)
        )
    )


def _single(project: Project, cls: Cls) -> bool:
    """Whether the class or its subclasses are instantiated just once, outside any function; a class that is nowhere instantiated is not."""
    family = {cls.id, *(sub.id for sub in project.types.subclasses(cls))}
    made = [
        (func, call)
        for func in project.functions
        for call in project.links.calls[func.id].values()
        if any(isinstance(thing, ClassThing) and thing.cls.id in family for thing in project.callees(func, call))
    ]
    return len(made) == 1 and made[0][0].is_module and made[0][1].id not in project.links.looped[made[0][0].id]


def _two_locks(project: Project, writes: list[_Write]) -> Iterator[Problem]:
    """Updates under locks that do not meet."""
    if len(writes) < 2 or any(not held or ANY_LOCK in held for *_, held in writes):
        return
    if any(one.lock.each or not one.lock.known for _, step, *_ in writes for one in step.held):
        return
    for mine in writes:
        if mine[2].kind != Kind.UPDATE:
            continue
        for other in writes:
            if (
                _callers_hold(project, mine, other)
                or not mine[1].held
                or not other[1].held
                or not project.overlap.of(mine[0], other[0])
            ):
                continue
            ours = sum(bool(one[4] & mine[4]) for one in writes)
            first, second = (
                (mine, other) if ours <= len(writes) - ours or other[2].kind != Kind.UPDATE else (other, mine)
            )
            yield _between(project, first, second)
            return


def _callers_hold(project: Project, mine: _Write, other: _Write) -> bool:
    """Whether the two have a lock in common, counting what some caller is seen to hold."""
    ever = project.entry.ever
    ours, theirs = (one[4] | ever.get(one[0].id, frozenset()) for one in (mine, other))
    return bool(ours & other[4] or mine[4] & theirs)


def _between(project: Project, first: _Write, second: _Write) -> Problem:
    func, step, node, location, _ = first
    name, other = step.held[-1].lock.text, second[1].held[-1].lock.text
    site, elsewhere = project.site(func, node.span), project.site(second[0], second[2].span)
    return Problem(
        site,
        f"`{location.text}` is updated here under `{name}` and elsewhere under `{other}`; the two do not keep each other out",
        (Related(elsewhere, f"`{second[0].name}` writes it under `{other}` here"),),
        confidence=Confidence.MEDIUM,
        partners=(elsewhere,),
    )


_NO_STORE = frozenset({"annotation", "def", "class", "import", "for", "with", "except", "param"})
