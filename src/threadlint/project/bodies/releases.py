"""Ways out of a function on which what it acquired is not released, and releases of what it did not acquire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import (
    Access,
    Assert,
    Call,
    Const,
    If,
    Kind,
    Logic,
    Loop,
    Node,
    Ref,
    Root,
    Span,
    Suspend,
    Try,
    Value,
    walk,
)
from threadlint.knowledge.quiet import QUIET
from threadlint.project.bodies.paths import Outcome, Paths, catches_all, suppresses_all
from threadlint.project.locks.lock_calls import LockCall, answers, conjuncts, lock_calls, node_refs
from threadlint.project.locks.locks import Locks, Step
from threadlint.project.names.things import Func

HANDED_ON = "handed on"
"""The method of a call that stands for a release elsewhere."""
_DEEP = 2

FREE, ASKED, HELD = "free", "asked", "held"
"""The states: `asked` is an acquire that may have failed, or that is not awaited yet."""


@dataclass(frozen=True, slots=True)
class Unheld:
    """A `finally` that also runs before the acquire in its `try` has worked: the way into it, and the release there."""

    acquire: LockCall
    leaves: Span
    release: Span

    @property
    def cancelled(self) -> bool:
        """Whether that way is a cancellation during the acquire itself."""
        return self.leaves[0] == self.acquire.call.span[0]


@dataclass(slots=True)
class Look:
    """One lock, or one semaphore, in one function."""

    locks: Locks
    steps: Callable[[Func], list[Step]]
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

    @property
    def handed_on(self) -> bool:
        """Whether some call takes care of the release."""
        return any(one.method == HANDED_ON for one in self.calls)

    @property
    def first(self) -> LockCall:
        """The first call on it."""
        return min(self.calls, key=lambda one: one.call.span)

    @property
    def several(self) -> bool:
        """Whether it is acquired and released in different loops, so that numbers matter."""
        return len({tuple(map(id, step.loops)) for step in self._places().values()}) > 1

    def _places(self) -> dict[int, Step]:
        numbers = {one.call.id for one in self.calls}
        return {
            step.node.id: step
            for step in self.steps(self.func)
            if isinstance(step.node, Call) and step.node.id in numbers
        }

    def run(self, nodes: tuple[Node, ...], reached: dict[int, set[str]] | None = None) -> Outcome:
        """In which states the nodes are left, when they are entered without the lock.

        `reached` is filled with the states in which each call on the lock is reached.
        """
        methods = {one.call.id: one for one in self.calls}

        def step(node: Node, state: str) -> str:
            if isinstance(node, Call) and node.id in methods:
                one = methods[node.id]
                if reached is not None:
                    reached[node.id].add(state)
                if one.method in ("release", HANDED_ON):
                    return FREE
                if one.method == "acquire" and state != HELD:
                    return HELD if one.waits and one.lock.kind.world != "tasks" else ASKED
            return HELD if state == ASKED and isinstance(node, Suspend) and self._awaited(node) else state

        def branch(node: If, state: str, *, body: bool) -> str | None:
            for test, wanted in conjuncts(node.test, truth=body):
                for one in answers(test, self.func, self.locks):
                    if one.call.id not in methods:
                        continue
                    if state == ASKED and one.method == "acquire":
                        return HELD if wanted else FREE
                    if state == HELD and not wanted and (one.method == "locked" or _is_kept(test)):
                        return None
            # `if fast and lock.acquire(False)`: in the other branch it was not obtained, or not asked for
            last = node.test.items[-1] if isinstance(node.test, Logic) and node.test.op == "and" else None
            asked = answers(last, self.func, self.locks) if state == ASKED and not body else []
            return FREE if any(one.method == "acquire" for one in asked) else state

        things = self.locks.types.of
        return Paths(
            step,
            self._raises,
            catches_all,
            lambda node: suppresses_all(node, lambda value: things(value, self.func)),
            branch,
        ).run(nodes, FREE)

    def _awaited(self, node: Suspend) -> bool:
        return node.value is None or any(node.value == one.call.result for one in self.acquires)

    def _raises(self, node: Node) -> bool:
        if isinstance(node, Call):
            return not (_quiet(node) or self._waits_for_a_lock(node)) and all(
                one.call.id != node.id and not _told(node, one.receiver) for one in self.calls
            )
        return isinstance(node, (Suspend, Assert))

    def _waits_for_a_lock(self, call: Call) -> bool:
        """`lock.__enter__()` and `condition.wait()` raise no more than `acquire()`."""
        callee = call.callee
        if not isinstance(callee, Ref) or callee.path[-1:] not in (("__enter__",), ("wait",)):
            return False
        lock = self.locks.of(callee.receiver, self.func)
        return lock is not None and lock.known and lock.kind.world == "threads"

    def taken_twice(self) -> bool:
        """Whether it is acquired, with waiting, by who has it already: it is no mutex then, but a sign that others give."""
        reached: dict[int, set[str]] = defaultdict(set)
        self.run(self.func.facts.body, reached)
        return any(one.waits and reached[one.call.id] & {HELD, ASKED} for one in self.acquires)

    def left_held(self, *, raising_only: bool = False) -> tuple[str, Span] | None:
        """How and where the function is left with the lock held, as messages tell it; with `raising_only`, only by an error."""
        outcome = self.run(self.func.facts.body)
        raised = sorted(span for state, span in outcome.get("raise") if state == HELD)
        if raised:
            return f"when line {raised[0][0]} raises", raised[0]
        if raising_only or self._conditional():
            return None
        left = sorted(span for state, span in outcome.get("return") if state == HELD)
        if left:
            return f"by the return at line {left[0][0]}", left[0]
        passed = sorted(span for state, span in outcome.get("fall") if state == HELD and span[0])
        return (f"on the way through line {passed[0][0]}", passed[0]) if passed else None

    def _conditional(self) -> bool:
        """Whether every release stands under a condition that no acquire stands under: the two conditions may well be one."""
        tests = self._tests()
        around = set.intersection(*({id(node) for node in own} for own in tests["acquire"]))
        return all({id(node) for node in own} - around for own in tests["release"])

    def same_condition(self) -> bool:
        """`if safe: lock.acquire()`, or `safe and lock.acquire()`, and later `if safe: lock.release()`."""
        tests = self._tests()
        if all(tests["release"]) and any(self._is_operand(one.call) for one in self.acquires):
            return True
        asked = [node for own in tests["acquire"] for node in own]
        return any(
            one is not node and one.test == node.test for own in tests["release"] for node in own for one in asked
        )

    def _is_operand(self, call: Call) -> bool:
        """Whether the call is an operand of an expression that stands alone: nobody looks at what it returns, and something decides whether it runs."""
        return call.use == "used" and all(call.result not in node_refs(step.node) for step in self.steps(self.func))

    def of_many(self) -> bool:
        """Whether a loop acquires several locks one by one, and another loop releases them."""
        around: dict[str, list[tuple[Loop, ...]]] = {
            method: [] for method in ("acquire", "release", "locked", HANDED_ON)
        }
        places = self._places()
        for one in self.calls:
            loops = places[one.call.id].loops if one.call.id in places else ()
            around[one.method].append(tuple(loop for loop in loops if one.receiver in loop.targets))
        return all(
            loops and not any(loops[-1] in others for others in around["release"]) for loops in around["acquire"]
        )

    def flagged(self) -> bool:
        """`lock.acquire(); held = True`, and `if held: lock.release()` in a `finally`."""
        places = self._places()
        blocks = [places[one.call.id].context for one in self.acquires if one.call.id in places]
        set_there = {
            step.node.ref
            for step in self.steps(self.func)
            if isinstance(step.node, Access)
            and step.node.kind == Kind.WRITE
            and step.node.value == Const(value=True)
            and step.context in blocks
        }
        asked = [
            {node.test for node, part in context if isinstance(node, If) and part == "body"}
            for one in self.releases
            for context in [places[one.call.id].context if one.call.id in places else ()]
            if any(part == "final" for _, part in context)
        ]
        return bool(asked) and all(set_there & tests for tests in asked)

    def _tests(self) -> dict[str, list[list[If]]]:
        """By method: the conditions that each of its calls stands under."""
        numbers = {one.call.id: one.method for one in self.calls}
        found: dict[str, list[list[If]]] = {"acquire": [], "release": [], "locked": [], HANDED_ON: []}
        for step in self.steps(self.func):
            if isinstance(step.node, Call) and step.node.id in numbers:
                found[numbers[step.node.id]].append([node for node, _ in step.context if isinstance(node, If)])
        return found

    def released_unheld(self) -> Iterator[Unheld]:
        """`try: ...; lock.acquire() ... finally: lock.release()`, where something can raise before the lock is held."""
        numbers = {one.call.id: one for one in self.calls}
        for node in walk(self.func.facts.body):
            if not isinstance(node, Try) or not any(_is(inner, numbers, "release") for inner in node.final):
                continue
            inside = [
                numbers[inner.id] for inner in node.body if isinstance(inner, Call) and _is(inner, numbers, "acquire")
            ]
            if not inside or inside[0].call is not self.acquires[0].call:
                continue
            outcome = self.run((Try(node.span, node.body, node.handlers, node.orelse),))
            ways = [
                span
                for way in ("raise", "return", "break", "continue")
                for state, span in outcome.get(way)
                if state != HELD
            ]
            if ways:
                release = next(one.call.span for one in self.releases if any(inner is one.call for inner in node.final))
                yield Unheld(inside[0], min(ways), release)

    def released_twice(self) -> Iterator[LockCall]:
        """Releases that are also reached without the lock: after another release, or past a condition around the acquire.

        Nothing is said where the calls are `several`, or others take care.
        """
        if self.several or self.handed_on:
            return
        places = self._places()
        reached: dict[int, set[str]] = defaultdict(set)
        self.run(self.func.facts.body, reached)
        around = {id(node) for one in self.acquires for node, _ in places[one.call.id].context}
        for one in self.releases:
            tests = [node for node, _ in places[one.call.id].context if isinstance(node, If)]
            if {FREE, HELD} <= reached[one.call.id] and all(id(node) in around for node in tests):
                yield one

    def before(self, span: Span) -> LockCall:
        """The last place before the span that acquires it."""
        earlier = [one for one in self.acquires if one.call.span <= span]
        return max(earlier, key=lambda one: one.call.span) if earlier else self.acquires[0]


def looks(locks: Locks, steps: Callable[[Func], list[Step]], func: Func, *, semaphores: bool) -> Iterator[Look]:
    """The locks (or with `semaphores`, the semaphores) that the function acquires by calls, each by itself."""
    by_lock: dict[tuple[str, Ref], list[LockCall]] = defaultdict(list)
    for one in lock_calls(locks, func):
        if (one.lock.kind.kind == "semaphore") is semaphores and not one.lock.each:
            by_lock[one.lock.key, one.receiver].append(one)
    for calls in by_lock.values() if semaphores else ():
        calls.extend(_handed_on(locks, func, calls[0]))
    for calls in by_lock.values():
        if any(one.method == "acquire" for one in calls):
            yield Look(locks, steps, func, calls)


def _handed_on(locks: Locks, func: Func, first: LockCall) -> Iterator[LockCall]:
    """Calls that take care of the release: they are given it, or a function that does it (`add_done_callback(sem.release)`), or do it themselves."""
    for call in locks.types.links.calls[func.id].values():
        given = (*call.args, *(value for _, value in call.keywords))
        if any(isinstance(value, Ref) and _releases(locks, value, func, first) for value in given) or any(
            _lets_go(locks, thing.func, first, func) for thing in locks.types.functions(call.callee, func)
        ):
            yield LockCall(call, HANDED_ON, first.receiver, first.lock)


def _releases(locks: Locks, value: Ref, func: Func, first: LockCall) -> bool:
    lock = locks.of(value.receiver, func) if value.path[-1:] == ("release",) else None
    if lock is not None and lock.key == first.lock.key:
        return True
    return any(_lets_go(locks, thing.func, first, func) for thing in locks.types.functions(value, func))


def _lets_go(locks: Locks, target: Func, first: LockCall, func: Func, depth: int = 0) -> bool:
    """Whether the function releases it, itself or in what it calls."""
    if target is func or depth > _DEEP:
        return False
    if any(one.method == "release" and one.lock.key == first.lock.key for one in lock_calls(locks, target)):
        return True
    return any(
        _lets_go(locks, thing.func, first, func, depth + 1)
        for call in locks.types.links.calls[target.id].values()
        for thing in locks.types.functions(call.callee, target)
    )


def _is(node: Node, numbers: dict[int, LockCall], method: str) -> bool:
    return isinstance(node, Call) and node.id in numbers and numbers[node.id].method == method


def _is_kept(test: Value) -> bool:
    """Whether the answer of an acquire stands in a name: with the lock held, it says so."""
    return isinstance(test, Ref) and test.root == Root.VAR


def _told(call: Call, receiver: Ref) -> bool:
    """`check(lock.release)`: what may raise there lets go first."""
    release = Ref(receiver.root, receiver.name, (*receiver.path, "release"), receiver.owner)
    return release in call.args or any(value == release for _, value in call.keywords)


def _quiet(call: Call) -> bool:
    callee = call.callee
    if not isinstance(callee, Ref) or (callee.root == Root.SUPER):
        return False
    return (callee.path[-1] if callee.path else callee.name.rpartition(".")[2]) in QUIET
