"""TL609."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Const, If, Jump, Match, Node, Ref, Root, Try, Value, walk
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.primitives import CONTEXT
from threadlint.knowledge.stdlib import EXECUTORS, POOLS
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Cls, External, Func, FunctionThing, Object
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.roots.processes import PROCESS
from threadlint.rules.rule import rule

_DEEP = 4
_AT_ONCE = frozenset({"multiprocessing.Manager", *(name for name, world in POOLS.items() if world == "processes")})
_GUARDS = ("__name__", "current_process", "parent_process", "main_process", "is_main")
_EXITS = frozenset({"exit", "_exit", "abort"})


@rule("TL609", since="0.1", severity=Severity.WARNING, oracle=Oracle.SPAWN_IMPORT)
def missing_main_guard(project: Project) -> Iterator[Problem]:
    """A process is started when the module is imported, and the process imports the module again.

    ## Why is this bad?

    Where processes are not forked (`spawn` on macOS and Windows, `forkserver` on Linux from Python 3.14 on), a new process first imports the program's main module. If that
    starts processes by itself, each child would start more; Python stops it with `RuntimeError: An attempt has been made to start a new process before the current process has
    finished its bootstrapping phase`.

    ## Example

    ```python
    import math
    import multiprocessing

    pool = multiprocessing.Pool(2)  # expect: TL609
    print(pool.map(math.sqrt, [1, 4, 9]))
    ```

    ## Use instead

    ```python
    import math
    import multiprocessing

    if __name__ == "__main__":
        with multiprocessing.Pool(2) as pool:
            print(pool.map(math.sqrt, [1, 4, 9]))
    ```

    ## Fix

    Unsafe, since others may import what is made there: the statement and all that follow go below `if __name__ == "__main__":`, unless they define functions or classes.

    ## Known limits

    - Reported once for each module, at the first process that it starts.
    - A function that the module calls counts if it starts a process in every call, not under a condition.
    - A program that asks for `fork` is left alone, and so is `__main__.py`, which children do not import.
    - A `ProcessPoolExecutor` starts its processes when it gets its first job: making one at import time is harmless.
    """
    for module in project.links.modules.values():
        body = project.links.funcs[f"{module.name}:"]
        if module.path.endswith("__main__.py") or in_tests(body) or _asks_for_fork(project, body):
            continue
        if _leaves(body.facts.body):
            continue
        found = next(_starts(project, body), None)
        if found is not None:
            yield found


def _starts(project: Project, body: Func) -> Iterator[Problem]:
    for step in project.steps(body):
        if not isinstance(step.node, Call) or _guarded(project, body, step):
            continue
        what = _started(project, body, step.node)
        chain: tuple[tuple[Func, Call, str], ...] = ()
        if not what:
            chain = _through(project, body, step, _DEEP)
            what = chain[-1][2] if chain else ""
        if what:
            related = tuple(
                Related(project.site(where, call.span), f"{what} here" if found else "through this call")
                for where, call, found in chain
            )
            site = project.site(body, step.node.span)
            yield Problem(
                site,
                f"{what} when this module is imported; where processes are not forked (macOS, Windows, and Linux from Python 3.14 on),"
                " the child imports it again and fails",
                related,
                fix=Fix(Change.MAIN_GUARD, (site,)),
            )


def _started(project: Project, func: Func, call: Call) -> str:
    """What the call itself starts, for messages."""
    things = project.types.of(call.callee, func)
    if not things or _forks(project, func, call):
        return ""
    for thing in things:
        name = thing.name if isinstance(thing, External) else ""
        if name in _AT_ONCE:
            return f"`{name.rpartition('.')[2]}()` starts processes"
        owner, _, method = name.rpartition(".")
        if EXECUTORS.get(owner) == "processes" and method in ("submit", "map"):
            return f"`{method}()` starts a process"
    if isinstance(call.callee, Ref) and call.callee.path[-1:] == ("start",):
        receiver = call.callee.receiver
        found = [thing for thing in project.types.of(receiver, func) if isinstance(thing, Object)]
        if found and all(_is_process(project, thing) for thing in found):
            return f"`{text(receiver)}.start()` starts a process"
    return ""


def _is_process(project: Project, thing: Object) -> bool:
    return project.types.derives(thing.type, (PROCESS,)) if isinstance(thing.type, Cls) else thing.type == PROCESS


def _through(project: Project, func: Func, step: Step, depth: int) -> tuple[tuple[Func, Call, str], ...]:
    """The calls from the step to one that starts a process, each with its function; what is started with the last."""
    for thing, _ in project.calls(func, step) if depth else ():
        if not isinstance(thing, FunctionThing) or thing.func.facts.is_async or thing.func.facts.is_generator:
            continue
        for inner in project.steps(thing.func):
            if not isinstance(inner.node, Call):
                continue
            if any(
                isinstance(node, (If, Match)) or (isinstance(node, Try) and part != "body")
                for node, part in inner.context
            ):
                continue
            what = _started(project, thing.func, inner.node)
            if what:
                return ((thing.func, inner.node, what),)
            further = _through(project, thing.func, inner, depth - 1)
            if further:
                return ((thing.func, inner.node, ""), *further)
    return ()


def _guarded(project: Project, func: Func, step: Step) -> bool:
    """Whether a test around the step asks which process, or which module, runs it; or an error is expected."""
    for node, part in step.context:
        if isinstance(node, If) and _asks(project, func, node.test):
            return True
        if isinstance(node, Try) and part.startswith("handler"):
            return True
    return False


def _asks(project: Project, func: Func, test: Value) -> bool:
    for ref in refs(test):
        call = project.links.calls[func.id].get(int(ref.name)) if ref.root == Root.RESULT else None
        named = call.callee if call is not None else ref
        if isinstance(named, Ref) and any(word in ".".join((named.name, *named.path)).lower() for word in _GUARDS):
            return True
    return False


def _leaves(nodes: tuple[Node, ...]) -> bool:
    """`if __name__ != "__main__": raise ImportError`: nothing after it runs in a child."""
    for node in nodes:
        if isinstance(node, If) and any(ref.name == "__name__" for ref in refs(node.test)):
            for inner in walk(node.body):
                if isinstance(inner, Jump) and inner.kind == "raise":
                    return True
                if (
                    isinstance(inner, Call)
                    and isinstance(inner.callee, Ref)
                    and inner.callee.path[-1:]
                    and inner.callee.path[-1] in _EXITS
                ):
                    return True
    return False


def _forks(project: Project, func: Func, call: Call) -> bool:
    """Whether the call, the pool or the process belongs to a context that forks."""
    values = [call.keyword("mp_context"), call.keyword("context")]
    callee = call.callee
    if isinstance(callee, Ref) and callee.path:
        values.append(callee.receiver)
        for thing in project.types.of(callee.receiver, func):
            if isinstance(thing, Object) and thing.call is not None and thing.frame is not None:
                values.append(thing.call.keyword("mp_context"))
                made = thing.call.callee
                if (
                    thing.type == PROCESS
                    and isinstance(made, Ref)
                    and made.path
                    and _is_fork(project, made.receiver, thing.frame)
                ):
                    return True
    return any(_is_fork(project, value, func) for value in values)


def _is_fork(project: Project, value: Value | None, func: Func) -> bool:
    for thing in project.types.of(value, func):
        if isinstance(thing, Object) and thing.type == CONTEXT and thing.call is not None:
            return thing.call.argument(0, "method") == Const("fork")
    return False


def _asks_for_fork(project: Project, body: Func) -> bool:
    """`multiprocessing.set_start_method("fork")` in the module."""
    return any(
        isinstance(call.callee, Ref)
        and (call.callee.path or (call.callee.name.rpartition(".")[2],))[-1] == "set_start_method"
        and call.argument(0, "method") == Const("fork")
        for call in project.links.calls[body.id].values()
    )
