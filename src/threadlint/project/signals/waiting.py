"""How a condition is waited for: where its lock is taken, what is tested before the wait, and what is looked at after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from threadlint.facts.model import (
    Assert,
    Call,
    Compare,
    Const,
    If,
    Jump,
    Logic,
    Loop,
    Node,
    Ref,
    Root,
    Value,
    With,
)
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Func
from threadlint.project.signals.predicates import Predicates, State, meet
from threadlint.project.signals.signals import SignalCall

_ASSERTING = ("assert", "eq_", "ok_", "check_", "expect")


@dataclass(frozen=True, slots=True)
class Test:
    """A test of shared state that decides whether the function waits; `inside` says that it is made with the lock held."""

    node: If | Loop
    state: frozenset[State]
    inside: bool


@dataclass(slots=True)
class Waiting:
    """Questions about one `wait()` or `wait_for()` of a condition."""

    predicates: Predicates
    steps: Callable[[Func], list[Step]]
    wait: SignalCall

    @property
    def region(self) -> With | None:
        """The `with` of this function that takes the condition's lock."""
        spans = {held.span for held in self.wait.step.held}
        for node, _ in reversed(self.wait.step.context):
            if isinstance(node, With) and any(item.span in spans for item in node.items):
                return node
        return None

    @property
    def by_hand(self) -> bool:
        """Whether the function itself has acquired the lock by a call."""
        return any(not held.lexical and held.func is self.wait.func for held in self.wait.step.held)

    @property
    def before(self) -> list[Step]:
        """The steps of the function before the wait."""
        return self.steps(self.wait.func)[: self.wait.number]

    @property
    def after(self) -> list[Step]:
        """The steps of the function after the wait."""
        return self.steps(self.wait.func)[self.wait.number + 1 :]

    def tests(self) -> list[Test]:
        """The tests around the wait, and those before it that can leave the function, as far as they look at shared state."""
        around = {id(node) for node, _ in self.wait.step.context}
        region = self.region
        found = []
        for step in self.before:
            node = step.node
            value = _decides(node, around)
            state = self.predicates.of(value, self.wait.func)
            if state and isinstance(node, (If, Loop)):
                found.append(Test(node, state, region is None or any(outer is region for outer, _ in step.context)))
        return found

    def tests_again(self, step: Step, state: frozenset[State]) -> bool:
        """Whether the step looks at the state once more: in a test, an assertion, or a comparison that is returned."""
        node = step.node
        if isinstance(node, (If, Assert)):
            return meet(self.predicates.of(node.test, self.wait.func), state)
        if isinstance(node, Loop) and node.kind == "while":
            return meet(self.predicates.of(node.value, self.wait.func), state)
        if isinstance(node, Jump) and node.kind == "return":
            return self._answers(node.value) and bool(self.predicates.of(node.value, self.wait.func))
        if isinstance(node, Call) and isinstance(node.callee, Ref):
            name = (node.callee.name, *node.callee.path)[-1].rpartition(".")[2]
            given = [self.predicates.of(one, self.wait.func) for one in node.args]
            return name.startswith(_ASSERTING) and any(meet(one, state) for one in given)
        return False

    def _answers(self, value: Value | None) -> bool:
        """Whether what is returned is the answer of a test."""
        if isinstance(value, (Compare, Logic)):
            return True
        if not isinstance(value, Ref) or value.root != Root.RESULT or value.path:
            return False
        types = self.predicates.types
        call = types.links.calls[self.wait.func.id].get(int(value.name))
        if call is None or not isinstance(call.callee, Ref):
            return False
        return call.callee.root == Root.BUILTIN or any(True for _ in types.functions(call.callee, self.wait.func))

    def looked_for(self) -> frozenset[State]:
        """The state that the wait is about: in the tests around it, or in the predicate of `wait_for()`."""
        if self.wait.method == "wait":
            return frozenset().union(*(test.state for test in self.tests()))
        value = self.wait.call.argument(0, "predicate")
        called = Call(0, self.wait.call.span, value) if value is not None else None
        return self.predicates.called(called, self.wait.func) if called is not None else frozenset()

    @property
    def limited(self) -> bool:
        """Whether the wait ends by itself; a parameter that is None unless the caller says otherwise is no limit."""
        timeout = self.wait.call.argument(0 if self.wait.method == "wait" else 1, "timeout")
        if timeout is None or _is_none(timeout):
            return False
        if isinstance(timeout, Ref) and timeout.root == Root.VAR and not timeout.path:
            param = next((one for one in self.wait.func.facts.params if one.name == timeout.name), None)
            return param is None or not _is_none(param.default)
        return True


def _decides(node: Node, around: set[int]) -> Value | None:
    if isinstance(node, If) and (id(node) in around or _leaves(node)):
        return node.test
    if isinstance(node, Loop) and node.kind == "while" and id(node) in around:
        return node.value
    return None


def _leaves(node: If) -> bool:
    return any(isinstance(one, Jump) for branch in (node.body, node.orelse) for one in branch[-1:])


def _is_none(value: Value | None) -> bool:
    return isinstance(value, Const) and value.value is None
