"""Which steps of a function call something in the project, and what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from threadlint.facts.model import Call
from threadlint.project.locks.locks import Step
from threadlint.project.names.callees import Callees
from threadlint.project.names.implicit import implicit_calls
from threadlint.project.names.things import ClassThing, Func, FunctionThing
from threadlint.project.names.types import Types

Calling = tuple[tuple[int, Step, tuple[tuple[FunctionThing | ClassThing, Call], ...]], ...]
"""The steps of a function that call something in the project: their numbers, and what they call."""


@dataclass(slots=True)
class Called:
    """What steps call, remembered by function."""

    types: Types
    steps: Callable[[Func], list[Step]]
    callees: Callees
    _steps_of: dict[str, Calling] = field(default_factory=dict)

    def at(self, func: Func, step: Step) -> tuple[tuple[FunctionThing | ClassThing, Call], ...]:
        """What the step calls in the project: by a call, or implicitly (context managers, subscripts, properties)."""
        node = step.node
        if isinstance(node, Call):
            return tuple((thing, node) for thing in self.callees.of(func, node))
        return tuple(implicit_calls(self.types, func, node))

    def steps_of(self, func: Func) -> Calling:
        """The steps of the function that call something in the project."""
        found = self._steps_of.get(func.id)
        if found is None:
            steps = ((number, step, self.at(func, step)) for number, step in enumerate(self.steps(func)))
            found = self._steps_of[func.id] = tuple(one for one in steps if one[2])
        return found

    def without(self, left_out: set[tuple[str, int]]) -> Callable[[Func], Calling]:
        """The same where certain calls, by function id and number, are not followed."""

        def calling(func: Func) -> Calling:
            return tuple(
                (number, step, tuple(one for one in calls if (func.id, one[1].id) not in left_out))
                for number, step, calls in self.steps_of(func)
            )

        return calling

    def ids(self, funcs: Iterable[Func]) -> set[str]:
        """The ids of all functions that these functions call."""
        return {
            thing.func.id
            for func in funcs
            for _, _, calls in self.steps_of(func)
            for thing, _ in calls
            if isinstance(thing, FunctionThing)
        }
