"""What is asked of conditions, events, barriers and semaphores: `project.signals`, each answer computed when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from threadlint.project.signals.answers import Answers
from threadlint.project.signals.conditions import Conditions
from threadlint.project.signals.parties import Gathering, Gatherings
from threadlint.project.signals.predicates import Predicates
from threadlint.project.signals.signals import Origin, SignalCall, Signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadlint.facts.model import Call, Value
    from threadlint.project.names.things import Func
    from threadlint.project.project import Project


@dataclass(slots=False)
class SignalQuestions:
    """The questions."""

    project: Project

    def calls(self, kind: str, *methods: str) -> Iterator[SignalCall]:
        """The calls of these methods on signals of this kind, function by function in the order of evaluation."""
        return self._index.calls(kind, *methods)

    def on(self, origins: frozenset[Origin], kind: str, *methods: str) -> Iterator[SignalCall]:
        """Those of the calls that can mean one of these signals."""
        return self._index.on(origins, kind, *methods)

    def made(self, origin: Origin) -> tuple[Func, Call]:
        """Where the signal is made: the function, and the call of its class."""
        return self._index.made(origin)

    def origins(self, value: Value | None, func: Func) -> frozenset[Origin]:
        """The signals that the value can be, where their making is seen."""
        return self._index.origins(value, func)

    @cached_property
    def _index(self) -> Signals:
        return Signals(self.project.types, self.project.links, self.project.steps)

    @cached_property
    def predicates(self) -> Predicates:
        """What tests look at."""
        return Predicates(self.project.types, self.project.uses)

    @cached_property
    def conditions(self) -> Conditions:
        """How conditions are waited for, and which notifications are lost."""
        return Conditions(self._index, self.predicates, self.project.uses, self.project.entry, self.project.steps)

    @cached_property
    def gatherings(self) -> tuple[Gathering, ...]:
        """Barriers, and how many come to each."""
        project = self.project
        found = Gatherings(
            project.links,
            project.types,
            self._index,
            project.pools,
            project.named_calls,
            project.steps,
            project.spawns,
            project.tasks,
            project.forks.processes,
        )
        return tuple(found.all())

    @cached_property
    def answers(self) -> Answers:
        """Who ends waits."""
        project = self.project
        return Answers(
            project.links,
            project.types,
            self._index,
            self.predicates,
            project.uses,
            project.entry,
            project.pools,
            project.named_calls,
            project.steps,
            project.spawns,
        )
