"""TL201."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from threadlint.changes import Change
from threadlint.facts.model import (
    Assert,
    Call,
    Compare,
    Const,
    If,
    Logic,
    Node,
    Ref,
    Root,
    Span,
    Suspend,
    Try,
    Value,
    walk,
)
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.quiet import QUIET
from threadlint.project.bodies.paths import Outcome, Paths, catches_all, suppresses_all
from threadlint.project.locks.lock_calls import LockCall, called, lock_calls
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_FREE, _ASKED, _HELD = "free", "asked", "held"
_ENTERS = frozenset({"__enter__", "__aenter__"})


@rule("TL201", since="0.1", severity=Severity.ERROR, oracle=Oracle.LOCK_LEAK)
def unreleased_lock(project: Project) -> Iterator[Problem]:
    """A lock is acquired, and some way out of the function does not release it.

    ## Why is this bad?

    When the code between `acquire()` and `release()` raises, or returns early, the lock stays held for ever, and every later `acquire()` blocks. The
    error itself is often caught and logged far away, so all that is seen is a program that hangs an hour later. The same goes for a `finally` that
    releases a lock which was not acquired yet: its `RuntimeError` hides the first error.

    ## Example

    ```python
    import threading

    lock = threading.Lock()
    rows = []


    def add(line: str) -> None:
        lock.acquire()  # expect: TL201
        rows.append(int(line))
        lock.release()


    threads = [threading.Thread(target=add, args=(line,)) for line in ("1", "two", "3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    ```python
    import threading

    lock = threading.Lock()
    rows = []


    def add(line: str) -> None:
        with lock:
            rows.append(int(line))


    threads = [threading.Thread(target=add, args=(line,)) for line in ("1", "2", "3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Fix

    Safe: the stretch between `acquire()` and `release()` goes into a `with` block. It must be one straight stretch: both in one block, or the release in the
    `finally` of a `try` there; a `release()` on the way goes where a `return`, `raise`, `break` or `continue` follows.

    ## Known limits

    - Calls, `await`, `raise` and `assert` count as able to raise; asking, storing in a container, logging and their like do not, nor does arithmetic.
    - A lock that one method acquires and another one releases is left alone, except in `__enter__`: when that raises, `__exit__` is not called.
    - A release under a condition is taken to match the condition of the acquire.
    """
    for func in project.functions:
        by_lock: dict[tuple[str, Ref], list[LockCall]] = defaultdict(list)
        for one in lock_calls(project.locks, func):
            if one.lock.kind.kind != "semaphore" and not one.lock.each:
                by_lock[one.lock.key, one.receiver].append(one)
        for calls in by_lock.values():
            if any(one.method == "acquire" for one in calls):
                yield from _check(_Look(project, func, calls))


@dataclass(slots=True)
class _Look:
    """One lock in one function."""

    project: Project
    func: Func
    calls: list[LockCall]

    @property
    def acquires(self) -> list[LockCall]:
        """The places that acquire it."""
        return [one for one in self.calls if one.method == "acquire"]

    @property
    def releases(self) -> list[LockCall]:
        """The places that release it."""
        return [one for one in self.calls if one.method == "release"]

    def run(self, nodes: tuple[Node, ...]) -> Outcome:
        """In which states the nodes are left, when they are entered without the lock."""
        methods = {one.call.id: one for one in self.calls}

        def step(node: Node, state: str) -> str:
            if isinstance(node, Call) and node.id in methods:
                one = methods[node.id]
                if one.method == "release":
                    return _FREE
                if one.method == "acquire" and state != _HELD:
                    return _HELD if one.waits and one.lock.kind.world != "tasks" else _ASKED
            return _HELD if state == _ASKED and isinstance(node, Suspend) and self._awaited(node) else state

        def branch(node: If, state: str, *, body: bool) -> str | None:
            test, wanted = _bare(node.test, body=body)
            one = called(test, self.func, self.project.locks)
            if one is not None and one.call.id in methods:
                if state == _ASKED and one.method == "acquire":
                    return _HELD if wanted else _FREE
                if state == _HELD and one.method == "locked" and not wanted:
                    return None
            return state

        things = self.project.types.of
        return Paths(
            step,
            self._raises,
            catches_all,
            lambda node: suppresses_all(node, lambda value: things(value, self.func)),
            branch,
        ).run(nodes, _FREE)

    def _awaited(self, node: Suspend) -> bool:
        return node.value is None or any(node.value == one.call.result for one in self.acquires)

    def _raises(self, node: Node) -> bool:
        if isinstance(node, Call):
            return all(one.call.id != node.id for one in self.calls) and not _quiet(node)
        return isinstance(node, (Suspend, Assert))


def _check(look: _Look) -> Iterator[Problem]:
    first = min(look.calls, key=lambda one: one.call.span)
    enters = look.func.facts.name in _ENTERS
    if first.method == "release" or not (look.releases or enters):
        return
    passed_on = first.lock.key in look.project.handed_over
    if (enters and not look.releases and not passed_on) or _same_condition(look):
        return
    found = _left_held(look, look.run(look.func.facts.body), raising_only=passed_on or enters)
    if found is None:
        yield from _released_unheld(look)
        return
    how, span = found
    acquire = _before(look.acquires, span)
    name = acquire.lock.text
    place = look.project.site(look.func, span)
    related = [Related(place, "the function is left here with the lock held")]
    related += [
        Related(look.project.site(look.func, one.call.span), f"`{name}` is released here") for one in look.releases[:1]
    ]
    message = f"`{name}` is not released {how}; every later acquire blocks"
    if enters:
        message = f"`{name}` is not released {how}, because `__exit__` is not called then; every later acquire blocks"
    site = look.project.site(look.func, acquire.call.span)
    yield Problem(site, message, tuple(related), partners=(place,), fix=Fix(Change.WITH_LOCK, (site,), safe=True))


def _left_held(look: _Look, outcome: Outcome, *, raising_only: bool) -> tuple[str, Span] | None:
    raised = sorted(span for state, span in outcome.get("raise") if state == _HELD)
    if raised:
        return f"when line {raised[0][0]} raises", raised[0]
    if raising_only or _conditional(look):
        return None
    left = sorted(span for state, span in outcome.get("return") if state == _HELD)
    if left:
        return f"by the return at line {left[0][0]}", left[0]
    passed = sorted(span for state, span in outcome.get("fall") if state == _HELD and span[0])
    return (f"on the way through line {passed[0][0]}", passed[0]) if passed else None


def _conditional(look: _Look) -> bool:
    """Whether every release stands under a condition that no acquire stands under: the two conditions may well be one."""
    tests = _tests(look)
    around = set.intersection(*({id(node) for node in own} for own in tests["acquire"]))
    return all({id(node) for node in own} - around for own in tests["release"])


def _same_condition(look: _Look) -> bool:
    """`if safe: lock.acquire()` and later `if safe: lock.release()`."""
    tests = _tests(look)
    asked = [node for own in tests["acquire"] for node in own]
    return any(one is not node and one.test == node.test for own in tests["release"] for node in own for one in asked)


def _tests(look: _Look) -> dict[str, list[list[If]]]:
    """By method: the conditions that each of its calls stands under."""
    numbers = {one.call.id: one.method for one in look.calls}
    found: dict[str, list[list[If]]] = {"acquire": [], "release": [], "locked": []}
    for step in look.project.steps(look.func):
        if isinstance(step.node, Call) and step.node.id in numbers:
            found[numbers[step.node.id]].append([node for node, _ in step.context if isinstance(node, If)])
    return found


def _released_unheld(look: _Look) -> Iterator[Problem]:
    """`try: ...; lock.acquire() ... finally: lock.release()`, where something can raise before the lock is held."""
    numbers = {one.call.id: one for one in look.calls}
    for node in walk(look.func.facts.body):
        if not isinstance(node, Try) or not any(_is(inner, numbers, "release") for inner in node.final):
            continue
        inside = [
            numbers[inner.id] for inner in node.body if isinstance(inner, Call) and _is(inner, numbers, "acquire")
        ]
        if not inside or inside[0].call is not look.acquires[0].call:
            continue
        outcome = look.run((Try(node.span, node.body, node.handlers, node.orelse),))
        ways = [
            (way, span)
            for way in ("raise", "return", "break", "continue")
            for state, span in outcome.get(way)
            if state != _HELD
        ]
        if not ways:
            continue
        _, span = min(ways, key=lambda way: way[1])
        name = inside[0].lock.text
        release = next(one.call.span for one in look.releases if any(inner is one.call for inner in node.final))
        cancelled = span[0] == inside[0].call.span[0]
        when = "the task is cancelled while it waits for it" if cancelled else f"line {span[0]} leaves the block"
        site = look.project.site(look.func, inside[0].call.span)
        yield Problem(
            site,
            f"`{name}` is acquired inside the `try`; when {when}, the `finally` releases a lock that it does not hold",
            (
                Related(look.project.site(look.func, span), "the block is left here without the lock"),
                Related(look.project.site(look.func, release), f"`{name}` is released here all the same"),
            ),
            confidence=Confidence.MEDIUM,
            severity=Severity.WARNING,
            fix=Fix(Change.WITH_LOCK, (site,), safe=True),
        )


def _is(node: Node, numbers: dict[int, LockCall], method: str) -> bool:
    return isinstance(node, Call) and node.id in numbers and numbers[node.id].method == method


def _before(acquires: list[LockCall], span: Span) -> LockCall:
    earlier = [one for one in acquires if one.call.span <= span]
    return max(earlier, key=lambda one: one.call.span) if earlier else acquires[0]


def _bare(test: Value, *, body: bool) -> tuple[Value, bool]:
    """The test without its `not`s, and whether it is true in the branch."""
    while True:
        if isinstance(test, Logic) and test.op == "not":
            test, body = test.items[0], not body
        elif isinstance(test, Compare) and isinstance(test.right, Const) and test.op in ("is", "=="):
            body = body == bool(test.right.value)
            test = test.left
        else:
            return test, body


def _quiet(call: Call) -> bool:
    callee = call.callee
    if not isinstance(callee, Ref) or (callee.root == Root.SUPER):
        return False
    return (callee.path[-1] if callee.path else callee.name.rpartition(".")[2]) in QUIET
