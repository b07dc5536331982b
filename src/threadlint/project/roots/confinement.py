"""Where no other thread can be: before a function starts its thread, after it has joined it, and in the loop that joins them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Loop, Ref, walk
from threadlint.project.bodies.uses import Use
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.names.types import Types
from threadlint.project.roots.thread_roots import Spawn


@dataclass(slots=True)
class Confinement:
    """Answers by use."""

    types: Types
    steps: Callable[[Func], list[Step]]
    spawns_in: Callable[[Func], tuple[Spawn, ...]]

    def of(self, use: Use) -> bool:
        """Whether the function itself makes sure that the threads it knows of are not running."""
        starts = self.spawns_in(use.func)
        if starts and all(use.step < spawn.begin for spawn in starts):
            return True
        return any(number < use.step for number in self._joins(use.func)) or self._joins_items(use)

    def _joins_items(self, use: Use) -> bool:
        """`for thread in self.threads: thread.join()` belongs to the end, when no more are added."""
        loop = self.steps(use.func)[use.step].node
        return isinstance(loop, Loop) and any(
            isinstance(node, Call)
            and isinstance(node.callee, Ref)
            and node.callee.path == ("join",)
            and any(node.callee.name == target.name for target in loop.targets)
            for node in walk(loop.body)
        )

    def _joins(self, func: Func) -> Iterator[int]:
        for number, step in enumerate(self.steps(func)):
            node = step.node
            if isinstance(node, Call) and isinstance(node.callee, Ref) and node.callee.path[-1:] == ("join",):
                receiver = node.callee.receiver
                if any(isinstance(thing, Object) and self._is_thread(thing) for thing in self.types.of(receiver, func)):
                    yield number

    def _is_thread(self, thing: Object) -> bool:
        if isinstance(thing.type, Cls):
            return self.types.derives(thing.type, ("threading.Thread",))
        return thing.type == "threading.Thread"
