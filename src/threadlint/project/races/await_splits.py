"""Updates, and tests with their actions, that an `await` splits, where another task can come between the two halves.

Tasks of one loop take turns only where one stops, so what lies between two stops is one step; the rest is the atomicity violation that two of three concurrency bugs
of event-driven programs are (Wang et al., "A comprehensive study on real world concurrency bugs in Node.js", ASE 2017).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import itemgetter

from threadlint.facts.model import (
    UNKNOWN,
    Access,
    Call,
    Const,
    Derived,
    If,
    Jump,
    Kind,
    Loop,
    Node,
    Ref,
    Root,
    Span,
    Suspend,
    Value,
    With,
    is_inside,
)
from threadlint.project.bodies.checks import Check, Checks, Condition
from threadlint.project.bodies.uses import Act, Use, Uses, location_name
from threadlint.project.locks.entry_locks import OWNED_METHODS
from threadlint.project.locks.locks import ANY_LOCK, Step
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import ClassThing, Func, FunctionThing
from threadlint.project.names.values import refs
from threadlint.project.races.meetings import Meetings
from threadlint.project.races.sharing import Race, Touch

_MOST = 40
_MOST_OTHERS = 200
_ASSIGNED = frozenset({"augmented", "assigned"})


@dataclass(frozen=True, slots=True)
class Split:
    """An update (`check` is None) or a test with its action: where its first half is, where the task stops in between, and the tasks that meet there."""

    func: Func
    use: Use
    first: Span
    stop: Span
    race: Race
    check: Check | None = None
    carried: bool = False
    """the old value goes through a local name"""
    other: Use | None = None
    """the other task's write, where it is another statement"""
    caller: Func | None = None
    call: Call | None = None
    """the awaited call that leads from the test to the action, where they stand in two functions; `first` is in `caller`"""


