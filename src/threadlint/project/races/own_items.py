"""Which elements of a shared container only one thread touches: each thread was given a key of its own, `counts[number]`."""

from __future__ import annotations

from dataclasses import dataclass

from threadlint.facts.model import Const, Loop, Ref, Root, Value
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func
from threadlint.project.roots.thread_roots import Spawn


@dataclass(slots=True)
class OwnItems:
    """Answers by reference and thread."""

    links: Links

    def each(self, ref: Ref, func: Func, spawn: Spawn) -> bool:
        """Whether the threads of one place, several of which run, have a number each, and that is the key."""
        given = self._given(ref, func, spawn)
        if not isinstance(given, Ref):
            return False
        if spawn.distinct:
            return given.root is Root.RESULT and self._callee(given, spawn.func) == "range"
        return given.root is Root.VAR and any(self._counts(loop, given, spawn.func) for loop in spawn.loops)

    def apart(self, one: tuple[Ref, Func, Spawn], other: tuple[Ref, Func, Spawn]) -> bool:
        """Whether the threads of two places were given different keys."""
        ours, theirs = self._given(*one), self._given(*other)
        return isinstance(ours, Const) and isinstance(theirs, Const) and ours.value != theirs.value

    def _given(self, ref: Ref, func: Func, spawn: Spawn) -> Value | None:
        """What the thread was given for the parameter of its function that is a key in the reference."""
        if func is not spawn.target.func or not ref.path:
            return None
        keys = {step[1:-1] for step in ref.path if step.startswith("[")}
        skip = 1 if func.facts.cls and spawn.target.receiver is not None else 0
        for number, param in enumerate(func.facts.params[skip:]):
            bound = self.links.bindings.get((func.id, param.name), ()) if param.name in keys else ()
            if param.name in keys and all(access.form in ("param", "annotation") for _, access in bound):
                named = next((value for name, value in spawn.keywords if name == param.name), None)
                return named if named is not None else spawn.args[number] if number < len(spawn.args) else None
        return None

    def _counts(self, loop: Loop, variable: Ref, func: Func) -> bool:
        """Whether the variable is the number that a loop over `range()` or `enumerate()` counts with."""
        callee = self._callee(loop.value, func)
        counters = loop.targets if callee == "range" else loop.targets[:1] if callee == "enumerate" else ()
        return variable in counters

    def _callee(self, value: Value, func: Func) -> str:
        """The builtin function whose result the value is."""
        if not isinstance(value, Ref) or value.root is not Root.RESULT or value.path:
            return ""
        call = self.links.calls[func.id].get(int(value.name))
        callee = call.callee if call is not None else None
        return callee.name if isinstance(callee, Ref) and callee.root is Root.BUILTIN and not callee.path else ""
