"""Whether two functions can run in parallel: in two threads, or one in a thread and the other in the main thread meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from threadlint.project.names.things import Func
from threadlint.project.roots.contexts import MAIN, Context, Contexts
from threadlint.project.roots.thread_roots import Spawn


@dataclass(slots=True)
class Overlap:
    """Answers about pairs of functions. What nobody in the project calls can be called by anyone, from any thread."""

    contexts: Contexts

    def of(self, one: Func, other: Func) -> bool:
        """Whether the two functions (or two calls of one) may run in parallel."""
        return any(
            self._meet(ours, our_roots, theirs, their_roots)
            for ours, our_roots in self.contexts.of(one)
            for theirs, their_roots in self.contexts.of(other)
        )

    def _meet(self, ours: Context, our_roots: int, theirs: Context, their_roots: int) -> bool:
        for mine in self.contexts.roots(our_roots & ~MAIN):
            if any(_overlap(mine, spawn) for spawn in self.contexts.roots(their_roots & ~MAIN)):
                return True
            if their_roots & MAIN and self._main_meanwhile(mine, theirs):
                return True
        if not our_roots & MAIN:
            return False
        if any(self._main_meanwhile(spawn, ours) for spawn in self.contexts.roots(their_roots & ~MAIN)):
            return True
        return bool(their_roots & MAIN) and self._by_anyone(ours) and self._by_anyone(theirs)

    def _by_anyone(self, context: Context) -> bool:
        """Whether the context is reached from a function that nobody in the project calls."""
        last, origin = self.contexts.chain(context)[-1]
        return origin.spawn is None and not last.func.is_module

    def _main_meanwhile(self, spawn: Spawn, context: Context) -> bool:
        """Whether the main thread can come to the context between the start of the thread and its end."""
        if self._by_anyone(context):
            return True
        step = -1
        for reached, origin in self.contexts.chain(context):
            if reached.func is spawn.func and step >= 0:
                return spawn.begin < step and (spawn.end < 0 or step <= spawn.end)
            step = origin.step
        return spawn.end < 0


def _overlap(one: Spawn, other: Spawn) -> bool:
    if one.call is other.call and one.func is other.func:
        return one.many
    if one.func is not other.func:
        return True
    first, second = (one, other) if one.begin <= other.begin else (other, one)
    return first.end < 0 or second.begin <= first.end
