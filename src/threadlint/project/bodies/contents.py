"""Which functions can matter to a rule: those that have what it looks for, by the kinds of their nodes, the locks they hold, and what of the library they call.

Read once for all rules. That each of them goes through all functions, their steps and their calls is most of what a large project would cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Kind, Node
from threadlint.project.locks.locks import Held, Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import ClassThing, Cls, External, Func, FunctionThing
from threadlint.project.names.types import Types

_BUILTINS = "builtins."


@dataclass(slots=True)
class Contents:
    """Answers of functions, always in the order of the program."""

    links: Links
    types: Types
    steps: Callable[[Func], list[Step]]
    _order: dict[Func, int] = field(default_factory=dict)
    _special: dict[object, list[Func]] | None = None
    _callers: dict[object, list[Func]] | None = None

    def having(self, *kinds: type[Node | Held] | Kind) -> list[Func]:
        """The functions with nodes of one of these types; `Held` stands for steps under a lock, `Kind.UPDATE` for updates."""
        if self._special is None:
            self._special = self._by(self._specials)
        return self._together(
            self._special[kind] if kind in self._special else self.links.mentions.having(kind)  # type: ignore[arg-type]
            for kind in kinds
        )

    def callers_of(self, things: Iterable[str | Cls | Func]) -> list[Func]:
        """The functions that may call one of these, under whatever name: functions of the library by dotted name (no builtins), classes and functions."""
        if self._callers is None:
            self._callers = self._by(self._called)
        callers = self._callers
        return self._together(callers[thing] for thing in things if thing in callers)

    def _together(self, found: Iterable[Iterable[Func]]) -> list[Func]:
        if not self._order:
            self._order = {func: number for number, func in enumerate(self.links.ordered())}
        return sorted({func for funcs in found for func in funcs}, key=self._order.__getitem__)

    def _by(self, features: Callable[[Func], set[object]]) -> dict[object, list[Func]]:
        found: dict[object, list[Func]] = defaultdict(list)
        for func in self.links.ordered():
            for feature in features(func):
                found[feature].append(func)
        return dict(found)

    def _specials(self, func: Func) -> set[object]:
        found: set[object] = set()
        for step in self.steps(func):
            if step.held:
                found.add(Held)
            if type(step.node) is Access and step.node.kind is Kind.UPDATE:
                found.add(Kind.UPDATE)
        return found

    def _called(self, func: Func) -> set[object]:
        found: set[object] = set()
        for call in self.links.calls[func.id].values():
            for thing in self.types.of(call.callee, func):
                if type(thing) is External:
                    if not thing.name.startswith(_BUILTINS):
                        found.add(thing.name)
                elif type(thing) is FunctionThing:
                    found.add(thing.func)
                elif type(thing) is ClassThing:
                    found.add(thing.cls)
        return found
