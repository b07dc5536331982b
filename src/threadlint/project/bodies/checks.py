"""Tests and the actions that rely on them: `if k not in d: d[k] = v`, `if xs: xs.pop()`, `if self.x is None: self.x = make()`.

The pattern of an atomicity violation in one function: what is tested can change before the action (Lu et al., ASPLOS 2008: two of three bugs that are no
deadlocks are of this kind).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import (
    Access,
    Call,
    Compare,
    Comparison,
    Const,
    If,
    Jump,
    Kind,
    Logic,
    Loop,
    Ref,
    Root,
    Span,
    Value,
)
from threadlint.project.bodies.uses import Act, Use, Uses, value_text
from threadlint.project.locks.lock_calls import parts
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Func


@dataclass(frozen=True, slots=True)
class Condition:
    """What a test says: the location `ref`, or its element `key`, is `absent` (missing, None, empty, false) or present.

    `step` is the number of the step that reads it: the test's own, or that of the `get()` whose result is tested.
    """

    ref: Ref
    key: str
    absent: bool
    step: int
    span: Span
    state: bool = False
    """compared with some other value"""
    other: Value | None = None
    """that value"""


@dataclass(frozen=True, slots=True)
class Check:
    """A test, and the first action of its branch that is right only while the test's result still holds."""

    func: Func
    condition: Condition
    branch: If | Loop
    act: Use


