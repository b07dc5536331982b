"""Which steps of a function call something in the project, and what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Call, Loop, With
from threadlint.project.locks.locks import Step
from threadlint.project.names.callees import Callees
from threadlint.project.names.implicit import Implicit
from threadlint.project.names.things import ClassThing, Func, FunctionThing
from threadlint.project.names.types import Types

Calling = tuple[tuple[int, Step, tuple[tuple[FunctionThing | ClassThing, Call], ...]], ...]
"""The steps of a function that call something in the project: their numbers, and what they call."""

_RUNNING = frozenset({Access, Loop, With})
"""What can call without being a call."""


@dataclass(slots=True)
class Called:
    """What steps call, remembered by function."""

    types: Types
    steps: Callable[[Func], list[Step]]
    callees: Callees
    implicit: Implicit = field(init=False)
    _steps_of: dict[str, Calling] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.implicit = Implicit(self.types)

    def at(self, func: Func, step: Step) -> tuple[tuple[FunctionThing | ClassThing, Call], ...]:
        """What the step calls in the project: by a call, or implicitly (context managers, subscripts, properties)."""
        node = step.node
        if isinstance(node, Call):
            return tuple((thing, node) for thing in self.callees.of(func, node))
        return tuple(self.implicit.calls(func, node)) if type(node) in _RUNNING else ()

    def steps_of(self, func: Func) -> Calling:
        """The steps of the function that call something in the project."""
        found = self._steps_of.get(func.id)
        if found is None:
            found = self._steps_of[func.id] = tuple(self._find(func))
        return found

    def _find(self, func: Func) -> Iterator[tuple[int, Step, tuple[tuple[FunctionThing | ClassThing, Call], ...]]]:
        for number, step in enumerate(self.steps(func)):
            kind = type(step.node)
            if kind is Access:
                if not step.node.ref.path:  # type: ignore[union-attr]
                    continue
            elif kind is not Call and kind not in _RUNNING:
                continue
            called = self.at(func, step)
            if called:
                yield number, step, called

    def uncalled(self, funcs: Iterable[Func], targets: Iterable[Func]) -> Iterator[Func]:
        """Those of the functions that none of them calls and that are no target: where the main thread can begin, and what is defined for others."""
        called = {target.id for target in targets}
        funcs = tuple(funcs)
        for func in funcs:
            for _, _, calls in self.steps_of(func):
                called.update(thing.func.id for thing, _ in calls if isinstance(thing, FunctionThing))
        return (func for func in funcs if func.id not in called)
