"""TL605."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threadlint.changes import Change
from threadlint.facts.model import Access, Const, Kind, Ref, Root
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.primitives import MANAGER
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.things import Func, Object
from threadlint.project.project import Project
from threadlint.project.roots.contexts import MAIN
from threadlint.project.roots.processes import guarded
from threadlint.rules.rule import rule

_NUMBERS = frozenset({"multiprocessing.Value", "multiprocessing.RawValue", f"{MANAGER}.Value"})
_ELEMENTS = frozenset(
    {
        "multiprocessing.Array",
        "multiprocessing.RawArray",
        "multiprocessing.shared_memory.ShareableList",
        f"{MANAGER}.Array",
        f"{MANAGER}.list",
        f"{MANAGER}.dict",
    }
)
_SPACES = frozenset({f"{MANAGER}.Namespace"})
_WITH_LOCK = frozenset({"multiprocessing.Value", "multiprocessing.Array"})


@rule("TL605", since="0.1", severity=Severity.ERROR, oracle=Oracle.PROCESS_RACE)
def shared_value_rmw(project: Project) -> Iterator[Problem]:
    """A value shared between processes is updated in two steps, a read and a write, and no lock is held for both.

    ## Why is this bad?

    `counter.value += 1` reads the number and then writes it. Each of the two takes the value's own lock, but nothing holds it in between: another process can write there, and
    its update is lost. Elements of an `Array`, of a manager's `dict` or `list`, and attributes of a `Namespace` are the same.

    ## Example

    ```python
    import multiprocessing


    def count(counter, times: int) -> None:
        for _ in range(times):
            counter.value += 1  # expect: TL605


    if __name__ == "__main__":
        counter = multiprocessing.Value("i", 0)
        workers = [multiprocessing.Process(target=count, args=(counter, 20_000)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(counter.value)
    ```

    ## Use instead

    ```python
    import multiprocessing


    def count(counter, times: int) -> None:
        for _ in range(times):
            with counter.get_lock():
                counter.value += 1


    if __name__ == "__main__":
        counter = multiprocessing.Value("i", 0)
        workers = [multiprocessing.Process(target=count, args=(counter, 20_000)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(counter.value)
    ```

    `RawValue`, shared memory and what a manager makes have no `get_lock()`: give the processes a `multiprocessing.Lock` (or the manager's) as well.

    ## Fix

    Safe, where the value has a lock of its own: the statement goes into `with value.get_lock():`.

    ## Known limits

    - An update that only one process makes is not reported, as far as the program shows who makes it.
    - Elements of arrays and lists are reported where the index is written as a number; with any other, each process may well have elements of its own.
    - What `map()` gives to a function is not followed; what `submit()`, `apply_async()`, `Process` and `initargs` give is.
    - A lock whose kind is not known is taken to be one between processes.
    """
    for func in project.having(Kind.UPDATE):
        for step in project.steps(func):
            if isinstance(step.node, Access) and step.node.kind == Kind.UPDATE and step.node.ref.path:
                found = _shared(project, func, step.node.ref)
                if found is not None and not guarded(step):
                    yield from _check(project, func, step, step.node, found)


@dataclass(frozen=True, slots=True)
class _Shared:
    thing: Object
    kind: str


def _shared(project: Project, func: Func, ref: Ref) -> _Shared | None:
    """The shared object whose number, element or attribute the name is."""
    last = ref.path[-1]
    element = last.startswith("[")
    if element and not last[1:-1].lstrip("-").isdigit() and last[1:2] not in "\"'":
        wanted = frozenset({f"{MANAGER}.dict"}) if _computed(project, func, last[1:-1]) else frozenset()
    else:
        wanted = _ELEMENTS if element else _NUMBERS if last == "value" else _SPACES
    if not wanted:
        return None
    things = project.types.of(ref.receiver, func)
    shared = [thing for thing in things if isinstance(thing, Object) and thing.type in wanted]
    # an element of a container that holds several things is not known to be the shared one
    return _Shared(shared[0], str(shared[0].type)) if shared and len(shared) == len(things) else None


def _computed(project: Project, func: Func, key: str) -> bool:
    """Whether the key is a name that the function gets from elsewhere than its caller: others may come upon the same."""
    bound = project.links.bindings.get((func.id, key), ())
    return bool(bound) and not any(param.name == key for param in func.facts.params)


def _check(project: Project, func: Func, step: Step, node: Access, found: _Shared) -> Iterator[Problem]:
    reached = project.forks.reached.get(func.id)
    related: tuple[Related, ...] = ()
    confidence = None
    if reached is not None:
        if not reached.bare or not (reached.several or _updated_elsewhere(project, func, node)):
            return
        related = (Related(project.site(reached.first.func, reached.first.call.span), reached.first.story),)
    else:
        bits = 0
        for _, one in project.meetings.contexts(func):
            bits |= one
        spawn = next(project.contexts.roots(bits & ~MAIN), None)
        if spawn is not None and spawn.many:
            related = (Related(project.site(spawn.func, spawn.span), spawn.story),)
        elif func.is_module or project.forks.processes or _called(project, func):
            return  # the parent alone
        else:
            confidence = Confidence.MEDIUM
    made = found.thing
    if made.call is not None and made.frame is not None:
        related = (
            Related(project.site(made.frame, made.call.span), f"`{text(node.ref.receiver)}` is made here"),
            *related,
        )
    name = text(node.ref)
    threads = " (the lock held here is one between threads)" if any(one.lock.excludes for one in step.held) else ""
    cure = f"`{text(node.ref.receiver)}.get_lock()`" if _has_lock(found) else "a lock that all processes share"
    site = project.site(func, node.span)
    read = (project.site(func, node.read),) if node.read else ()
    holds = Fix(Change.HOLD, (*read, site), safe=True, text=f"{text(node.ref.receiver)}.get_lock()")
    yield Problem(
        site,
        f"`{name}` is read and then written; what another process writes in between is lost without {cure} held for both{threads}",
        related,
        confidence=confidence,
        partners=(site,),
        fix=holds if _has_lock(found) else None,
    )


def _has_lock(found: _Shared) -> bool:
    given = found.thing.call.keyword("lock") if found.thing.call is not None else None
    return found.kind in _WITH_LOCK and not (isinstance(given, Const) and given.value is False)


def _updated_elsewhere(project: Project, func: Func, node: Access) -> bool:
    """Whether other functions write the same kind of place of the same object."""
    mine = {
        (thing.frame, thing.call) for thing in project.types.of(node.ref.receiver, func) if isinstance(thing, Object)
    }
    for other in project.functions:
        if other is func or other.is_module:
            continue
        for step in project.steps(other):
            one = step.node
            if (
                isinstance(one, Access)
                and one.kind in (Kind.WRITE, Kind.UPDATE)
                and one.ref.path[-1:] == node.ref.path[-1:]
                and one.ref.root != Root.RESULT
                and any(
                    isinstance(thing, Object) and (thing.frame, thing.call) in mine
                    for thing in project.types.of(one.ref.receiver, other)
                )
            ):
                return True
    return False


def _called(project: Project, func: Func) -> bool:
    return any(True for _ in project.named_calls.of(func))
