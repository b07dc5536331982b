"""TL506."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import (
    Access,
    Call,
    Compare,
    Const,
    Jump,
    Kind,
    Logic,
    Loop,
    Ref,
    Root,
    Suspend,
    Value,
)
from threadlint.findings import Confidence, Oracle, Problem, Related, Severity
from threadlint.project.bodies.uses import Use
from threadlint.project.locks.locks import text
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func, FunctionThing, Object
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.signals.predicates import State
from threadlint.rules.rule import rule

_SLEEPS = frozenset({"time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep"})
_ASKING: dict[str, tuple[tuple[str, ...], str]] = {
    "is_set": (("Event",), "wait()"),
    "isSet": (("Event",), "wait()"),
    "is_alive": (("Thread", "Timer", "Process"), "join()"),
    "isAlive": (("Thread", "Timer", "Process"), "join()"),
    "done": (("Future", "Task"), "result()"),
    "empty": (("Queue", "SimpleQueue", "LifoQueue", "PriorityQueue", "JoinableQueue"), "get()"),
    "full": (("Queue", "LifoQueue", "PriorityQueue", "JoinableQueue"), "put()"),
    "locked": (("Lock",), "acquire()"),
    "ready": (("AsyncResult", "MapResult"), "wait()"),
}
"""Methods that only look, the classes that they belong to, and the method that waits instead."""

_COUNTS = frozenset({"threading.active_count", "threading.activeCount", "multiprocessing.active_children"})


@rule("TL506", since="0.1", severity=Severity.WARNING, confidence=Confidence.HIGH, oracle=Oracle.BUSY_WAIT)
def busy_wait(project: Project) -> Iterator[Problem]:
    """A loop does nothing but look again and again whether another thread is ready.

    ## Why is this bad?

    The loop keeps a processor busy, and on a build with a GIL it takes turns away from the very thread that it waits for. In a coroutine it is a deadlock: no
    other task runs while it turns. It also relies on a bare variable as a signal between threads.

    An `Event`, a `Condition`, a `Queue`, `Thread.join()` and `Future.result()` wait without turning, and return at once when it is time.

    ## Example

    ```python
    import threading
    import time


    class Loader:
        def __init__(self) -> None:
            self.done = False

        def load(self) -> None:
            time.sleep(0.1)  # reads a large file
            self.total = 42
            self.done = True

        def wait(self) -> None:
            while not self.done:  # expect: TL506
                pass


    loader = Loader()
    threading.Thread(target=loader.load).start()
    loader.wait()
    ```

    ## Use instead

    ```python
    import threading
    import time


    class Loader:
        def __init__(self) -> None:
            self.done = threading.Event()

        def load(self) -> None:
            time.sleep(0.1)  # reads a large file
            self.total = 42
            self.done.set()

        def wait(self) -> None:
            self.done.wait()


    loader = Loader()
    threading.Thread(target=loader.load).start()
    loader.wait()
    ```

    ## Known limits

    - What is looked at must be a variable that another function of the project writes, or a method that is known only to look (`is_alive()`, `is_set()`, `done()`, `empty()`).
    - Tests are left alone.
    - A loop that sleeps between two looks is slow to notice rather than busy. It is reported, as a remark, only where the configuration or the command line names this rule or its family.
    """
    asked = project.config.asks_for("TL506")
    for func in (one for one in project.having(Loop) if not in_tests(one)):
        for step in project.steps(func):
            node = step.node
            if isinstance(node, Loop) and node.kind == "while" and not isinstance(node.value, Const):
                pause = _pause(project, node, func)
                if pause is not None and (pause == 0 or asked):
                    yield from _look(project, node, func, pause)


def _pause(project: Project, loop: Loop, func: Func) -> float | None:
    """How long the loop sleeps between two looks: 0 for not at all, -1 where that is not known; None where it does something else."""
    tested = set(refs(loop.value))
    found: float = 0
    for node in loop.body:
        if isinstance(node, Access) and node.kind == Kind.READ:
            continue
        if isinstance(node, Jump) and node.kind == "continue":
            continue
        if isinstance(node, Call) and node.result in tested:
            continue
        if isinstance(node, Call) and _is_sleep(project, node, func):
            found = _seconds(node)
        elif not (isinstance(node, Suspend) and node.kind == "await" and _slept(project, node.value, func)):
            return None
    return found if not loop.orelse else None


def _is_sleep(project: Project, call: Call, func: Func) -> bool:
    return any(isinstance(thing, External) and thing.name in _SLEEPS for thing in project.types.of(call.callee, func))


def _slept(project: Project, value: Value | None, func: Func) -> bool:
    if not isinstance(value, Ref) or value.root != Root.RESULT:
        return False
    call = project.links.calls[func.id].get(int(value.name))
    return call is not None and _is_sleep(project, call, func)


def _seconds(call: Call) -> float:
    value = call.args[0] if call.args else None
    return float(value.value) if isinstance(value, Const) and isinstance(value.value, (int, float)) else -1


def _look(project: Project, loop: Loop, func: Func, pause: float) -> Iterator[Problem]:
    """Report the loop if all that it looks at is another thread's."""
    found = [one for part in _parts(loop.value) if (one := _signal(project, part, func)) is not None]
    if len(found) != sum(1 for part in _parts(loop.value) if not isinstance(part, Const)):
        return
    name, instead, write = found[0]
    related = [Related(project.site(write.func, write.span), "changed here")] if write is not None else []
    start = loop.span
    turns = f"looks at {name} every {pause:g} s" if pause > 0 else f"only looks at {name}"
    what = f"the loop {turns}" if pause >= 0 else f"the loop sleeps until {name} has changed"
    harm = "it keeps a processor busy until another thread changes that" if pause == 0 else "it notices late"
    if pause == 0 and func.facts.is_async and not any(isinstance(node, Suspend) for node in loop.body):
        harm = "no other task of the event loop runs meanwhile"
    yield Problem(
        project.site(func, (start[0], start[1], start[0], start[1] + 5)),
        f"{what}; {harm} ({instead} waits without looking)",
        tuple(related),
        severity=None if pause == 0 else Severity.INFO,
        confidence=None if pause == 0 else Confidence.LOW,
        provable=pause == 0,
    )


