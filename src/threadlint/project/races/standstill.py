"""Which accesses are made only while a thread is not there: behind a test of what the function that starts it, or the thread itself, sets.

`if self.started: raise RuntimeError` at the top of a method, where `start()` says `self.started = True`, keeps the method and the thread apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Const, If, Kind, Ref, Root
from threadlint.project.bodies.checks import depends
from threadlint.project.locks.lock_calls import conjuncts
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Func
from threadlint.project.names.types import Types
from threadlint.project.roots.contexts import Context, Origin
from threadlint.project.roots.thread_roots import Spawn


@dataclass(slots=True)
class Standstill:
    """Answers by thread and way."""

    types: Types
    steps: Callable[[Func], list[Step]]
    _marks: dict[str, frozenset[str]] = field(default_factory=dict)

    def at(self, spawn: Spawn, step: int, chain: Iterable[tuple[Context, Origin]]) -> bool:
        """Whether the step, to which the chain leads, is only reached while an attribute says that the thread does not run."""
        # unsound: the attribute is taken to be set for as long as the thread runs
        marks = self._set_by(spawn.func) | self._set_by(spawn.target.func)
        for context, origin in chain if marks else ():
            if not marks.isdisjoint(self._unset(context.func, step)):
                return True
            step = origin.step
        return False

    def _set_by(self, func: Func) -> frozenset[str]:
        """The attributes of `self` that the function gives something true."""
        known = self._marks.get(func.id)
        if known is None:
            name = self.types.self_name(func)
            nodes = (step.node for step in self.steps(func) if type(step.node) is Access) if name else ()
            known = self._marks[func.id] = frozenset(
                node.ref.path[0]
                for node in nodes
                if node.kind is Kind.WRITE
                and len(node.ref.path) == 1
                and (node.ref.root, node.ref.name) == (Root.VAR, name)
                and node.value is not None
                and not (isinstance(node.value, Const) and not node.value.value)
            )
        return known

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