@dataclass(slots=True)
class Checks:
    """Answers by function."""

    uses: Uses
    steps: Callable[[Func], list[Step]]
    _answers: dict[str, tuple[Check, ...]] = field(default_factory=dict)

    def of(self, func: Func) -> tuple[Check, ...]:
        """The function's pairs of test and action, in the order of the tests."""
        known = self._answers.get(func.id)
        if known is None:
            known = self._answers[func.id] = tuple(self._find(func))
        return known

    def _find(self, func: Func) -> Iterator[Check]:
        acts: dict[Ref, list[Use]] = defaultdict(list)
        for use in self.uses.acts(func):
            if use.act in _ACTIONS:
                acts[use.ref].append(use)
        if not acts:
            return
        steps = self.steps(func)
        for number, step in enumerate(steps):
            node = step.node
            if type(node) is not If:
                continue
            conditions = [(condition, True) for condition in self.conditions(node.test, func, number)]
            conditions += [
                (condition, False) for condition in self.conditions(Logic("not", (node.test,)), func, number)
            ]
            for condition, when_true in conditions:
                for use in acts.get(condition.ref, ()):
                    if self.relies(use, condition, func) and depends(
                        steps, number, node, use.step, when_true=when_true
                    ):
                        yield Check(func, condition, node, use)
                        break

    def states(self, func: Func) -> Iterator[tuple[int, If, Condition]]:
        """The tests that compare an attribute with a value: `if self.state == NEW`."""
        for number, step in enumerate(self.steps(func)):
            if type(step.node) is If and any(type(part) is Compare for part in parts(step.node.test)):
                for condition in self.conditions(step.node.test, func, number):
                    if condition.state:
                        yield number, step.node, condition

    def region(self, steps: list[Step], number: int, node: If, *, when_true: bool) -> Iterator[int]:
        """The steps that run only when the test came out this way: the branch, and what follows when the other branch leaves."""
        return (n for n in range(number + 1, len(steps)) if depends(steps, number, node, n, when_true=when_true))

    def conditions(self, test: Value, func: Func, number: int) -> Iterator[Condition]:
        """What is known when the test is true."""
        if isinstance(test, Logic) and test.op == "not":
            yield from self._negated(test.items[0], func, number)
        elif isinstance(test, Logic) and test.op == "and":
            for item in test.items:
                yield from self.conditions(item, func, number)
        elif isinstance(test, Compare):
            yield from self._compared(test, func, number)
        elif isinstance(test, Ref):
            yield from self._truth(test, func, number, absent=False)

    def _negated(self, test: Value, func: Func, number: int) -> Iterator[Condition]:
        if isinstance(test, Logic) and test.op == "not":
            yield from self.conditions(test.items[0], func, number)
        elif isinstance(test, Logic) and test.op == "or":
            for item in test.items:
                yield from self._negated(item, func, number)
        elif isinstance(test, Compare) and test.op in _OPPOSITE:
            yield from self._compared(Compare(_OPPOSITE[test.op], test.left, test.right), func, number)
        elif isinstance(test, Ref):
            yield from self._truth(test, func, number, absent=True)

    def _compared(self, test: Compare, func: Func, number: int) -> Iterator[Condition]:
        span = self._span(func, number)
        if test.op in {"in", "not in"} and isinstance(test.right, Ref):
            container = self._container(test.right, func)
            if container is not None:
                yield Condition(container, f"[{value_text(test.left)}]", test.op == "not in", number, span)
        elif test.op in {"is", "==", "is not", "!="} and isinstance(test.left, Ref):
            if isinstance(test.right, Const) and test.right.value is None:
                yield from self._truth(test.left, func, number, absent=test.op in {"is", "=="})
            elif test.left.root != Root.RESULT:
                state = self.uses.home(test.left, func)
                yield Condition(state, "", test.op in {"is", "=="}, number, span, state=True, other=test.right)
        elif test.op in {">", ">=", "!="} and isinstance(test.left, Ref) and test.left.root == Root.RESULT:
            sized = self._sized(test.left, func)
            if sized is not None:
                yield Condition(sized, "", absent=False, step=number, span=span)

    def _truth(self, ref: Ref, func: Func, number: int, *, absent: bool) -> Iterator[Condition]:
        call, step = self._call(ref, func, number)
        if call is None:
            if ref.root != Root.RESULT and (ref.path or ref.root != Root.VAR or ref.owner != func.facts.qualname):
                yield Condition(self.uses.home(ref, func), "", absent, number, self._span(func, number))
            return
        callee = call.callee
        if isinstance(callee, Ref) and callee.path[-1:] == ("get",) and len(call.args) == 1:
            container = callee.receiver
            yield Condition(self.uses.home(container, func), f"[{value_text(call.args[0])}]", absent, step, call.span)
        elif (
            isinstance(callee, Ref) and callee.root == Root.BUILTIN and callee.name == "hasattr" and len(call.args) == 2
        ):
            base, name = call.args
            if isinstance(base, Ref) and isinstance(name, Const) and isinstance(name.value, str):
                yield Condition(
                    Ref(base.root, base.name, (*base.path, name.value), base.owner), "", absent, step, call.span
                )
        elif (
            isinstance(callee, Ref) and callee.root == Root.BUILTIN and callee.name == "len" and ref.root == Root.RESULT
        ):
            sized = self._sized(ref, func)
            if sized is not None:
                yield Condition(sized, "", absent, number, call.span)

    def _call(self, ref: Ref, func: Func, number: int) -> tuple[Call | None, int]:
        """The call whose result the value is: itself, or through a local name that was bound to it last."""
        if ref.path:
            return None, number
        name, bound = ref.name if ref.root == Root.RESULT else "", number
        steps = self.steps(func)
        if ref.root == Root.VAR and ref.owner == func.facts.qualname:
            for before in range(number - 1, -1, -1):
                node = steps[before].node
                if isinstance(node, Access) and node.ref == ref and node.kind != Kind.READ:
                    name = (
                        node.value.name
                        if isinstance(node.value, Ref) and node.value.root == Root.RESULT and not node.value.path
                        else ""
                    )
                    bound = before
                    break
        if not name:
            return None, number
        for before in range(bound, -1, -1):
            node = steps[before].node
            if isinstance(node, Call) and str(node.id) == name:
                return node, before
        return None, number

    def _container(self, ref: Ref, func: Func) -> Ref | None:
        if ref.root != Root.RESULT:
            return self.uses.home(ref, func)
        return next(iter(self.uses.gone_through(ref, func)), None)

    def _sized(self, ref: Ref, func: Func) -> Ref | None:
        call = self.uses.types.links.calls[func.id].get(int(ref.name)) if not ref.path else None
        if (
            call is not None
            and isinstance(call.callee, Ref)
            and call.callee == Ref(Root.BUILTIN, "len")
            and call.args
            and isinstance(call.args[0], Ref)
        ):
            return self._container(call.args[0], func)
        return None

    def relies(self, use: Use, condition: Condition, func: Func) -> bool:
        """Whether the action is wrong once the condition no longer holds."""
        if use.ref != condition.ref or use.step <= condition.step:
            return False
        if condition.state:
            return use.act is Act.REBIND
        if condition.absent:
            if condition.key:
                return use.act is Act.ADD and use.how == "[]=" and _same_key(use.key, condition.key)
            return use.act is Act.REBIND and use.how != "del"
        if condition.key:
            return (
                use.act is Act.REMOVE
                and use.how in {"del", "pop", "remove"}
                and _same_key(use.key, condition.key)
                and self._raises(use, func)
            )
        return use.act is Act.REMOVE and use.how in {"pop", "popleft", "popitem"} and self._raises(use, func)

    def _raises(self, use: Use, func: Func) -> bool:
        """Whether a missing item is an error there: not with a default, and not inside `try` with a handler for it."""
        step = self.steps(func)[use.step]
        if isinstance(step.node, Call) and use.how == "pop" and len(step.node.args) > 1:
            return False
        return not any(part == "body" and getattr(node, "handlers", ()) for node, part in step.context)

    def _span(self, func: Func, number: int) -> Span:
        node = self.steps(func)[number].node
        return (node.span[0], node.span[1], node.span[0], node.span[1] + 2)


def _same_key(one: str, other: str) -> bool:
    return one == other and "..." not in one


def depends(steps: list[Step], number: int, node: If, at: int, *, when_true: bool) -> bool:
    """Whether the step `at`, after the test at step `number`, runs only when the test came out this way."""
    part, other = ("body", node.orelse) if when_true else ("orelse", node.body)
    for outer, where in steps[at].context:
        if outer is node:
            return where == part
    leaves = bool(other) and isinstance(other[-1], Jump)
    return leaves and at > number and _same_prefix(steps[at].context, steps[number].context)


def _same_prefix(context: tuple[tuple[object, str], ...], around: tuple[tuple[object, str], ...]) -> bool:
    return len(context) >= len(around) and all(
        a[0] is b[0] and a[1] == b[1] for a, b in zip(context, around, strict=False)
    )


_ACTIONS = frozenset({Act.ADD, Act.REMOVE, Act.REBIND})
"""What can rely on a test."""
_OPPOSITE: dict[Comparison, Comparison] = {
    "in": "not in",
    "not in": "in",
    "is": "is not",
    "is not": "is",
    "==": "!=",
    "!=": "==",
    ">": "<=",
    "<=": ">",
    "<": ">=",
    ">=": "<",
}
