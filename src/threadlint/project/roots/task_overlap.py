"""Whether two functions can be under way at once in two tasks: tasks of one loop take turns, and one that holds an `asyncio` lock may be suspended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from threadlint.facts.model import Call
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import ClassThing, Func, FunctionThing
from threadlint.project.roots.coroutines import is_coroutine_function
from threadlint.project.roots.thread_roots import Spawn

_MAIN, _ANYONE = -1, -2
"""Stand for the coroutine that `asyncio.run()` runs, and for all that nobody in the project calls."""


@dataclass(slots=True)
class TaskOverlap:
    """Answers about pairs of functions."""

    functions: tuple[Func, ...]
    tasks: tuple[Spawn, ...]
    steps: Callable[[Func], list[Step]]
    calls: Callable[[Func, Step], tuple[tuple[FunctionThing | ClassThing, Call], ...]]
    _reached: dict[str, set[int]] | None = field(default=None)

    def of(self, one: Func, other: Func) -> bool:
        """Whether two tasks can be in the two functions (or in two calls of one) at once."""
        if self._reached is None:
            self._reached = self._reach()
        ours, theirs = self._reached.get(one.id, ()), self._reached.get(other.id, ())
        return any(first != second or self._many(first) for first in ours for second in theirs)

    def _many(self, root: int) -> bool:
        return root == _ANYONE or (root >= 0 and self.tasks[root].many)

    def _reach(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        called: dict[str, set[str]] = defaultdict(set)
        started: set[str] = set()
        for func in self.functions:
            for step in self.steps(func):
                for thing, _ in self.calls(func, step):
                    if isinstance(thing, FunctionThing):
                        called[func.id].add(thing.func.id)
                        if is_coroutine_function(thing.func) and not func.facts.is_async:
                            started.add(thing.func.id)
        inside = {name for names in called.values() for name in names}
        for number, spawn in enumerate(self.tasks):
            self._push(spawn.target.func.id, number, called, found)
        targets = {spawn.target.func.id for spawn in self.tasks}
        for func in self.functions:
            if func.facts.is_async and func.id not in targets:
                if func.id in started:
                    self._push(func.id, _MAIN, called, found)
                elif func.id not in inside:
                    self._push(func.id, _ANYONE, called, found)
        return found

    def _push(self, start: str, root: int, called: dict[str, set[str]], found: dict[str, set[int]]) -> None:
        todo = [start]
        targets = {spawn.target.func.id for spawn in self.tasks}
        while todo:
            name = todo.pop()
            if root not in found[name]:
                found[name].add(root)
                # what a task starts as a task is that task's, not its own
                todo.extend(_without(called.get(name, ()), targets))


def _without(names: Iterable[str], left_out: set[str]) -> Iterable[str]:
    return (name for name in names if name not in left_out)