def _parts(test: Value) -> Iterator[Value]:
    """What the test is made of, without `not`, `and`, `or` and comparisons."""
    if isinstance(test, Logic) and test.op in ("not", "and", "or"):
        for item in test.items:
            yield from _parts(item)
    elif isinstance(test, Compare):
        yield from (side for side in (test.left, test.right))
    else:
        yield test


def _signal(project: Project, part: Value, func: Func) -> tuple[str, str, Use | None] | None:
    """What the part looks at, as messages name it, and what waits instead; None where it may be something else than another thread's sign."""
    if not isinstance(part, Ref):
        return None
    if part.root == Root.RESULT:
        call = project.links.calls[func.id].get(int(part.name)) if not part.path else None
        return _asked(project, call, func) if call is not None and isinstance(call.callee, Ref) else None
    return _changed(project, part, func)


def _asked(project: Project, call: Call, func: Func) -> tuple[str, str, Use | None] | None:
    callee = call.callee
    assert isinstance(callee, Ref)
    if callee == Ref(Root.BUILTIN, "len") and len(call.args) == 1 and isinstance(call.args[0], Ref):
        return _changed(project, call.args[0], func)
    things = project.types.of(callee, func)
    if any(isinstance(thing, External) and thing.name in _COUNTS for thing in things):
        return f"`{text(callee)}()`", "`join()`", None
    if not callee.path or callee.path[-1] not in _ASKING or call.args or call.keywords:
        return None
    classes, instead = _ASKING[callee.path[-1]]
    owners = project.types.of(callee.receiver, func)
    known = [thing for thing in owners if isinstance(thing, Object)]
    if not known or len(known) != len(owners):
        return None
    names = {thing.type.rpartition(".")[2] if isinstance(thing.type, str) else _base(project, thing) for thing in known}
    return (f"`{text(callee)}()`", f"`{instead}`", None) if names <= set(classes) else None


def _base(project: Project, thing: Object) -> str:
    """The class outside the project that the object's class derives from."""
    if isinstance(thing.type, str):
        return thing.type
    return next((base.rpartition(".")[2] for base in project.types.mro(thing.type) if isinstance(base, str)), "")


def _changed(project: Project, ref: Ref, func: Func) -> tuple[str, str, Use | None] | None:
    """A variable or container that another function changes."""
    state = project.signals.predicates.state(ref, func)
    if not state or any(isinstance(thing, FunctionThing) for thing in project.types.of(ref, func)):
        return None
    for use in _writes(project, state, func):
        return f"`{text(ref)}`", "an `Event` or a `Condition`", use
    return None


def _writes(project: Project, state: State, func: Func) -> Iterator[Use]:
    """Where other functions of the file, which are no constructors, change the state."""
    for other in project.links.functions_of(func.module):
        if other is func or other.id in project.entry.owned:
            continue
        if (
            state[0] == "self"
            and other.facts.cls != func.facts.cls
            and not other.facts.owner.startswith(func.facts.cls)
        ):
            continue
        for use in project.uses.acts(other):
            if use.act.writes and project.signals.predicates.state(use.ref, other) == state:
                yield use
