"""TL203."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Call, Kind, Ref, Root, With
from threadlint.findings import Problem, Related, Severity
from threadlint.knowledge.stdlib import LOCK_MAKERS
from threadlint.project.locks.lock_calls import METHODS, new_lock, node_refs
from threadlint.project.locks.locks import text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL203", since="0.1", severity=Severity.ERROR)
def lock_created_at_use(project: Project) -> Iterator[Problem]:
    """A lock is created where it is acquired, so every call has a lock of its own.

    ## Why is this bad?

    A lock keeps two threads apart only when both acquire the same object. One that is made inside the function that acquires it is new in every call: each
    thread gets its own at once, and nothing is protected.

    ## Example

    ```python
    import threading

    total = 0


    def add(amount: int) -> None:
        global total
        lock = threading.Lock()
        with lock:  # expect: TL203
            total += amount


    threads = [threading.Thread(target=add, args=(1,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    ```

    ## Use instead

    ```python
    import threading

    total = 0
    total_lock = threading.Lock()


    def add(amount: int) -> None:
        global total
        with total_lock:
            total += amount


    threads = [threading.Thread(target=add, args=(1,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    ```

    ## Known limits

    - A local lock that an inner function uses, or that is returned, stored or passed on, is shared by whoever gets it, and is not reported.
    - Locks of other libraries, which may stand for a lock elsewhere by its name, are not known here.
    """
    for func in project.having(With):
        if func.is_module:
            continue
        for step in project.steps(func):
            if isinstance(step.node, With):
                for item in step.node.items:
                    call = new_lock(project.locks, item.value, func)
                    if call is not None and not _borrows(project, func, call):
                        name = text(call.callee)
                        yield Problem(
                            project.site(func, item.span),
                            f"`{name}()` creates a lock that only this `with` ever sees; it keeps no other thread out",
                        )
    yield from _local(project)


def _local(project: Project) -> Iterator[Problem]:
    """Names that hold a new lock, and are only ever acquired."""
    making = {func.id for func in project.callers_of(LOCK_MAKERS)}
    for (owner, name), bound in list(project.links.bindings.items()):
        func = project.links.funcs.get(owner)
        if (
            owner not in making
            or func is None
            or name in func.facts.captured
            or any(param.name == name for param in func.facts.params)
        ):
            continue
        calls = [new_lock(project.locks, access.value, func) for _, access in bound]
        first = calls[0]
        if first is None or any(call is None or _borrows(project, func, call) for call in calls):
            continue
        used = _only_acquired(project, func, name)
        lock = project.locks.of(Ref(Root.VAR, name, (), func.facts.qualname), func)
        if used is not None and lock is not None and lock.key in project.let_go:
            created = Related(project.site(func, first.span), "it is created here, anew for each call")
            yield Problem(
                project.site(func, used),
                f"`{name}` is a lock that this call made for itself; no other thread ever waits for it",
                (created,),
            )


def _only_acquired(project: Project, func: Func, name: str) -> tuple[int, int, int, int] | None:
    """The first place that acquires the local lock, if it is used for nothing else."""
    found = None
    for step in project.steps(func):
        node = step.node
        if (
            isinstance(node, Access)
            and node.ref == Ref(Root.VAR, name, (), func.facts.qualname)
            and node.kind == Kind.WRITE
        ):
            continue
        for ref in node_refs(node):
            if (ref.root, ref.name, ref.owner) != (Root.VAR, name, func.facts.qualname):
                continue
            if isinstance(node, With) and not ref.path:
                item = next((item for item in node.items if item.value == ref), None)
                if item is None or item.target is not None:
                    return None
                found = found or item.span
            elif isinstance(node, Call) and ref is node.callee and len(ref.path) == 1 and ref.path[0] in METHODS:
                found = found or (node.span if ref.path[0] == "acquire" else None)
            else:
                return None
    return found


def _borrows(project: Project, func: Func, call: Call) -> bool:
    """`Condition(lock)` shares the lock that it is given."""
    lock = project.locks.of(call.result, func)
    return lock is not None and lock.kind.kind == "condition" and call.argument(0, "lock") is not None
