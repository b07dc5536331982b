"""On every path? Runs a small state machine over a function's facts, along all ways through it and out of it.

The facts of a function are a structured program, so its control-flow graph need not be built: the outcome of a block is the set of states in which
it is left, by the way of leaving. Rules that ask "is it released, given back, acknowledged on every path?" share this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from threadlint.facts.model import Const, Handler, If, Jump, Loop, Match, Node, Ref, Span, Try, Value, With
from threadlint.project.names.things import Object, Thing

Mark = tuple[str, Span]
"""A state, and the place that is to blame for leaving in it."""


class Branch(Protocol):
    """Gives the state at the start of one branch of an `if`."""

    def __call__(self, node: If, state: str, *, body: bool) -> str | None:
        """The state; None where the branch cannot be taken in the state before."""


@dataclass(slots=True)
class Outcome:
    """The states in which a block is left, by way: falling through, raising, or by a jump."""

    ways: dict[str, set[Mark]] = field(default_factory=dict)

    def add(self, way: str, marks: Iterable[Mark]) -> None:
        """Add states for one way of leaving."""
        self.ways.setdefault(way, set()).update(marks)

    def get(self, way: str) -> set[Mark]:
        """The states in which the block is left this way."""
        return self.ways.get(way, set())

    def merge(self, other: Outcome, *, without: tuple[str, ...] = ()) -> None:
        """Add all of the other's ways but some."""
        for way, marks in other.ways.items():
            if way not in without:
                self.add(way, marks)


@dataclass(slots=True)
class Paths:
    """`step` takes a node and a state and gives the state after it; `raises` tells whether a node may raise (then in the state before it).

    `catches` tells whether a handler takes every exception that the region can meet; `swallows` whether a `with` keeps exceptions in.
    `branch` gives the state at the start of one branch of an `if` (true for the body), None where the state cannot come that way.
    `enters` tells whether what is raised at a place can be what a handler takes.
    """

    step: Callable[[Node, str], str]
    raises: Callable[[Node], bool]
    catches: Callable[[Handler], bool]
    swallows: Callable[[With], bool] = lambda _: False
    branch: Branch | None = None
    enters: Callable[[Handler, Span], bool] = lambda _, __: True

    def run(self, nodes: tuple[Node, ...], state: str) -> Outcome:
        """The outcome of the block when it is entered in the state."""
        return self._block(nodes, {(state, (0, 0, 0, 0))})

    def _block(self, nodes: tuple[Node, ...], marks: set[Mark]) -> Outcome:
        out = Outcome()
        for node in nodes:
            if not marks:
                return out
            found = self._node(node, marks)
            out.merge(found, without=("fall",))
            marks = found.get("fall")
        out.add("fall", marks)
        return out

    def _node(self, node: Node, marks: set[Mark]) -> Outcome:
        if isinstance(node, If):
            return self._both(
                [
                    self._block(node.body, self._taken(node, marks, body=True)),
                    self._block(node.orelse, self._taken(node, marks, body=False)),
                ]
            )
        if isinstance(node, Match):
            cases = [self._block(case, marks) for case in node.cases]
            return self._both(cases if node.exhaustive else [*cases, _falling(marks)])
        if isinstance(node, Loop):
            return self._loop(node, marks)
        if isinstance(node, With):
            return self._with(node, marks)
        if isinstance(node, Try):
            return self._try(node, marks)
        out = Outcome()
        if isinstance(node, Jump):
            out.add(node.kind, {(state, node.span) for state, _ in marks})
            return out
        if self.raises(node):
            out.add("raise", {(state, node.span) for state, _ in marks})
        out.add("fall", {(self.step(node, state), span) for state, span in marks})
        return out

    def _taken(self, node: If, marks: set[Mark], *, body: bool) -> set[Mark]:
        if self.branch is None:
            return marks
        found = ((self.branch(node, state, body=body), span) for state, span in marks)
        return {(state, span) for state, span in found if state is not None}

    def _both(self, outcomes: list[Outcome]) -> Outcome:
        out = Outcome()
        for one in outcomes:
            out.merge(one)
        return out

    def _loop(self, node: Loop, marks: set[Mark]) -> Outcome:
        out = Outcome()
        entering = set(marks)
        body = Outcome()
        # the states at the loop's head only grow, and there are few: this ends
        while True:
            body = self._block(node.body, entering)
            again = body.get("fall") | body.get("continue")
            states = {state for state, _ in entering}
            new = {mark for mark in again if mark[0] not in states}
            if not new:
                break
            entering |= new
        out.merge(body, without=("fall", "continue", "break"))
        out.add("again", {*body.get("fall"), *body.get("continue")})
        endless = node.kind == "while" and isinstance(node.value, Const) and bool(node.value.value)
        normal = set() if endless else marks | body.get("fall") | body.get("continue")
        if node.orelse and normal:
            after = self._block(node.orelse, normal)
            out.merge(after, without=("fall",))
            normal = after.get("fall")
        out.add("fall", normal | body.get("break"))
        return out

    def _with(self, node: With, marks: set[Mark]) -> Outcome:
        body = self._block(node.body, marks)
        if not self.swallows(node):
            return body
        out = Outcome()
        out.merge(body, without=("raise",))
        out.add("fall", body.get("raise"))
        return out

    def _try(self, node: Try, marks: set[Mark]) -> Outcome:
        body = self._block(node.body, marks)
        out = Outcome()
        out.merge(body, without=("fall", "raise"))
        normal = body.get("fall")
        if node.orelse and normal:
            after = self._block(node.orelse, normal)
            out.merge(after, without=("fall",))
            normal = after.get("fall")
        out.add("fall", normal)
        raised = body.get("raise")
        for handler in node.handlers:
            entering = {mark for mark in raised if self.enters(handler, mark[1])}
            if entering:
                out.merge(self._block(handler.body, entering))
        if not any(self.catches(handler) for handler in node.handlers):
            out.add("raise", raised)
        return self._finally(node.final, out) if node.final else out

    def _finally(self, final: tuple[Node, ...], before: Outcome) -> Outcome:
        out = Outcome()
        for way, marks in before.ways.items():
            for mark in marks:
                after = self._block(final, {mark})
                out.merge(after, without=("fall",))
                out.add(way, {(state, mark[1]) for state, _ in after.get("fall")})
        return out


def _falling(marks: set[Mark]) -> Outcome:
    out = Outcome()
    out.add("fall", marks)
    return out


BROAD = frozenset({"Exception", "BaseException"})


def catches_all(handler: Handler) -> bool:
    """`except:`, `except Exception:`, `except BaseException:`."""
    return not handler.types or any(
        isinstance(one, Ref) and one.name in BROAD and not one.path for one in handler.types
    )


def catches(handler: Handler, name: str) -> bool:
    """Whether the handler takes this exception, by its name or because it takes all."""
    return catches_all(handler) or any(
        isinstance(one, Ref) and (one.name, *one.path)[-1].rpartition(".")[2] == name for one in handler.types
    )


def suppresses_all(node: With, things: Callable[[Value], tuple[Thing, ...]]) -> bool:
    """`with contextlib.suppress(Exception)`; `things` tells what a value can be."""
    for item in node.items:
        for thing in things(item.value):
            if (
                isinstance(thing, Object)
                and thing.type == "contextlib.suppress"
                and thing.call is not None
                and any(_broad(one) for one in thing.call.args)
            ):
                return True
    return False


def _broad(value: Value) -> bool:
    return isinstance(value, Ref) and value.name in BROAD and not value.path
