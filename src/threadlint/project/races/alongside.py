"""Which accesses come while a thread runs, in the function that has started it on an object of its own, or has called what starts it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Ref, Root
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Func
from threadlint.project.names.types import Types
from threadlint.project.roots.contexts import Context, Origin
from threadlint.project.roots.handed import Handed, is_wait
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.roots.tokens import Token, inside


@dataclass(slots=True)
class Alongside:
    """Answers by thread and way."""

    types: Types
    handed: Handed
    steps: Callable[[Func], list[Step]]

    def at(self, spawn: Spawn, step: int, owner: Token, chain: Iterable[tuple[Context, Origin]]) -> bool:
        """Whether the step, to which the chain leads, may come after the start of the thread and before its end; what has been waited for meanwhile may be its end."""
        called: Func | None = None
        for context, origin in chain:
            func = context.func
            direct = func is spawn.func
            begin = spawn.begin if direct else self.handed.begin(func, owner, spawn)
            if begin is not None:
                end = spawn.end if direct else -1
                return any(
                    begin < one and (end < 0 or one <= end) and not any(map(is_wait, self.steps(func)[begin + 1 : one]))
                    for one in (step, *self._calls_with(func, owner, called, spawn))
                )
            step, called = origin.step, func
        return False

    def _calls_with(self, func: Func, owner: Token, called: Func | None, spawn: Spawn) -> Iterator[int]:
        """The steps at which the function calls the other one with the object: the chain knows of the first only."""
        names = self.handed.names(func, owner)
        own = self.handed.own(spawn) if func is spawn.func else None
        if own is not None and inside(owner, own[1]):
            names.add(own[0])
        for number, step in enumerate(self.steps(func)) if called is not None else ():
            node = step.node
            if (
                type(node) is Call
                and any(
                    isinstance(value, Ref) and value.root in (Root.VAR, Root.GLOBAL) and value.name in names
                    for value in (node.callee, *node.args, *(value for _, value in node.keywords))
                )
                and any(thing.func is called for thing in self.types.functions(node.callee, func))
            ):
                yield number
