"""TL211."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Ref, Suspend, Value
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.project.locks.lock_calls import node_refs
from threadlint.project.locks.locks import Held
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_PLAIN_DECORATORS = frozenset(
    {"staticmethod", "classmethod", "property", "override", "overload", "final", "abstractmethod", "wraps"}
)


@rule("TL211", since="0.1", severity=Severity.ERROR)
def yield_under_lock(project: Project) -> Iterator[Problem]:
    """A generator holds a lock while it waits for its consumer to ask for the next item.

    ## Why is this bad?

    At `yield` the generator stops, and the `with` around it stays open. Until the consumer asks again, or the generator is thrown away, the lock is held: for
    as long as the consumer takes for an item, and for ever when it keeps a generator that it does not finish. A consumer that calls something which needs
    the same lock waits for itself.

    ## Example

    ```python
    import threading


    class Table:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._rows = [1, 2, 3]

        def rows(self):
            with self._lock:
                for row in self._rows:
                    yield row  # expect: TL211

        def add(self, row: int) -> None:
            with self._lock:
                self._rows.append(row)


    table = Table()
    first = next(table.rows())
    ```

    ## Use instead

    Copy under the lock, and give the items out without it.

    ```python
    import threading


    class Table:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._rows = [1, 2, 3]

        def rows(self):
            with self._lock:
                rows = list(self._rows)
            yield from rows

        def add(self, row: int) -> None:
            with self._lock:
                self._rows.append(row)


    table = Table()
    first = next(table.rows())
    ```

    ## Fix

    Unsafe, since later changes are not seen then: what a loop at the end of the block goes through is copied with the lock held, and yielded afterwards.

    ## Known limits

    - Context managers made with `@contextmanager`, fixtures, and generators under any other decorator that is not known are left alone: there the `yield` is the
      body of a `with`.
    - `await` under a lock of threads is the subject of another rule; locks of `asyncio` are not reported.
    - With an `RLock` the consumer's own thread can go on; all others wait, so that is a warning.
    """
    for func in project.functions:
        if (
            not func.facts.is_generator
            or not all(_plain(one) for one in func.facts.decorators)
            or _wrapped(project, func)
        ):
            continue
        seen: set[str] = set()
        for step in project.steps(func):
            node = step.node
            if not isinstance(node, Suspend) or node.kind == "await":
                continue
            for held in step.held:
                lock = held.lock
                if lock.known and lock.excludes and lock.kind.world != "tasks" and lock.key not in seen:
                    seen.add(lock.key)
                    yield _problem(project, func, node, held)


def _problem(project: Project, func: Func, node: Suspend, held: Held) -> Problem:
    name = held.lock.text
    if func.facts.name == "__await__":
        message = (
            f"the task stops here with `{name}` held; the event loop blocks when anything else on it needs the lock"
        )
    else:
        message = f"the generator stops at `{node.kind}` with `{name}` held, for as long as its consumer likes"
    site = project.site(func, node.span)
    return Problem(
        site,
        message,
        (Related(project.site(held.func, held.span), f"`{name}` is acquired here"),),
        severity=Severity.WARNING if held.lock.reentrant and func.facts.name != "__await__" else None,
        fix=Fix(Change.YIELD_OUTSIDE, (site,)),
    )


def _plain(decorator: Value) -> bool:
    return isinstance(decorator, Ref) and (decorator.name, *decorator.path)[-1].rpartition(".")[2] in _PLAIN_DECORATORS


def _wrapped(project: Project, func: Func) -> bool:
    """`manager = contextmanager(generator)`: the function is handed to another, unless it is only called."""
    around = project.types.scope(func)
    calls = {call.callee for call in project.links.calls[around.id].values()}
    return any(
        ref.name == func.facts.name and not ref.path and ref not in calls
        for call in project.links.calls[around.id].values()
        for ref in node_refs(call)
    )
