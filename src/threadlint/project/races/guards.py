"""Which lock guards which location, told by how the program uses it: the locks held at most of the accesses.

Guarded-by inference in the manner of SpotBugs' inconsistent synchronisation (Hovemeyer and Pugh, OOPSLA 2004) and of Coverity's "held in three of
four accesses" (Engler et al., SOSP 2001): a write weighs two, a read one. It needs no thread roots: who owns a lock expects other threads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Ref
from threadlint.project.bodies.contents import Contents
from threadlint.project.bodies.uses import Act, Use, Uses, location_name
from threadlint.project.locks.entry_locks import OWNED_METHODS, EntryLocks, guard_keys
from threadlint.project.locks.lock_names import compact, lock_stem
from threadlint.project.locks.locks import ANY_LOCK, Held, Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Cls, Func
from threadlint.project.names.types import Types
from threadlint.project.races.sharing import Location, Sharing
from threadlint.project.roots.confinement import Confinement
from threadlint.project.roots.ownership import Token

_TELLING = 3


@dataclass(frozen=True, slots=True)
class GuardedUse:
    """A use of a location: `held` are the keys of the locks held there, by the function or by all its callers.

    `unsure` where some callers hold a lock and others do not, or where nothing is known of the callers.
    """

    use: Use
    location: Location
    held: frozenset[str]
    unsure: bool
    bare: bool = False
    """unsure, but a public function, which a call in the project is seen to reach without any lock"""


@dataclass(frozen=True, slots=True)
class Guard:
    """A location, the lock that guards it (`lock` is its key), and its uses with and without the lock."""

    location: Location
    lock: str
    text: str
    """how the program names the lock"""
    inside: tuple[GuardedUse, ...]
    outside: tuple[GuardedUse, ...]
    unsure: tuple[GuardedUse, ...] = ()
    """uses that do not count: some callers hold the lock, or only another lock is held"""

    @property
    def writes(self) -> int:
        """How many of the accesses under the lock write."""
        return sum(one.use.act.writes for one in self.inside)

    @property
    def total(self) -> int:
        """The number of accesses that count."""
        return len(self.inside) + len(self.outside)


@dataclass(slots=True)
class Guards:
    """Finds the guards of a project."""

    links: Links
    types: Types
    contents: Contents
    uses: Uses
    sharing: Sharing
    entry: EntryLocks
    steps: Callable[[Func], list[Step]]
    confinement: Confinement
    _texts: dict[str, str] = field(default_factory=dict)
    _used: dict[str, list[GuardedUse]] = field(default_factory=dict)
    _found: dict[str, Guard] | None = None

    def all(self) -> dict[str, Guard]:
        """The guarded locations, by key."""
        if self._found is None:
            self._used = self._candidates()
            found = ((key, self._infer(uses)) for key, uses in self._used.items())
            self._found = {key: guard for key, guard in found if guard is not None}
        return self._found

    def by_name(self) -> Iterator[Guard]:
        """Locations of which the lock's name alone says that it is for them: `row_lock` for `rows`, which few accesses hold."""
        sure = self.all()
        for key, uses in self._used.items():
            guard = self._named_for(uses) if key not in sure else None
            if guard is not None:
                yield guard

    def _named_for(self, uses: list[GuardedUse]) -> Guard | None:
        name = compact(uses[0].location.key.rstrip("[]").rpartition(".")[2])
        for lock in sorted({key for one in uses if one.use.act.writes for key in one.held if key != ANY_LOCK}):
            stem = lock_stem(self._text(lock).rpartition(".")[2])
            inside = tuple(one for one in uses if lock in one.held)
            if len(stem) >= _TELLING and name.startswith(stem) and len(inside) > 1:
                outside = self._knowing([one for one in uses if not one.held and not one.unsure], lock)
                told = set(map(id, (*inside, *outside)))
                unsure = tuple(one for one in uses if id(one) not in told)
                return Guard(inside[0].location, lock, self._text(lock), inside, tuple(outside), unsure)
        return None

    def _candidates(self) -> dict[str, list[GuardedUse]]:
        """By location: its uses, for locations that some function changes under a lock."""
        names: set[str] = set()
        holding = {func.id for func in self.contents.having(Held)}
        for func_id in holding | {func_id for func_id, keys in self.entry.always.items() if keys}:
            func = self.links.funcs[func_id]
            above = self.entry.always.get(func_id, frozenset())
            steps = self.steps(func)
            for use in self.uses.acts(func):
                if use.act.writes and (above or guard_keys(steps[use.step].held)):
                    names.add(location_name(use.ref))
        found: dict[str, list[GuardedUse]] = defaultdict(list)
        for func in self.links.mentions.functions(names):
            if func.is_module or func.id in self.entry.owned:
                continue
            mine = [use for use in self.uses.of(func) if location_name(use.ref) in names]
            if not mine:
                continue
            binding = default_binding(func, self.types)
            for use in mine:
                location = self.sharing.location(use.ref, func, binding)
                if location is not None and not self.confinement.of(use):
                    found[location.key].append(self._guarded(use, location))
        return {key: list(_one_per_line(uses)) for key, uses in found.items()}

    def _guarded(self, use: Use, location: Location) -> GuardedUse:
        here = guard_keys(self.steps(use.func)[use.step].held)
        held = here | self.entry.always.get(use.func.id, frozenset())
        doubtful = self.entry.ever.get(use.func.id, frozenset()) - held
        nested = bool(use.func.facts.owner)
        unsure = bool(doubtful) or (nested and not here)
        return GuardedUse(
            use,
            location,
            held,
            unsure,
            unsure
            and not held
            and not nested
            and not use.func.facts.name.startswith("_")
            and use.func.id in self.entry.bare,
        )

    def _infer(self, uses: list[GuardedUse]) -> Guard | None:
        """The lock with the weightiest uses, if they outweigh those without any."""
        under: dict[str, list[GuardedUse]] = defaultdict(list)
        for one in uses:
            for key in one.held if ANY_LOCK not in one.held else ():
                under[key].append(one)
        anyhow = [one for one in uses if ANY_LOCK in one.held]
        bare = [one for one in uses if not one.held and not one.unsure]
        locks = {key for one in uses if one.use.act.writes for key in one.held if key != ANY_LOCK}
        best, most = "", 0
        always = _weight(anyhow)
        for lock in sorted(locks):
            number, weight = len(under[lock]) + len(anyhow), _weight(under[lock]) + always
            outside = self._knowing(bare, lock)
            without = _weight(outside)
            # at least half of the accesses are under the lock, or they weigh twice as much as the others; one access alone says nothing
            half = number >= len(outside) and not self._belongs_elsewhere(lock, under[lock])
            if weight > most and number > 1 and (weight >= 2 * without or half):
                best, most = lock, weight
        if not best:
            return None
        inside = tuple(one for one in uses if best in one.held or ANY_LOCK in one.held)
        outside = self._knowing(bare, best)
        told = set(map(id, (*inside, *outside)))
        unsure = tuple(one for one in uses if id(one) not in told)
        return Guard(inside[0].location, best, self._text(best), inside, tuple(outside), unsure)

    def _belongs_elsewhere(self, lock: str, uses: list[GuardedUse]) -> bool:
        """Whether the lock is always one of another object than the location is: it may be held there for what that object has."""
        for one in uses:
            held = [held for held in self.steps(one.use.func)[one.use.step].held if held.lock.key == lock]
            if not held:
                return False  # by a caller
            for value in (one.value for one in held):
                if not isinstance(value, Ref) or len(value.path) < 2 or value.receiver == one.use.ref.receiver:
                    return False
        return True

    def _knowing(self, uses: list[GuardedUse], lock: str) -> list[GuardedUse]:
        """The uses in code that can know the lock: methods of a base class cannot take one that a subclass makes."""
        maker = self.links.funcs.get(lock.rpartition("#")[0])
        cls = self.types.owner(maker) if maker is not None else None
        if cls is None:
            return uses
        above = {base.id for base in self.types.mro(cls)[1:] if isinstance(base, Cls)}
        return [one for one in uses if f"{one.use.func.module.name}:{one.use.func.facts.cls}" not in above]

    def _text(self, lock: str) -> str:
        if not self._texts:
            for func in self.contents.having(Held):
                for step in self.steps(func):
                    for held in step.held:
                        self._texts.setdefault(held.lock.key, held.lock.text)
        return self._texts.get(lock, lock.rpartition(":")[2])


def _one_per_line(uses: list[GuardedUse]) -> Iterator[GuardedUse]:
    """What is written as one access counts as one: the call `self.rows.values()` and the loop over it, say."""
    best: dict[tuple[str, int], GuardedUse] = {}
    for one in uses:
        place = (one.use.func.id, one.use.span[0])
        if place not in best or _STRENGTH[one.use.act] > _STRENGTH[best[place].use.act]:
            best[place] = one
    yield from best.values()


_STRENGTH = {Act.READ: 0, Act.REBIND: 1, Act.REORDER: 2, Act.REMOVE: 2, Act.ADD: 2, Act.ITERATE: 3, Act.UPDATE: 4}


def _weight(uses: list[GuardedUse]) -> int:
    return sum(2 if one.use.act.writes else 1 for one in uses)


def default_binding(func: Func, types: Types) -> dict[str, Token]:
    """Whose the parameters are when anybody may call the function: `self` is some instance that other threads may have too."""
    name = types.self_name(func)
    if not name or func.facts.name in OWNED_METHODS:
        return {}
    return {name: Token("self", f"{func.module.name}:{func.facts.cls}")}
