"""In which order locks are taken: pairs of a lock that is held and one that is taken then, and the cycles of such pairs.

The critical pairs of Infer's starvation analysis (Kling et al.; Brotherston et al., "A compositional deadlock detector for Android Java", ASE 2021), with
the Goodlock conditions (Havelund, SPIN 2000): the pairs of a cycle must be able to run in parallel, and no gate lock may be held around all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, product

from threadlint.facts.model import Ref, Root, Span, With
from threadlint.project.locks.acquires import Acquire, Acquires
from threadlint.project.locks.entry_locks import OWNED_METHODS, EntryLocks
from threadlint.project.locks.locks import Held, Lock, Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func
from threadlint.project.roots.overlap import Overlap

_LONGEST = 4
_MOST_EDGES = 12


@dataclass(frozen=True, slots=True)
class Edge:
    """While `held` is held in `func`, `taken` is taken: at `span`, or below the call that stands there. `gates` are the locks held around both."""

    held: Held
    taken: Acquire
    func: Func
    span: Span
    gates: frozenset[str]

    @property
    def certain(self) -> bool:
        """Whether both are the same locks in every run: globals, or attributes of the object itself."""
        return all(_own(value, self.func) for value in (self.held.value, self.taken.value))


@dataclass(slots=True)
class LockOrder:
    """The pairs and cycles of a project."""

    links: Links
    acquires: Acquires
    steps: Callable[[Func], list[Step]]
    entry: EntryLocks
    overlap: Overlap
    handed_over: frozenset[str]
    _edges: dict[tuple[str, str], list[Edge]] | None = field(default=None)

    def edges(self) -> dict[tuple[str, str], list[Edge]]:
        """All pairs, by the keys of the lock held and the lock taken; the two keys are equal where both are locks of two objects of one class."""
        if self._edges is None:
            found: dict[tuple[str, str], list[Edge]] = defaultdict(list)
            for func in self.links.ordered():
                if func.facts.name in OWNED_METHODS:
                    continue
                for step in self.steps(func):
                    if step.held or isinstance(step.node, With):
                        for edge in self._pairs(func, step):
                            found[edge.held.lock.key, edge.taken.lock.key].append(edge)
            self._edges = dict(found)
        return self._edges

    def _pairs(self, func: Func, step: Step) -> Iterator[Edge]:
        before = list(step.held)
        for acquire in self.acquires.own(func, step):
            yield from self._under(func, tuple(before), acquire, acquire.span)
            if acquire.value is not None:
                # `with a, b:` holds `a` while it takes `b`
                before.append(Held(acquire.lock, acquire.value, func, acquire.span))
        for acquire in self.acquires.called(func, step):
            yield from self._under(func, step.held, acquire, acquire.chain[0][1])

    def _under(self, func: Func, holding: tuple[Held, ...], acquire: Acquire, span: Span) -> Iterator[Edge]:
        if not self._counts(acquire.lock):
            return
        above = self.entry.always.get(func.id, frozenset())
        # taking a re-entrant lock again, or one that the caller holds, waits for nobody
        if any(held.lock.key == acquire.lock.key and held.value == acquire.value for held in holding):
            return
        if acquire.lock.key in above and acquire.lock.reentrant:
            return
        for number, held in enumerate(holding):
            if (
                self._counts(held.lock)
                and isinstance(held.value, Ref)
                and (held.lexical or held.lock.key not in self.handed_over)
            ):
                outer = frozenset(one.lock.key for one in holding[:number]) | above
                yield Edge(held, acquire, func, span, outer - {held.lock.key, acquire.lock.key})

    def _counts(self, lock: Lock) -> bool:
        return lock.known and lock.excludes and not lock.each and lock.kind.world == "threads"

    def cycles(self) -> Iterator[tuple[Edge, ...]]:
        """Cycles of two to four locks whose pairs can run in parallel without a common gate; longer ones only where no shorter one joins their locks."""
        edges = {pair: found for pair, found in self.edges().items() if pair[0] != pair[1]}
        after: dict[str, list[str]] = defaultdict(list)
        for first, second in edges:
            after[first].append(second)
        seen: set[frozenset[str]] = set()
        for ring in sorted(_rings(after), key=lambda ring: (len(ring), ring)):
            locks = frozenset(ring)
            if any(smaller < locks or smaller == locks for smaller in seen):
                continue
            hops = [edges[ring[number], ring[(number + 1) % len(ring)]] for number in range(len(ring))]
            found = self._possible(hops)
            if found is not None:
                seen.add(locks)
                yield found

    def _possible(self, hops: list[list[Edge]]) -> tuple[Edge, ...] | None:
        choices = [
            sorted(hop, key=lambda edge: (not edge.certain, len(edge.taken.chain)))[:_MOST_EDGES] for hop in hops
        ]
        for ring in product(*choices):
            if frozenset.intersection(*(edge.gates for edge in ring)):
                continue
            if all(self.overlap.of(one.func, other.func) for one, other in combinations(ring, 2)):
                return ring
        return None


def _rings(after: dict[str, list[str]]) -> Iterator[tuple[str, ...]]:
    """Simple cycles, each from its smallest name on."""
    for start in sorted(after):
        todo: list[tuple[str, ...]] = [(start,)]
        while todo:
            path = todo.pop()
            for name in after.get(path[-1], ()):
                if name == start and len(path) > 1:
                    yield path
                elif name > start and name not in path and len(path) < _LONGEST:
                    todo.append((*path, name))


def _own(value: object, func: Func) -> bool:
    if not isinstance(value, Ref):
        return False
    if value.root == Root.VAR:
        params = func.facts.params
        own = bool(func.facts.cls) and bool(params) and value.name == params[0].name
        return (own and len(value.path) == 1) or not value.path
    return True
