"""Which locks a function takes: its own acquires and its callees', named from its own point of view.

The bottom-up half of a deadlock analysis: sets of acquires per function with callees folded in, as in RacerD's and Infer's starvation
summaries; a receiver or argument of the call takes the place of the callee's parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Const, If, Jump, Logic, Param, Ref, Root, Span, Value, With
from threadlint.project.locks.flow import decorated
from threadlint.project.locks.lock_calls import waits, won
from threadlint.project.locks.locks import Lock, Locks, Step
from threadlint.project.names.substitution import substitute
from threadlint.project.names.things import ClassThing, Func, FunctionThing

_DEEP = 12
_MOST = 60


@dataclass(frozen=True, slots=True)
class Acquire:
    """One lock taken: `value` names it in the function that was asked about (None where it cannot be named there).

    `func` and `span` are where it is taken, `chain` the calls that lead there, outermost first.
    """

    lock: Lock
    value: Value | None
    func: Func
    span: Span
    chain: tuple[tuple[Func, Span], ...] = ()


@dataclass(slots=True)
class Acquires:
    """Answers by function."""

    locks: Locks
    steps: Callable[[Func], list[Step]]
    calls: Callable[[Func, Step], tuple[tuple[FunctionThing | ClassThing, Call], ...]]
    _answers: dict[str, tuple[Acquire, ...]] = field(default_factory=dict)

    def of(self, func: Func, depth: int = 0) -> tuple[Acquire, ...]:
        """Every lock that calling the function takes for certain to be wanted, not only tried; at most one for each lock."""
        known = self._answers.get(func.id)
        if known is not None:
            return known
        self._answers[func.id] = ()
        found: dict[tuple[str, Value | None], Acquire] = {}
        after: list[tuple[object, ...]] = []
        won: list[tuple[tuple[object, ...], frozenset[str]]] = []
        for held in decorated(self.locks, func):
            found[held.lock.key, held.value] = Acquire(held.lock, held.value, func, held.span)
        for step in self.steps(func):
            if _leaves_when_told(step, func):
                after.append(step.context)
            won.extend(self._won_after(step, func))
            if _optional(step, func) or any(step.context[: len(outer)] == outer for outer in after):
                continue
            free = self._won_around(step, func).union(
                *(keys for outer, keys in won if step.context[: len(outer)] == outer)
            )
            for acquire in (*self.own(func, step), *(self.called(func, step, depth) if depth < _DEEP else ())):
                # behind a try that succeeded: a caller that holds this lock does not get here
                if len(found) < _MOST and acquire.lock.key not in free:
                    found.setdefault((acquire.lock.key, acquire.value), acquire)
        self._answers[func.id] = tuple(found.values())
        return self._answers[func.id]

    def _won_around(self, step: Step, func: Func) -> frozenset[str]:
        """Keys of the locks that were only tried, where the step stands in the branch for success."""
        return frozenset(
            one.lock.key
            for node, part in step.context
            if isinstance(node, If)
            for one in won(node.test, func, self.locks, truth=part == "body")
        )

    def _won_after(self, step: Step, func: Func) -> Iterator[tuple[tuple[object, ...], frozenset[str]]]:
        """`if not lock.acquire(False): return`: what follows in the same block runs after a try that succeeded."""
        node = step.node
        if isinstance(node, If):
            for branch, truth in ((node.body, False), (node.orelse, True)):
                if branch and isinstance(branch[-1], Jump):
                    yield step.context, frozenset(one.lock.key for one in won(node.test, func, self.locks, truth=truth))

    def own(self, func: Func, step: Step) -> Iterator[Acquire]:
        """The locks that this step itself takes and waits for."""
        node = step.node
        if isinstance(node, With):
            for item in node.items:
                # `with lock if safe else nullcontext():` takes it only sometimes
                lock = self.locks.of(item.value, func) if not isinstance(item.value, Logic) else None
                if lock is not None:
                    yield Acquire(lock, item.value, func, item.span)
        elif (
            isinstance(node, Call)
            and isinstance(node.callee, Ref)
            and node.callee.path[-1:] == ("acquire",)
            and waits(node)
        ):
            receiver = node.callee.receiver
            lock = self.locks.of(receiver, func)
            if lock is not None and (lock.kind.world != "tasks" or node.use.startswith("awaited")):
                yield Acquire(lock, receiver, func, node.span)

    def called(self, func: Func, step: Step, depth: int = 0) -> Iterator[Acquire]:
        """The locks that the call at this step takes, named from here."""
        for thing, node in self.calls(func, step):
            if not isinstance(thing, FunctionThing):
                continue
            facts = thing.func.facts
            if (not facts.is_async or node.use.startswith("awaited")) and not facts.is_generator:
                for inner in self.of(thing.func, depth + 1):
                    value = substitute(inner.value, thing, node, func)
                    yield Acquire(inner.lock, value, inner.func, inner.span, ((func, node.span), *inner.chain))


def _optional(step: Step, func: Func) -> bool:
    """Whether the step runs only for some arguments: a caller that holds the lock may be the one that says so."""
    flags = _flags(func)
    return any(isinstance(node, If) and _mentions(node, flags, func) for node, _ in step.context)


def _flags(func: Func) -> set[str]:
    """The parameters that can be a yes or no: by their default, by their annotation, or because nothing is said of them."""
    return {param.name for param in func.facts.params[1 if func.facts.cls else 0 :] if _is_flag(param)}


def _is_flag(param: Param) -> bool:
    if isinstance(param.default, Const):
        return param.default.value is None or isinstance(param.default.value, bool)
    return param.annotation is None or param.annotation == Ref(Root.BUILTIN, "bool")


def _leaves_when_told(step: Step, func: Func) -> bool:
    """`if locked: ...; return` on a flag of the function: what follows depends on the argument as much as what stands inside."""
    node = step.node
    if not isinstance(node, If) or not any(
        branch and isinstance(branch[-1], Jump) for branch in (node.body, node.orelse)
    ):
        return False
    flags = {
        param.name
        for param in func.facts.params
        if isinstance(param.default, Const) and (param.default.value is None or isinstance(param.default.value, bool))
    }
    return _mentions(node, flags, func)


def _mentions(node: If, names: set[str], func: Func) -> bool:
    todo: list[object] = [node.test]
    while todo:
        value = todo.pop()
        if isinstance(value, Ref):
            if value.root == Root.VAR and value.owner == func.facts.qualname and value.name in names:
                return True
            continue
        for name in ("items", "parts"):
            todo.extend(getattr(value, name, ()))
        todo.extend(part for name in ("left", "right") if (part := getattr(value, name, None)) is not None)
    return False
