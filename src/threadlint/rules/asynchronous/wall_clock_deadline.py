"""TL712."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Call, Compare, Derived, Kind, Logic, Loop, Ref, Root, Value, walk
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.knowledge.clocks import WALL_CLOCKS
from threadlint.project.bodies.lifetimes import named, values
from threadlint.project.locks.locks import text
from threadlint.project.names.things import External, Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_WAITS = frozenset({"sleep", "wait", "acquire", "get", "put", "join", "select", "poll"})


@rule("TL712", since="0.1", severity=Severity.INFO, default=False, everywhere=True)
def wall_clock_deadline(project: Project) -> Iterator[Problem]:
    """A wait is measured with `time.time()`, a clock that can be set while the program waits.

    ## Why is this bad?

    `time.time()` jumps when the clock is set: by NTP after a machine wakes up, by hand, by a hypervisor. A loop that waits until `time.time()` reaches a deadline then ends at once, or an hour
    late. `time.monotonic()` only goes forward, at the same speed.

    ## Example

    ```python
    import time


    def wait_for(ready, timeout: float) -> bool:
        end = time.time() + timeout  # expect: TL712
        while time.time() < end:
            if ready():
                return True
            time.sleep(0.01)
        return False


    wait_for(lambda: True, 1.0)
    ```

    ## Use instead

    ```python
    import time


    def wait_for(ready, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if ready():
                return True
            time.sleep(0.01)
        return False


    wait_for(lambda: True, 1.0)
    ```

    ## Fix

    Safe, where the function asks the clock for nothing else: `time.time()` becomes `time.monotonic()`.

    ## Known limits

    - Off by default: the clock is set rarely, and most programs can live with it.
    - Reported only where the deadline is a variable of the function that waits, and only used there for comparisons and differences; a moment that is stored or sent elsewhere has to be wall time.
    """
    for func in project.callers_of(WALL_CLOCKS):
        for access in walk(func.facts.body):
            if isinstance(access, Access) and _is_deadline(project, func, access):
                waiting = _waiting(project, func, access.ref)
                if waiting is not None:
                    site = project.site(func, access.span)
                    yield Problem(
                        site,
                        f"`{text(access.ref)}` is a deadline by `time.time()`, which jumps when the clock is set; the loop that waits for it then ends at once or too late",
                        (Related(project.site(func, waiting.span), "the loop is here"),),
                        fix=Fix(Change.MONOTONIC, (site,), safe=True),
                    )


def _is_deadline(project: Project, func: Func, access: Access) -> bool:
    local = access.ref.root == Root.VAR and access.ref.owner == func.facts.qualname and not access.ref.path
    return (
        local
        and access.kind == Kind.WRITE
        and not access.form
        and isinstance(access.value, Derived)
        and access.value.op == "Add"
        and any(_reads(project, func, part) for part in access.value.parts)
        and access.ref.name not in func.facts.captured
    )


def _reads(project: Project, func: Func, value: Value) -> bool:
    if not isinstance(value, Ref) or value.root != Root.RESULT or value.path:
        return False
    call = project.links.calls[func.id].get(int(value.name))
    return call is not None and any(
        isinstance(thing, External) and thing.name in WALL_CLOCKS for thing in project.types.of(call.callee, func)
    )


def _waiting(project: Project, func: Func, deadline: Ref) -> Loop | None:
    """The loop that compares the clock with the deadline and waits in between; None where the deadline goes anywhere else."""
    found: Loop | None = None
    for node in walk(func.facts.body):
        for value in values(node):
            if not all(_only_compared(one, deadline) for one in _parts(value)):
                return None
        if isinstance(node, Loop) and node.kind == "while" and _waits(node) and _looks(project, func, node, deadline):
            found = found or node
    return found


def _parts(value: Value) -> Iterator[Value]:
    if isinstance(value, Logic):
        for item in value.items:
            yield from _parts(item)
    else:
        yield value


def _only_compared(value: Value, deadline: Ref) -> bool:
    if isinstance(value, Compare) or (isinstance(value, Derived) and value.op == "Subtract"):
        return True
    if isinstance(value, Derived):
        return all(_only_compared(part, deadline) for part in value.parts)
    return value != deadline


def _waits(loop: Loop) -> bool:
    return any(
        isinstance(node, Call)
        and isinstance(node.callee, Ref)
        and (node.callee.path or (node.callee.name.rpartition(".")[2],))[-1] in _WAITS
        for node in walk(loop.body)
    )


def _looks(project: Project, func: Func, loop: Loop, deadline: Ref) -> bool:
    """Whether the loop compares the deadline with the clock, in its head or body."""
    nodes = (loop, *walk(loop.body))
    clock = any(isinstance(node, Call) and _reads(project, func, node.result) for node in nodes)
    return clock and any(deadline in named(node) for node in nodes)
