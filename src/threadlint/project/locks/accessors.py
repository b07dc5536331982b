"""Methods that only read, or only write, one location under a lock: safe one by one, and not as a pair.

After Artho, Havelund and Biere, "High-level data races" (2003): each access is locked, and the sequence of two is not one step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from threadlint.facts.model import Access, If, Jump, Kind, Ref, Root, Value
from threadlint.project.locks.locks import Held, Step
from threadlint.project.names.things import Func
from threadlint.project.names.types import Types
from threadlint.project.names.values import refs

_DEEP = 4


@dataclass(frozen=True, slots=True)
class Accessor:
    """The function reads (returns) or writes `place` while it holds `held`; `param` is the parameter that it writes, empty for a reader."""

    func: Func
    place: Ref
    held: Held
    param: str = ""


@dataclass(slots=True)
class Accessors:
    """Answers by function."""

    types: Types
    steps: Callable[[Func], list[Step]]
    _answers: dict[str, Accessor | None] = field(default_factory=dict)

    def of(self, func: Func) -> Accessor | None:
        """The one location that the function reads or writes for its caller under a lock; None where it does anything else with it."""
        if func.id not in self._answers:
            self._answers[func.id] = None if func.facts.is_generator else self._find(func)
        return self._answers[func.id]

    def _find(self, func: Func) -> Accessor | None:
        steps = self.steps(func)
        if not any(step.held for step in steps) or any(isinstance(step.node, If) for step in steps):
            return None
        found: Accessor | None = None
        for step in steps:
            node = step.node
            held = next((one for one in step.held if one.lock.excludes), None)
            if isinstance(node, Access) and node.kind in (Kind.UPDATE, Kind.DELETE):
                return None
            if isinstance(node, Access) and node.kind == Kind.WRITE and _shared(node.ref, func):
                param = _param(node.value, func)
                if found is not None or held is None or not param:
                    return None
                found = Accessor(func, node.ref, held, param)
            elif isinstance(node, Jump) and node.kind == "return" and node.value is not None:
                place = self._returned(node.value, func)
                if place is None:
                    continue
                guard = held or self._read_under(steps, place)
                if found is not None or guard is None:
                    return None
                found = Accessor(func, place, guard)
        return found

    def _returned(self, value: Value, func: Func) -> Ref | None:
        if not isinstance(value, Ref):
            return None
        if _shared(value, func):
            return value
        if value.root == Root.VAR and not value.path:
            bound = self.types.links.bindings.get((func.id, value.name), ())
            if len(bound) == 1 and isinstance(bound[0][1].value, Ref) and _shared(bound[0][1].value, func):
                return bound[0][1].value
        return None

    def _read_under(self, steps: list[Step], place: Ref) -> Held | None:
        for step in steps:
            if isinstance(step.node, Access) and step.node.ref == place and step.held:
                return next((one for one in step.held if one.lock.excludes), None)
        return None

    def carries(self, value: Value, result: Ref, func: Func, depth: int = 0) -> bool:
        """Whether the value is computed from the result of a call, directly or through local names."""
        if depth > _DEEP:
            return False
        for ref in refs(value):
            if ref == result:
                return True
            if ref.root == Root.VAR and not ref.path and ref.owner == func.facts.qualname:
                for _, access in self.types.links.bindings.get((func.id, ref.name), ()):
                    if (
                        access.value is not None
                        and access.form in ("", "augmented")
                        and self.carries(access.value, result, func, depth + 1)
                    ):
                        return True
            elif ref.root == Root.RESULT and not ref.path:
                call = self.types.links.calls[func.id].get(int(ref.name))
                if call is not None and any(self.carries(one, result, func, depth + 1) for one in call.args):
                    return True
        return False


def _shared(ref: Ref, func: Func) -> bool:
    return bool(ref.path) if ref.root == Root.VAR and ref.owner == func.facts.qualname else ref.root == Root.GLOBAL


def _param(value: Value | None, func: Func) -> str:
    """The parameter that the value is, empty where it is something else."""
    names = {param.name for param in func.facts.params}
    found = [
        ref.name
        for ref in refs(value)
        if ref.root == Root.VAR and not ref.path and ref.owner == func.facts.qualname and ref.name in names
    ]
    return found[0] if len(found) == 1 else ""
