"""Which uses of one location may run in parallel: goings-through, tests, additions and removals, thread by thread.

`Sharing` pairs plain accesses; here the same is done for what `Uses` knows of containers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from threadlint.facts.model import Access, Kind
from threadlint.project.bodies.uses import Act, Use, Uses, location_name
from threadlint.project.locks.entry_locks import EntryLocks
from threadlint.project.locks.locks import ANY_LOCK, Step
from threadlint.project.names.things import Cls, Func
from threadlint.project.names.types import Types
from threadlint.project.races.sharing import Race, Sharing, Touch
from threadlint.project.roots.confinement import Confinement
from threadlint.project.roots.contexts import MAIN, Context
from threadlint.project.roots.tokens import HANDED, Given

_MOST_OTHERS = 1000
_TESTS = frozenset({"test", "tests", "testing", "conftest"})


def _in_tests(func: Func) -> bool:
    return not _TESTS.isdisjoint(func.module.name.split("."))


@dataclass(frozen=True, slots=True)
class SharedUse:
    """A use of a shared location, in one context."""

    use: Use
    touch: Touch


@dataclass(slots=True)
class Meetings:
    """Shared uses by location, for the names that are asked about."""

    types: Types
    uses: Uses
    sharing: Sharing
    entry: EntryLocks
    confinement: Confinement
    steps: Callable[[Func], list[Step]]
    _acts: dict[str, dict[str, list[SharedUse]]] = field(default_factory=dict)

    def contexts(self, func: Func) -> list[tuple[Context, int]]:
        """The ways in which the function is reached, each with its roots."""
        return self.sharing.contexts.of(func)

    def roots(self, func: Func) -> int:
        """The roots that reach the function in any way."""
        found = 0
        for _, roots in self.contexts(func):
            found |= roots
        return found

    def on_threads(self) -> list[Func]:
        """The functions that threads reach, in the order of the program."""
        reached = {context.func.id for context, roots in self.sharing.contexts.reached.items() if roots & ~MAIN}
        return [func for func in self.types.links.ordered() if func.id in reached] if reached else []

    def of(self, uses: Iterable[Use]) -> dict[str, list[SharedUse]]:
        """The uses by the shared location that they concern, once for each way in which their function is reached."""
        found: dict[str, list[SharedUse]] = defaultdict(list)
        for use in uses:
            if use.func.id in self.entry.owned or self.confinement.of(use):
                continue
            for context, roots in self.contexts(use.func):
                touch = self.touch(use, context, MAIN if self._left_to_loop(context) else roots)
                if touch is not None:
                    found[touch.location.key].append(SharedUse(use, touch))
        return found

    def touch(self, use: Use, context: Context, roots: int) -> Touch | None:
        """The use as a touch of a shared location; None where only one thread has it."""
        location = self.sharing.location(use.ref, use.func, Given(context.binding), handed=True)
        if location is None:
            return None
        excluding = [one for one in self.steps(use.func)[use.step].held if one.lock.excludes]
        for one in excluding:
            self.sharing.contexts.texts.setdefault(one.lock.key, one)
        held = context.held.union(one.lock.key for one in excluding)
        if any(not one.lock.known for one in excluding):
            held |= {ANY_LOCK}
        access = use.access or Access(use.span, use.ref, Kind.UPDATE, None, use.how)
        return Touch(access, use.step, context, location, held, location.reaching(roots))

    def acts_on(self, name: str) -> dict[str, list[SharedUse]]:
        """What the whole program does, other than read, to shared locations whose last name this is, by location."""
        known = self._acts.get(name)
        if known is None:
            known = self._acts[name] = self.of(self.uses.acts_on(name))
        return known

    def against(self, use: Use, acts: Collection[Act]) -> Race | None:
        """The use and another, of these kinds, of the same location and name, that may run in parallel; those of its own function come first."""
        name, ours = location_name(use.ref), self.of((use,))
        own = self.of(one for one in self.uses.acts(use.func) if location_name(one.ref) == name) if ours else {}
        theirs = self.acts_on(name) if ours else {}
        for key, mine in ours.items():
            for one in mine:
                # unsound: of so many uses of one location, none of which meets this one, the rest is not looked at
                for other in (*own.get(key, ()), *theirs.get(key, ())[:_MOST_OTHERS]):
                    found = self.parallel(one, other) if other.use.act in acts else None
                    if found is not None:
                        return found
        return None

    def race(self, uses: Iterable[Use], others: Iterable[Use]) -> Race | None:
        """Two of the uses, one from each group, that may run in parallel (a use with itself, too, in two threads)."""
        ours = self.of(uses)
        theirs = self.of(others) if ours else {}
        for key, mine in ours.items():
            for one in mine:
                for other in theirs.get(key, ()):
                    found = self.parallel(one, other)
                    if found is not None:
                        return found
        return None

    def parallel(self, one: SharedUse, other: SharedUse) -> Race | None:
        """Whether the two may run in parallel without a common lock."""
        if not (one.touch.roots | other.touch.roots) & ~MAIN:
            return None
        if not self._same_family(one.use, other.use):
            return None
        race = self.sharing.parallel(one.touch, other.touch) or self._from_anywhere(one, other)
        if race is not None and not _in_tests(one.use.func) and any(_in_tests(spawn.func) for spawn in race.roots):
            # unsound: what tests start on threads says little about how the program itself is used
            return None
        return race

    def _same_family(self, one: Use, other: Use) -> bool:
        """Whether the attributes of `self` can be one object's: not in two subclasses of the base that defines the attribute."""
        first, second = self._self_class(one), self._self_class(other)
        if first is None or second is None:
            return True
        return first in self.types.mro(second) or second in self.types.mro(first)

    def _self_class(self, use: Use) -> Cls | None:
        name = self.types.self_name(use.func)
        return (
            self.types.owner(use.func)
            if name and use.ref.name == name and use.ref.owner == use.func.facts.qualname
            else None
        )

    def _from_anywhere(self, one: SharedUse, other: SharedUse) -> Race | None:
        """One side in a thread that outlives the function that starts it, the other behind a public function that anybody may call meanwhile."""
        first, second = one.touch, other.touch
        if ANY_LOCK in first.held | second.held or first.held & second.held:
            return None
        for thread_side, caller_side in ((first, second), (second, first)):
            if not caller_side.roots & MAIN or not self._callable(caller_side):
                continue
            if caller_side.location.owner.kind == HANDED:
                continue  # only its own function has it
            # unsound: two coroutines are taken to run on one event loop, wherever that runs
            if self._on_loop(first) and self._on_loop(second):
                continue
            chain = self.sharing.contexts.chain(caller_side.context)
            for spawn in self.sharing.contexts.roots(thread_side.roots & ~MAIN):
                if spawn.end < 0 and not self.sharing.standstill.at(spawn, caller_side.step, chain):
                    return Race(first, second, (spawn,), with_main=True)
        return None

    def _left_to_loop(self, context: Context) -> bool:
        """Whether the way here calls a coroutine function from a plain one: that makes a coroutine, which runs where the event loop runs."""
        chain = [step.func.facts.is_async for step, _ in self.sharing.contexts.chain(context)]
        return any(inner and not outer for inner, outer in pairwise(chain))

    def _on_loop(self, touch: Touch) -> bool:
        return any(context.func.facts.is_async for context, _ in self.sharing.contexts.chain(touch.context))

    def _callable(self, touch: Touch) -> bool:
        entry = self.sharing.contexts.chain(touch.context)[-1][0].func
        return not entry.is_module and not entry.facts.name.startswith("_")
