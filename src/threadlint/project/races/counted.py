"""Races behind a semaphore that lets several threads in: the one lock that the program trusts there does not exclude anybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from threadlint.project.bodies.uses import Use
from threadlint.project.locks.locks import Held, Step
from threadlint.project.names.things import Func
from threadlint.project.races.sharing import Race, Touch
from threadlint.project.roots.contexts import Contexts


@dataclass(slots=True)
class Counted:
    """Answers for races and steps."""

    contexts: Contexts
    steps: Callable[[Func], list[Step]]

    def of(self, race: Race) -> Held | None:
        """The semaphore for several that is held at both accesses, in their functions or around the calls that lead there; None where there is none."""
        second = {one.lock.key for one in self._around(race.second)}
        return next((one for one in self._around(race.first) if one.lock.key in second), None)

    def at(self, use: Use) -> Held | None:
        """The semaphore for several that is held where the use stands, which may be another function than that of a test before it."""
        return next((one for one in self.steps(use.func)[use.step].held if one.lock.permits > 1), None)

    def _around(self, touch: Touch) -> list[Held]:
        found = [one for one in self.steps(touch.func)[touch.step].held if one.lock.permits > 1]
        for context, origin in self.contexts.chain(touch.context, threads=True):
            if origin.context is not None and origin.step >= 0 and context is not None:
                steps = self.steps(origin.context.func)
                found += [one for one in steps[origin.step].held if one.lock.permits > 1]
        return found
