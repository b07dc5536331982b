"""TL804."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Call, Const, If, Kind, Logic, Node, Ref, Root, Span, Value, With, walk
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.project.names.things import Func
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_LONG = 1.0
"""Seconds; CPython's own switch interval is 0.005."""


@rule(
    "TL804",
    since="0.1",
    severity=Severity.INFO,
    confidence=Confidence.MEDIUM,
    default=False,
    free_threaded=True,
)
def gil_conditional_lock(project: Project) -> Iterator[Problem]:
    """Whether a lock is taken depends on whether there is a GIL, or the GIL is made to stay with one thread.

    ## Why is this bad?

    The GIL is no lock for a program: it is given up between any two statements, and whenever a call waits. What has to be locked on a free-threaded build is several
    steps on every build, and the version without the lock has the same mistake, only more rarely. A switch interval of hours does not help either: every blocking call, and every
    lock, lets other threads run.

    ## Example

    ```python
    import contextlib
    import sys
    import threading

    if sys._is_gil_enabled():  # expect: TL804
        lock = contextlib.nullcontext()
    else:
        lock = threading.Lock()
    total = 0


    def add(n: int) -> None:
        global total
        with lock:
            total += n
    ```

    ## Use instead

    ```python
    import threading

    lock = threading.Lock()
    total = 0


    def add(n: int) -> None:
        global total
        with lock:
            total += n
    ```

    ## Known limits

    - On only where the code is for free-threaded builds: `--free-threaded`, or `free-threaded = true` in the configuration.
    - Taking a lock that nobody else wants costs some 50 ns; where that matters and the critical section is one atomic step, the choice may be right: say so in a comment.
    - Comments such as "atomic thanks to the GIL" are not read.
    """
    for func in project.functions:
        for node in walk(func.facts.body):
            if isinstance(node, If) and _asks_for_gil(project, func, node.test):
                locks = [found for branch in (node.body, node.orelse) for found in _locking(project, func, branch)]
                if locks:
                    yield _problem(project, func, node.span, locks[0])
            elif isinstance(node, Access) and isinstance(node.value, Logic) and node.value.op == "if":
                chosen = node.value.items
                if _asks_for_gil(project, func, chosen[2]) and any(_is_lock(project, func, one) for one in chosen[:2]):
                    yield _problem(project, func, node.span, None)
            elif isinstance(node, Call) and _switches_never(project, func, node):
                yield Problem(
                    project.site(func, node.span),
                    "a long switch interval keeps no other thread out: every blocking call lets them run, and free-threaded builds ignore it",
                )


def _asks_for_gil(project: Project, func: Func, test: Value) -> bool:
    for ref in refs(test):
        if ref.root == Root.RESULT and not ref.path and _asking(project, func, ref):
            return True
        if not ref.path and ref.root in (Root.GLOBAL, Root.VAR):
            key = func.module.name if ref.root == Root.GLOBAL else f"{func.module.name}:{ref.owner}"
            bound = project.links.bindings.get((key, ref.name), ())
            if any(_asking(project, where, one) for where, access in bound for one in refs(access.value)):
                return True
    return False


def _asking(project: Project, func: Func, ref: Ref) -> bool:
    call = project.links.calls[func.id].get(int(ref.name)) if ref.root == Root.RESULT and not ref.path else None
    if call is None:
        return False
    if isinstance(call.callee, Ref) and call.callee.root == Root.RESULT and not call.callee.path:
        made = project.links.calls[func.id].get(int(call.callee.name))  # `getattr(sys, "_is_gil_enabled", ...)()`
        return made is not None and Const("_is_gil_enabled") in made.args
    names = {name for thing in project.types.of(call.callee, func) if (name := getattr(thing, "name", ""))}
    if "sys._is_gil_enabled" in names:
        return True
    if names & {"builtins.bool", "builtins.int"}:
        return any(_asking(project, func, ref) for value in call.args for ref in refs(value))
    return "sysconfig.get_config_var" in names and Const("Py_GIL_DISABLED") in call.args


def _locking(project: Project, func: Func, branch: tuple[Node, ...]) -> Iterator[Span]:
    """Where the branch takes or makes a lock."""
    for node in walk(branch):
        if isinstance(node, With):
            if any(project.locks.of(item.value, func) is not None for item in node.items):
                yield node.span
        elif isinstance(node, Call):
            callee = node.callee
            if isinstance(callee, Ref) and callee.path[-1:] == ("acquire",) and project.locks.of(callee.receiver, func):
                yield node.span
        elif isinstance(node, Access) and node.kind == Kind.WRITE and _is_lock(project, func, node.value):
            yield node.span


def _is_lock(project: Project, func: Func, value: Value | None) -> bool:
    return value is not None and project.locks.of(value, func) is not None


def _switches_never(project: Project, func: Func, call: Call) -> bool:
    given = call.args[0] if call.args else None
    return (
        isinstance(given, Const)
        and isinstance(given.value, (int, float))
        and given.value >= _LONG
        and any(getattr(thing, "name", "") == "sys.setswitchinterval" for thing in project.types.of(call.callee, func))
    )


def _problem(project: Project, func: Func, span: Span, lock: Span | None) -> Problem:
    return Problem(
        project.site(func, span),
        "the lock is used only without a GIL, though with one the guarded steps can be interrupted between any two of them as well",
        (Related(project.site(func, lock), "the lock is here"),) if lock is not None and lock != span else (),
    )
