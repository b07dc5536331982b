"""TL212."""

from __future__ import annotations

import re
from collections.abc import Iterator

from threadlint.facts.model import Access, Call, If, Kind, Ref, Root, With
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.knowledge.stdlib import LOCK_MAKERS
from threadlint.project.locks.entry_locks import OWNED_METHODS
from threadlint.project.locks.lock_calls import new_lock
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.things import Func
from threadlint.project.names.values import mentions
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_SETS_UP = re.compile(
    r"^(_?set_?up|_*init|_*create_?lock|_*reinit|_*post_?init|_*at_?fork|_*after_?fork)", re.IGNORECASE
)


@rule("TL212", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def rebound_lock(project: Project) -> Iterator[Problem]:
    """A lock is replaced by a new one while threads may use the old one.

    ## Why is this bad?

    A thread that holds the old lock and a thread that acquires the new one are both inside at once. And whoever waits for the old lock goes on waiting for an
    object that nobody else knows any more.

    ## Example

    ```python
    import threading


    class Basket:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.total = 0

        def reset(self) -> None:
            self._lock = threading.Lock()  # expect: TL212
            self.total = 0

        def add(self, amount: int) -> None:
            with self._lock:
                self.total += amount


    basket = Basket()
    threads = [threading.Thread(target=basket.add, args=(1,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    basket.reset()
    ```

    ## Use instead

    Keep the lock as long as the object, and acquire it to reset what it guards.

    ```python
    import threading


    class Basket:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.total = 0

        def reset(self) -> None:
            with self._lock:
                self.total = 0

        def add(self, amount: int) -> None:
            with self._lock:
                self.total += amount


    basket = Basket()
    threads = [threading.Thread(target=basket.add, args=(1,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    basket.reset()
    ```

    ## Known limits

    - Set-up methods, and handlers that run after a fork, replace locks on purpose and are told by their names, or by `os.register_at_fork`.
    - A lock that is created when it is first asked for is another mistake, and not reported here.
    - Locks of `asyncio` are replaced when another event loop takes over, and are not reported.
    - Only attributes of `self` and globals of the module are looked at.
    """
    for func in project.callers_of(LOCK_MAKERS):
        name = func.facts.name
        if func.is_module or name in OWNED_METHODS or func.id in project.entry.owned or _SETS_UP.match(name):
            continue
        for step in project.steps(func):
            node = step.node
            if (
                isinstance(node, Access)
                and node.kind == Kind.WRITE
                and not node.form
                and new_lock(project.locks, node.value, func)
            ):
                lock = project.locks.of(node.value, func)
                if lock is None or lock.kind.world == "tasks":
                    continue
                first = _first(project, func, node.ref)
                used = _used(project, func, node.ref) if first is not None else None
                if (
                    first is not None
                    and used is not None
                    and not _asked(step, node.ref)
                    and not _of_fork(project, func)
                ):
                    yield _problem(project, func, node, first, used)


def _first(project: Project, func: Func, ref: Ref) -> tuple[Func, Access] | None:
    """Where the same attribute or global gets its lock when the object or module is made."""
    links = project.links
    if ref.root == Root.VAR and len(ref.path) == 1 and ref.name == project.types.self_name(func):
        for where in links.functions_of(func.module):
            for step in project.steps(where) if where is not func else ():
                node = step.node
                if (
                    isinstance(node, Access)
                    and node.kind != Kind.READ
                    and node.ref.path[-1:] == ref.path
                    and _makes(where, node, func)
                    and project.locks.of(node.value, where)
                ):
                    return where, node
    elif ref.root == Root.GLOBAL and not ref.path:
        for where, access in links.bindings.get((func.module.name, ref.name), ()):
            if where.is_module and project.locks.of(access.value, where):
                return where, access
    return None


def _makes(where: Func, access: Access, func: Func) -> bool:
    if where.facts.cls == func.facts.cls:
        return where.facts.name in ("__init__", "__new__", "__post_init__") and len(access.ref.path) == 1
    return not where.facts.cls and (access.ref.name, *access.ref.path[:-1])[-1] == func.facts.cls.rpartition(".")[2]


def _used(project: Project, func: Func, ref: Ref) -> tuple[Func, tuple[int, int, int, int]] | None:
    """Another function that acquires the lock by this name."""
    for other in project.links.functions_of(func.module):
        if other is func or other.facts.cls != func.facts.cls:
            continue
        for step in project.steps(other):
            node = step.node
            named = [item.value for item in node.items] if isinstance(node, With) else []
            if isinstance(node, Call) and isinstance(node.callee, Ref) and node.callee.path[-1:] == ("acquire",):
                named = [node.callee.receiver]
            for value in named:
                if (
                    isinstance(value, Ref)
                    and value.path == ref.path
                    and value.root == ref.root
                    and (ref.path or value.name == ref.name)
                ):
                    return other, node.span
    return None


def _asked(step: Step, ref: Ref) -> bool:
    """`if self._lock is None: self._lock = Lock()`."""
    return any(isinstance(node, If) and mentions(node.test, lambda one: one == ref) for node, _ in step.context)


def _of_fork(project: Project, func: Func) -> bool:
    """Whether the function asks whether the process has been forked."""
    return any(
        isinstance(call.callee, Ref)
        and (call.callee.name, *call.callee.path)[-1].rpartition(".")[2] in ("getpid", "fork")
        for call in project.links.calls[func.id].values()
    )


def _problem(
    project: Project, func: Func, node: Access, first: tuple[Func, Access], used: tuple[Func, tuple[int, int, int, int]]
) -> Problem:
    name = text(node.ref)
    return Problem(
        project.site(func, node.span),
        f"`{name}` becomes a new lock here; threads may hold the old one and the new one at once",
        (
            Related(project.site(first[0], first[1].span), "the first lock is made here"),
            Related(project.site(*used), f"`{used[0].name}` acquires it here"),
        ),
    )
