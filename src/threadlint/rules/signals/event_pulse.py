"""TL505."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Call, Const, Kind, Node, Ref, Suspend, Value
from threadlint.findings import Confidence, Oracle, Problem, Related, Severity
from threadlint.knowledge.quiet import QUIET
from threadlint.project.locks.locks import Step, text
from threadlint.project.project import Project
from threadlint.project.roots.ownership import varies
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.signals.predicates import State, meet, told
from threadlint.project.signals.signals import SignalCall
from threadlint.rules.rule import rule

_ANSWERED = frozenset({"wait", "get", "result", "join", "acquire"})
_WAITING = frozenset({"sleep", "acquire", "put", "get"})


@rule("TL505", since="0.1", severity=Severity.WARNING, confidence=Confidence.HIGH, oracle=Oracle.EVENT)
def event_pulse(project: Project) -> Iterator[Problem]:
    """An event is cleared before everybody has seen that it was set.

    ## Why is this bad?

    An event is a switch, not a shout: `wait()` looks whether it is on. `set()` directly followed by `clear()` wakes the threads that wait at this very moment; one that comes to
    `wait()` a microsecond later finds it off, and waits for the next time, or for ever.

    The same happens on the other side: a worker that does its work first and calls `clear()` after it also wipes out a `set()` that came during the work.

    For "go on, all of you": leave the event set, or use a `Condition` with a counter of rounds that each waiter compares. For "there is work": `clear()` first, then look for work,
    or use a queue.

    ## Example

    ```python
    import threading

    ready = threading.Event()


    def worker(number: int) -> None:
        ready.wait()
        print(f"worker {number} starts")


    threads = [threading.Thread(target=worker, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    ready.set()  # expect: TL505
    ready.clear()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    ```python
    import threading

    ready = threading.Event()


    def worker(number: int) -> None:
        ready.wait()
        print(f"worker {number} starts")


    threads = [threading.Thread(target=worker, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    ready.set()
    for thread in threads:
        thread.join()
    ```

    ## Known limits

    - Waits with a timeout, in the usual loop, miss a pulse without harm; where all waits for the event have one, nothing is reported.
    - On an event loop a pulse wakes every task that waits, and a task that has just looked cannot be interrupted before it waits: pulses of `asyncio.Event` are left alone.
    - Anything that may take a while between `set()` and `clear()` (a sleep, a call that is not known) is taken to give the others time.
    """
    for call in project.signals.calls("event", "set"):
        if call.type.world != "tasks":
            yield from _pulse(project, call)
    for call in project.signals.calls("event", "clear"):
        wait = _wait_before(project, call)
        if wait is not None:
            yield from _late_clear(project, call, wait)
            yield from _cleared_by_all(project, call, wait)


def _pulse(project: Project, call: SignalCall) -> Iterator[Problem]:
    """`ready.set()` and at once `ready.clear()`."""
    cleared = _cleared_at_once(project, call)
    waits = list(project.signals.on(call.origins, "event", "wait"))
    if cleared is None or (waits and all(_limited(wait) for wait in waits)):
        return
    name = text(call.receiver)
    related = [Related(project.site(call.func, cleared.span), "cleared here")]
    waiter = next((wait for wait in waits if not _limited(wait)), None)
    if waiter is not None:
        related.append(Related(project.site(waiter.func, waiter.call.span), "waited for here, without a limit"))
    yield Problem(
        project.site(call.func, call.call.span),
        f"`{name}` is set and cleared at once: a thread that comes to `{name}.wait()` just after this has missed it",
        tuple(related),
        confidence=Confidence.HIGH if waiter is not None else Confidence.MEDIUM,
        provable=call.type.world == "threads",
        partners=tuple(project.site(wait.func, wait.call.span) for wait in waits),
    )


def _cleared_at_once(project: Project, call: SignalCall) -> Call | None:
    """The `clear()` that follows in the same block, with nothing between that takes time."""
    for step in project.steps(call.func)[call.number + 1 :]:
        node = step.node
        if isinstance(node, Call) and node.callee == _method(call.receiver, "clear"):
            return node if step.context == call.step.context else None
        if not _passing(node):
            return None
    return None


def _method(receiver: Ref, name: str) -> Ref:
    return Ref(receiver.root, receiver.name, (*receiver.path, name), receiver.owner)


def _passing(node: Node) -> bool:
    """Whether the step is over at once."""
    if isinstance(node, Access):
        return True
    if not isinstance(node, Call) or not isinstance(node.callee, Ref):
        return False
    last = (node.callee.name, *node.callee.path)[-1].rpartition(".")[2]
    return last in QUIET and last not in _WAITING


def _limited(wait: SignalCall) -> bool:
    timeout = wait.call.argument(0, "timeout")
    return (timeout is not None and not _is_none(timeout)) or wait.call.use not in ("discarded", "awaited-discarded")


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None


def _wait_before(project: Project, call: SignalCall) -> SignalCall | None:
    """The wait without a limit that comes before the `clear()` in the same block of a loop."""
    return next(
        (
            wait
            for wait in project.signals.on(call.origins, "event", "wait")
            if wait.func is call.func
            and wait.number < call.number
            and wait.step.loops
            and wait.step.loops[-1:] == call.step.loops[-1:]
            and wait.step.context == call.step.context
            and not _limited(wait)
        ),
        None,
    )


def _late_clear(project: Project, call: SignalCall, wait: SignalCall) -> Iterator[Problem]:
    """`ready.wait(); work(); ready.clear()`: what was set during the work is lost."""
    steps = project.steps(call.func)
    between = steps[wait.number + 1 : call.number]
    if call.type.world == "tasks" and not any(isinstance(step.node, Suspend) for step in between[1:]):
        return
    looked = _looked_at(project, call, between)
    for setter in project.signals.on(call.origins, "event", "set"):
        if setter.func is call.func or _waits_for_answer(project, setter):
            continue
        changed = {
            project.signals.predicates.state(use.ref, setter.func)
            for use in project.uses.acts(setter.func)
            if use.act.writes and use.step < setter.number
        } - {()}
        shown = next((state for state in sorted(changed) if meet(looked, frozenset([state]))), None)
        if shown is not None:
            name = text(call.receiver)
            yield Problem(
                project.site(call.func, call.call.span),
                f"`{name}` is cleared after the work: a `set()` that comes during the work is wiped out, and its `{told(shown)}` is not looked at",
                (
                    Related(project.site(wait.func, wait.call.span), "waited for here"),
                    Related(project.site(setter.func, setter.call.span), "set here"),
                ),
                confidence=Confidence.MEDIUM,
                provable=False,
            )
            return


def _cleared_by_all(project: Project, call: SignalCall, wait: SignalCall) -> Iterator[Problem]:
    """`ready.wait(); ready.clear()` in several threads: each of them takes the signal from the others."""
    steps = project.steps(call.func)[wait.number + 1 : call.number]
    if call.type.world == "tasks" or not all(_passing(step.node) for step in steps):
        return
    if any(origin[0] == call.func.id for origin in call.origins) or not call.origins:
        return
    spawn = next((one for one in project.spawns if one.target.func is call.func and _on_one_object(project, one)), None)
    if spawn is None or any(at in project.links.looped[func] for func, at in call.origins):
        return
    name = text(call.receiver)
    yield Problem(
        project.site(call.func, call.call.span),
        f"several threads wait for `{name}` and clear it: one `set()` wakes all that wait just then, and another is wiped out before anybody sees it",
        (
            Related(project.site(wait.func, wait.call.span), "waited for here"),
            Related(project.site(spawn.func, spawn.span), spawn.story),
        ),
        confidence=Confidence.MEDIUM,
        provable=False,
    )


def _on_one_object(project: Project, spawn: Spawn) -> bool:
    """Whether a loop starts several threads with the same object: not a thread class, nor the method of each of several."""
    receiver = spawn.target.receiver
    return (
        bool(spawn.loops)
        and spawn.many
        and not spawn.distinct
        and spawn.kind != "class"
        and (receiver is None or not varies(receiver, spawn.func, spawn.loops, project.types))
    )


def _waits_for_answer(project: Project, setter: SignalCall) -> bool:
    """Whether the one who sets goes on only after an answer: then it does not set again during the work."""
    for step in project.steps(setter.func)[setter.number + 1 :]:
        node = step.node
        if isinstance(node, Suspend) and node.kind == "await":
            return True
        if (
            isinstance(node, Call)
            and isinstance(node.callee, Ref)
            and node.callee.path[-1:]
            and node.callee.path[-1] in _ANSWERED
        ):
            return True
    return False


def _looked_at(project: Project, call: SignalCall, steps: list[Step]) -> frozenset[State]:
    """The state that these steps look at, also inside what they call."""
    found: set[State] = set()
    for step in steps:
        node = step.node
        if isinstance(node, Access) and node.kind != Kind.WRITE:
            found.add(project.signals.predicates.state(node.ref, call.func))
        elif isinstance(node, Call) and isinstance(node.callee, Ref):
            if node.callee.path:
                found.add(project.signals.predicates.state(node.callee.receiver, call.func))
            for thing, _ in project.calls(call.func, step):
                inner = getattr(thing, "func", None)
                if inner is not None:
                    found |= {project.signals.predicates.state(use.ref, inner) for use in project.uses.of(inner)}
    return frozenset(found - {()})
