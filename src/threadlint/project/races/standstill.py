"""Which accesses are made only while a thread is not there: after it was joined, or behind a test of what is set while it runs.

`if self.started: raise RuntimeError` at the top of a method, where `start()` says `self.started = True`, keeps the method and the thread apart. And of two
threads that a method and its override start, an object has only one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Call, Const, If, Kind, Ref, Root, Value
from threadlint.project.bodies.checks import depends
from threadlint.project.locks.lock_calls import conjuncts
from threadlint.project.locks.locks import Step
from threadlint.project.names.mentions import last_part
from threadlint.project.names.things import Func, Object
from threadlint.project.names.types import Types
from threadlint.project.names.values import refs
from threadlint.project.roots.contexts import Context, Origin
from threadlint.project.roots.thread_roots import Spawn


@dataclass(slots=True)
class Standstill:
    """Answers by thread and way."""

    types: Types
    steps: Callable[[Func], list[Step]]
    _marks: dict[tuple[str, str, int], frozenset[str]] = field(default_factory=dict)
    _joined: dict[tuple[str, str, int], list[int]] = field(default_factory=dict)

    def at(self, spawn: Spawn, step: int, chain: Iterable[tuple[Context, Origin]]) -> bool:
        """Whether the step, to which the chain leads, is only reached while the thread does not run."""
        # unsound: the attribute is taken to be set for as long as the thread runs, a join to be waited for, and a test to come out the same each time
        marks = self._set_by(spawn.func, spawn) | self._set_by(spawn.target.func, spawn)
        for context, origin in chain:
            func = context.func
            starts = spawn.begin if func is spawn.func else -1
            if not marks.isdisjoint(self._unset(func, step)) or any(
                starts < at < step for at in self._joins(func, spawn)
            ):
                return True
            if func is spawn.func and self._other_branch(func, spawn.begin, step):
                return True
            step = origin.step
        return False

    def _other_branch(self, func: Func, one: int, other: int) -> bool:
        """Whether a test of what the object is set to decides for one of the two steps and against the other."""
        steps = self.steps(func)
        if not (0 <= one < len(steps) and 0 <= other < len(steps)):
            return False
        name = self.types.self_name(func)
        branches = {
            id(node): part
            for node, part in steps[one].context
            if type(node) is If and all(ref.path and ref.name == name for ref in refs(node.test))
        }
        return any(branches.get(id(node), part) != part for node, part in steps[other].context)

    def instead(self, one: Spawn, other: Spawn) -> bool:
        """Whether the two places are in a method and in one that overrides it and does not call it: an object runs only one of them."""
        name = one.func.facts.name
        ours, theirs = self.types.owner(one.func), self.types.owner(other.func)
        if ours is None or theirs is None or ours is theirs or other.func.facts.name != name:
            return False
        above = theirs in self.types.mro(ours)
        if not above and ours not in self.types.mro(theirs):
            return False
        override, cls = (one.func, ours) if above else (other.func, theirs)
        bases = self.types.mro(cls)
        return not any(
            thing.func is not override and thing.func.facts.name == name and self.types.owner(thing.func) in bases
            for call in self.types.links.calls[override.id].values()
            if last_part(call.callee) == name
            for thing in self.types.functions(call.callee, override)
        )

    def _joins(self, func: Func, spawn: Spawn) -> list[int]:
        """The steps at which the function joins the thread."""
        if spawn.kind not in ("thread", "timer", "class"):
            return []
        key = (func.id, spawn.func.id, spawn.call.id)
        known = self._joined.get(key)
        if known is None:
            known = self._joined[key] = [
                number
                for number, step in enumerate(self.steps(func))
                if type(step.node) is Call
                and last_part(step.node.callee) == "join"
                and isinstance(step.node.callee, Ref)
                and any(
                    isinstance(thing, Object) and thing.call is spawn.call
                    for thing in self.types.of(step.node.callee.receiver, func)
                )
            ]
        return known

    def _set_by(self, func: Func, spawn: Spawn) -> frozenset[str]:
        """The attributes of `self` that the function sets to something true, or to the thread: they tell that it runs."""
        key = (func.id, spawn.func.id, spawn.call.id)
        known = self._marks.get(key)
        if known is None:
            name = self.types.self_name(func)
            nodes = (step.node for step in self.steps(func) if type(step.node) is Access) if name else ()
            known = self._marks[key] = frozenset(
                node.ref.path[0]
                for node in nodes
                if node.kind is Kind.WRITE
                and len(node.ref.path) == 1
                and (node.ref.root, node.ref.name) == (Root.VAR, name)
                and self._tells(node.value, func, spawn)
            )
        return known

    def _tells(self, value: Value | None, func: Func, spawn: Spawn) -> bool:
        if isinstance(value, Const):
            return bool(value.value)
        things = self.types.of(value, func) if value is not None else ()
        return any(isinstance(thing, Object) and thing.call is spawn.call for thing in things)

    def _unset(self, func: Func, at: int) -> Iterator[str]:
        """The attributes of `self` that are false or None where the step runs, as tests before it say."""
        name = self.types.self_name(func)
        steps = self.steps(func)
        for number, step in enumerate(steps[: max(at, 0)] if name else ()):
            node = step.node
            if type(node) is If:
                for truth in (True, False):
                    if depends(steps, number, node, at, when_true=truth):
                        for value, wanted in conjuncts(node.test, truth=truth):
                            if not wanted and isinstance(value, Ref) and len(value.path) == 1 and value.name == name:
                                yield value.path[0]
