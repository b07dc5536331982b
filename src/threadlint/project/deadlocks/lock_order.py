"""In which order locks are taken: pairs of a lock that is held and one that is taken then, and the cycles of such pairs.

The critical pairs of Infer's starvation analysis (Kling et al.; Brotherston et al., "A compositional deadlock detector for Android Java", ASE 2021), with
the Goodlock conditions (Havelund, SPIN 2000): the pairs of a cycle must be able to run in parallel, and no gate lock may be held around two of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from threadlint.facts.model import Ref, Root, Span, With
from threadlint.project.deadlocks.rings import rings
from threadlint.project.locks.acquires import Acquire, Acquires
from threadlint.project.locks.entry_locks import OWNED_METHODS, EntryLocks
from threadlint.project.locks.locks import ANY_LOCK, Held, Lock, Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func
from threadlint.project.roots.overlap import Overlap
from threadlint.project.roots.task_overlap import TaskOverlap

_MOST_EDGES = 12
_MOST_PATHS = 4000
_MOST_TRIALS = 2000


class Harmless(Enum):
    """Why a ring of locks is no deadlock."""

    GATE = "gate"
    """a lock is held around two of the pairs, so that only one of these threads gets that far"""
    APART = "apart"
    """the pairs cannot run in parallel"""


@dataclass(frozen=True, slots=True)
class Edge:
    """While `held` is held in `func`, `taken` is taken: at `span`, or below the call that stands there. `gates` are the other locks held meanwhile."""

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
    task_overlap: TaskOverlap
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

    def taken(self) -> set[str]:
        """The keys of all locks that the project takes anywhere."""
        return {
            acquire.lock.key
            for func in self.links.ordered()
            for step in self.steps(func)
            for acquire in self.acquires.own(func, step)
            if acquire.lock.known and acquire.lock.excludes
        }

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
        if not _counts(acquire.lock):
            return
        above = self.entry.always.get(func.id, frozenset())
        # taking a re-entrant lock again, or one that the caller holds, waits for nobody
        if any(held.lock.key == acquire.lock.key and held.value == acquire.value for held in holding):
            return
        if acquire.lock.key in above and acquire.lock.reentrant:
            return
        keys = above | {one.lock.key for one in holding if one.lock.excludes}
        for held in holding:
            if (
                _counts(held.lock)
                and held.lock.kind.world == acquire.lock.kind.world
                and isinstance(held.value, Ref)
                and (held.lexical or held.lock.key not in self.handed_over)
            ):
                yield Edge(held, acquire, func, span, keys - {held.lock.key, acquire.lock.key, ANY_LOCK})

    def cycles(self) -> Iterator[tuple[Edge, ...]]:
        """Rings of locks whose pairs can run in parallel with no gate around two of them; longer rings only where no shorter one joins their locks."""
        seen: list[frozenset[str]] = []
        for ring, hops in self._rings():
            locks = frozenset(ring)
            found = None if any(smaller <= locks for smaller in seen) else self._possible(hops)
            if isinstance(found, tuple):
                seen.append(locks)
                yield found

    def between(self, wanted: str, held: str, waiting: Func, holding: frozenset[str]) -> Edge | None:
        """Somebody who takes the lock `held` while it holds the lock `wanted`, at the same time as `waiting` waits with the locks `holding`."""
        for edge in self.edges().get((wanted, held), ())[:_MOST_EDGES]:
            ours = edge.gates | {wanted}
            if not ours & holding and self._in_parallel(edge.func, waiting, edge.held.lock):
                return edge
        return None

    def harmless(self) -> Iterator[tuple[tuple[str, ...], Harmless, frozenset[str]]]:
        """Rings of two locks that are no deadlock: the keys of the locks, why, and the gates that are held around all of its pairs."""
        for ring, hops in self._rings():
            found = self._possible(hops) if len(ring) == 2 else ()
            if isinstance(found, Harmless):
                gates = frozenset.intersection(*(edge.gates for hop in hops for edge in hop))
                yield ring, found, gates if found is Harmless.GATE else frozenset()

    def _rings(self) -> Iterator[tuple[tuple[str, ...], list[list[Edge]]]]:
        edges = {pair: found for pair, found in self.edges().items() if pair[0] != pair[1]}
        after: dict[str, list[str]] = defaultdict(list)
        for first, second in sorted(edges):
            after[first].append(second)
        for ring in sorted(rings(after, _MOST_PATHS), key=lambda ring: (len(ring), ring)):
            yield ring, [edges[name, ring[(number + 1) % len(ring)]] for number, name in enumerate(ring)]

    def _in_parallel(self, one: Func, other: Func, lock: Lock) -> bool:
        return (self.task_overlap if lock.kind.world == "tasks" else self.overlap).of(one, other)

    def _possible(self, hops: list[list[Edge]]) -> tuple[Edge, ...] | Harmless:
        """One pair for each hop such that all can be under way at once: each in a thread of its own, all of them holding different locks."""
        if len(hops) == 2:
            # unsound: the object above may be one below after all
            hops = [[edge for edge in hop if not _above(edge, hops[1 - number])] for number, hop in enumerate(hops)]
        choices = [
            sorted(hop, key=lambda edge: (not edge.certain, len(edge.taken.chain)))[:_MOST_EDGES] for hop in hops
        ]
        why = Harmless.GATE
        todo: list[tuple[Edge, ...]] = [()]
        for _ in range(_MOST_TRIALS):
            if not todo:
                return why
            chosen = todo.pop()
            if len(chosen) == len(choices):
                return chosen
            free = [edge for edge in choices[len(chosen)] if all(_disjoint(edge, other) for other in chosen)]
            fit = [
                edge
                for edge in free
                if all(self._in_parallel(edge.func, other.func, edge.held.lock) for other in chosen)
            ]
            if len(fit) < len(free):
                why = Harmless.APART
            todo.extend((*chosen, edge) for edge in reversed(fit))
        return why


def _counts(lock: Lock) -> bool:
    return lock.known and lock.excludes and not lock.each and lock.kind.world in ("threads", "tasks")


def _above(edge: Edge, back: list[Edge]) -> bool:
    """Whether the pair `A -> B` goes on to take an `A` again by another name: an object that has parts of its own class, and locks them below it."""
    here = (edge.taken.func, edge.taken.span)
    return any((other.held.func, other.held.span) == here and not _own(other.taken.value, other.func) for other in back)


def _disjoint(one: Edge, other: Edge) -> bool:
    """Whether two threads can hold at once what these two hold."""
    ours, theirs = one.gates | {one.held.lock.key}, other.gates | {other.held.lock.key}
    return not ours & theirs


def _own(value: object, func: Func) -> bool:
    if not isinstance(value, Ref):
        return False
    if value.root == Root.VAR:
        params = func.facts.params
        own = bool(func.facts.cls) and bool(params) and value.name == params[0].name
        return (own and len(value.path) == 1) or not value.path
    return True