@dataclass(slots=True)
class AwaitSplits:
    """Finds them."""

    checks: Checks
    uses: Uses
    steps: Callable[[Func], list[Step]]
    meetings: Meetings
    callees: Callable[[Func, Call], tuple[FunctionThing | ClassThing, ...]]
    _updates_of: dict[str, dict[str, list[tuple[int, Use, Touch]]]] = field(default_factory=dict)

    def all(self, functions: Iterator[Func]) -> Iterator[Split]:
        """One for each statement that completes an update or an action."""
        for func in functions:
            if not func.facts.is_async or not self.meetings.contexts(func):
                continue
            steps = self.steps(func)
            stops = [number for number, step in enumerate(steps) if _stops(step.node)]
            if not stops:
                continue
            yield from self._updates(func, steps, stops)
            yield from self._checks(func, steps, stops)
            yield from self._through_calls(func, steps)

    def _updates(self, func: Func, steps: list[Step], stops: list[int]) -> Iterator[Split]:
        for use in self.uses.acts(func):
            node = use.access
            if node is None or node.kind != Kind.UPDATE or node.read is None:
                continue
            begin = next((n for n, step in enumerate(steps) if step.node.span == node.read and _reads(step.node)), -1)
            between = [
                n
                for n in stops
                if n < use.step and steps[n].node.span[:2] >= node.read[2:] and _on_the_way(steps, n, use.step)
            ]
            if node.form == "augmented":
                between = [n for n in between if is_inside(steps[n].node.span, node.span)]
                begin = between[0] if between else begin
            if not between or begin < 0:
                continue
            met = self._met(use, steps, begin)
            if met is not None:
                carried = node.form not in _ASSIGNED
                yield Split(func, use, node.read, steps[between[0]].node.span, met[0], None, carried, met[1])

    def _checks(self, func: Func, steps: list[Step], stops: list[int]) -> Iterator[Split]:
        # of several tests before one action the last one counts
        nearest = {check.act.step: check for check in sorted(self.checks.of(func), key=lambda one: one.condition.step)}
        for check in nearest.values():
            condition, use = check.condition, check.act
            if not condition.absent or condition.state or use.act is Act.REMOVE:
                continue
            between = [n for n in stops if condition.step < n < use.step and _on_the_way(steps, n, use.step)]
            if not between or self._tested_again(func, check, between[-1]) or self._announced(func, check, between[0]):
                continue
            met = self._met(use, steps, condition.step)
            if met is not None:
                yield Split(func, use, condition.span, steps[between[0]].node.span, met[0], check, other=met[1])

    def _through_calls(self, func: Func, steps: list[Step]) -> Iterator[Split]:
        """`if self.session is None: await self.connect()`, where `connect()` stops and then assigns `self.session`."""
        for number, step in enumerate(steps):
            if not isinstance(step.node, If) or step.held:
                continue
            for condition in self.checks.conditions(step.node.test, func, number):
                if not condition.absent or condition.key or condition.state or not condition.ref.path:
                    continue
                for inside in self.checks.region(steps, number, step.node, when_true=True):
                    call = steps[inside].node
                    if isinstance(call, Call) and call.use.startswith("awaited") and not steps[inside].held:
                        yield from self._behind(func, condition, call)

    def _behind(self, func: Func, condition: Condition, call: Call) -> Iterator[Split]:
        callee = call.callee
        if not isinstance(callee, Ref) or not callee.path or callee.receiver != condition.ref.receiver:
            return
        for thing in self.callees(func, call):
            target = thing.func if isinstance(thing, FunctionThing) and thing.func.facts.is_async else None
            own = self.uses.types.self_name(target) if target is not None else ""
            if target is None or not own or target is func:
                continue
            steps = self.steps(target)
            stops = [n for n, step in enumerate(steps) if _stops(step.node)]
            wanted = Ref(Root.VAR, own, condition.ref.path[-1:], target.facts.qualname)
            asked = {name for step in steps if isinstance(step.node, If) for name in self._asked(target, step.node)}
            if condition.ref.path[-1] in asked:
                return  # it looks for itself
            for use in self.uses.acts(target):
                before = [n for n in stops if n < use.step and _on_the_way(steps, n, use.step)]
                if use.act is Act.REBIND and use.ref == wanted and before and not steps[use.step].held:
                    met = self._met(use, steps, use.step)
                    if met is not None:
                        check = Check(target, condition, If(condition.span, UNKNOWN, ()), use)
                        stop = steps[before[0]].node.span
                        yield Split(target, use, condition.span, stop, met[0], check, caller=func, call=call)
                    return

    def _tested_again(self, func: Func, check: Check, stop: int) -> bool:
        """Whether the test is made once more after the last stop, before the action."""
        wanted = location_name(check.condition.ref)
        return any(
            wanted in self._asked(func, step.node)
            for step in self.steps(func)[stop + 1 : check.act.step]
            if isinstance(step.node, If)
        )

    def _announced(self, func: Func, check: Check, stop: int) -> bool:
        """Whether the task says, before it stops, that it is at work, and asks others for that first: `if k in self.pending: ...; self.pending[k] = future`."""
        asked: set[str] = set()
        steps = self.steps(func)
        before = max(
            (n for n in range(stop) if _stops(steps[n].node) and _on_the_way(steps, n, check.act.step)), default=-1
        )
        for step in steps[before + 1 : stop]:
            node = step.node
            if isinstance(node, (If, Loop)):
                asked |= self._asked(func, node)
                continue
            written: Ref | None = None
            if isinstance(node, Access) and node.kind != Kind.READ:
                written = node.ref
            elif isinstance(node, Call) and isinstance(node.callee, Ref) and node.callee.path[-1:] == ("add",):
                written = node.callee.receiver
            if written is not None and not self._is_local(written, func) and location_name(written) in asked:
                return written != check.act.ref
        return False

    def _asked(self, func: Func, node: If | Loop) -> set[str]:
        """The last names of what a test asks: of names, of the containers whose methods it calls, and of what a local name was taken from."""
        found: set[str] = set()
        todo = list(refs(node.test if isinstance(node, If) else node.value))
        for ref in todo[:_MOST]:
            if ref.root == Root.RESULT:
                call = self.uses.types.links.calls[func.id].get(int(ref.name))
                if call is not None and isinstance(call.callee, Ref) and call.callee.path:
                    found.add(location_name(call.callee.receiver))
            elif self._is_local(ref, func) and not ref.path:
                for where, access in self.uses.types.links.bindings.get((func.id, ref.name), ()):
                    if where is func and isinstance(access.value, Ref) and access.value.root == Root.RESULT:
                        call = self.uses.types.links.calls[func.id].get(int(access.value.name))
                        if call is not None and isinstance(call.callee, Ref) and call.callee.path:
                            found.add(location_name(call.callee.receiver))
                    elif where is func and isinstance(access.value, Ref):
                        found.add(location_name(access.value))
            else:
                found.add(location_name(ref))
        return found

    def _is_local(self, ref: Ref, func: Func) -> bool:
        return ref.root == Root.VAR and not ref.path and ref.owner == func.facts.qualname

    # who can come between

    def _met(self, use: Use, steps: list[Step], begin: int) -> tuple[Race, Use | None] | None:
        """Another task, or another run of this one, that changes the place while this one stops; and the statement with which it does."""
        kept = {(one.lock.key, one.span) for one in steps[begin].held}
        locks = frozenset(
            one.lock.key for one in steps[use.step].held if (one.lock.key, one.span) in kept and one.lock.excludes
        )
        if any(not one.lock.known for one in steps[use.step].held if (one.lock.key, one.span) in kept):
            return None
        ours = list(self._touches(use, locks))
        for touch in ours:
            found = self._race(touch, touch)
            if found is not None:
                return found, None
        # unsound: of so many statements that update one place, none of which meets this one, the rest is not looked at
        for other, theirs in islice(self._others(use, {touch.location.key for touch in ours}), _MOST_OTHERS):
            for touch in ours:
                if touch.location.key == theirs.location.key:
                    found = self._race(touch, theirs)
                    if found is not None:
                        return found, other
        return None

    def _race(self, one: Touch, other: Touch) -> Race | None:
        race = self.meetings.sharing.parallel(one, other)
        if race is None or (not in_tests(one.func) and any(in_tests(spawn.func) for spawn in race.roots)):
            return None
        return race

    def _touches(self, use: Use, locks: frozenset[str] | None) -> Iterator[Touch]:
        for context, roots in self.meetings.contexts(use.func):
            touch = self.meetings.touch(use, context, roots)
            if touch is not None and ANY_LOCK not in context.held:
                yield touch if locks is None else replace(touch, held=context.held | locks)

    def _others(self, use: Use, keys: set[str]) -> Iterator[tuple[Use, Touch]]:
        """The other statements that update one of these locations, by the last name of the place, once for each way in which they are reached."""
        if use.act is not Act.UPDATE:
            return  # who acts on the same test is another run of the same function
        known = self._updating(location_name(use.ref)) if keys else {}
        found = [one for key in keys for one in known.get(key, ())]
        for _, other, touch in sorted(found, key=itemgetter(0)):
            if other != use:
                yield other, touch

    def _updating(self, name: str) -> dict[str, list[tuple[int, Use, Touch]]]:
        known = self._updates_of.get(name)
        if known is None:
            known = self._updates_of[name] = defaultdict(list)
            for number, one in enumerate(self.uses.acts_on(name)):
                if one.act is Act.UPDATE and one.func.facts.name not in OWNED_METHODS and not one.func.is_module:
                    for touch in self._touches(one, None):
                        known[touch.location.key].append((number, one, touch))
        return known


def _stops(node: Node) -> bool:
    return (isinstance(node, Suspend) and node.kind in ("await", "yield")) or (
        isinstance(node, (With, Loop)) and node.is_async
    )


def _reads(node: Node) -> bool:
    return isinstance(node, Access) and node.kind == Kind.READ


def _on_the_way(steps: list[Step], stop: int, end: int) -> bool:
    """Whether the way to the end can come by the stop: not where the stop is in another branch, or in one that leaves."""
    there = {(id(node), part) for node, part in steps[end].context}
    for node, part in steps[stop].context:
        if (id(node), part) in there:
            continue
        if any(outer == id(node) for outer, _ in there):
            return False
        if isinstance(node, If):
            block = node.body if part == "body" else node.orelse
            if block and isinstance(block[-1], Jump):
                return False
    return True


def awaits(value: Value | None) -> bool:
    """Whether the value is, or contains, what an `await` gave."""
    return isinstance(value, Derived) and (value.op == "await" or any(awaits(part) for part in value.parts))


def constant(value: Value | None) -> bool:
    """Whether the value is a literal."""
    return isinstance(value, Const)
