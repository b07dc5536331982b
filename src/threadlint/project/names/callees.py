"""Which functions and classes of the project a call can mean."""

from __future__ import annotations

from dataclasses import dataclass, field

from threadlint.facts.model import Call, Ref, Root, Value
from threadlint.project.names.things import ClassThing, Func, FunctionThing
from threadlint.project.names.types import Types


@dataclass(slots=True)
class Callees:
    """Answers by call."""

    types: Types
    _answers: dict[tuple[str, int], tuple[FunctionThing | ClassThing, ...]] = field(default_factory=dict)

    def of(self, func: Func, call: Call) -> tuple[FunctionThing | ClassThing, ...]:
        """What the call in the function can mean."""
        key = (func.id, call.id)
        found = self._answers.get(key)
        if found is None:
            things = self.types.of(call.callee, func)
            found = tuple(thing for thing in things if isinstance(thing, (FunctionThing, ClassThing)))
            if _is_kept(call.callee, func):
                found = tuple(thing for thing in found if getattr(thing, "func", None) is not func)
            if len(found) > 1 and _is_callback(call.callee, found):
                # unsound: a callback that can be any of several functions is not followed, as callers would be mixed up
                found = ()
            self._answers[key] = found
        return found


def _is_kept(callee: Value, func: Func) -> bool:
    """`before = self.report` around a function that takes its place: what was there is not the function itself."""
    return (
        isinstance(callee, Ref)
        and callee.root == Root.VAR
        and not callee.path
        and callee.owner == func.facts.owner
        and callee.name != func.facts.name
        and bool(callee.owner)
    )


def _is_callback(callee: Value, found: tuple[FunctionThing | ClassThing, ...]) -> bool:
    """Whether the callee is a variable or attribute that holds functions, not a method that several classes have."""
    if not isinstance(callee, Ref):
        return False
    name = callee.path[-1] if callee.path else callee.name
    return any(isinstance(thing, FunctionThing) and thing.func.facts.name != name for thing in found)
