"""How many threads, processes or tasks come to a barrier, where the program says so in numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, If, Loop, Match, Ref, Span, Try
from threadlint.knowledge.stdlib import EXECUTORS, POOLS
from threadlint.project.locks.locks import Step
from threadlint.project.names.call_graph import NamedCalls
from threadlint.project.names.counts import length, number, total
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func, Object
from threadlint.project.names.types import Types
from threadlint.project.roots.pools import Pools
from threadlint.project.roots.processes import ProcessSpawn
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.signals.signals import Origin, SignalCall, Signals

USUAL_LEAST = 5
"""Workers that `ThreadPoolExecutor()` has at least: `min(32, cpus + 4)`, with one processor (library reference)."""
USUAL_MOST = 32


@dataclass(frozen=True, slots=True)
class Workers:
    """The pool that all who come run on: where it is made, and how many it has at least and at most."""

    func: Func
    call: Call
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Gathering:
    """A barrier with a known number of parties, and who comes: `started` by the spawns (None where that is not known) and the spawning thread itself."""

    made: Func
    call: Call
    parties: int
    waits: tuple[SignalCall, ...]
    starts: tuple[tuple[Func, Span], ...]
    started: int | None
    itself: int
    workers: Workers | None
    once: bool
    """each of them waits just once"""

    @property
    def limited(self) -> bool:
        """Whether a timeout breaks the barrier when too few come."""
        return self.call.argument(2, "timeout") is not None or any(
            wait.call.argument(0, "timeout") is not None for wait in self.waits
        )


@dataclass(frozen=True, slots=True)
class _Start:
    """One place that makes others come."""

    func: Func
    call: Call
    target: Func
    pool: bool
    times: int | None


@dataclass(slots=True)
class Gatherings:
    """Finds them."""

    links: Links
    types: Types
    signals: Signals
    pools: Pools
    named: NamedCalls
    steps: Callable[[Func], list[Step]]
    spawns: tuple[Spawn, ...]
    tasks: tuple[Spawn, ...]
    processes: tuple[ProcessSpawn, ...]

    def all(self) -> Iterator[Gathering]:
        """Every barrier whose parties are a known number, and all of whose waits are seen in threads that one function starts."""
        waits: dict[Origin, list[SignalCall]] = {}
        for wait in self.signals.calls("barrier", "wait"):
            for origin in wait.origins if len(wait.origins) == 1 else ():
                waits.setdefault(origin, []).append(wait)
        interrupted = {origin for call in self.signals.calls("barrier", "abort", "reset") for origin in call.origins}
        for origin, calls in waits.items():
            made, call = self.signals.made(origin)
            parties = number(self.links, call.argument(0, "parties"), made)
            if parties is not None and origin not in interrupted and not self._looped(made, call):
                found = self._gathering(made, call, parties, calls)
                if found is not None and not self._handed_on(origin):
                    yield found

    def _handed_on(self, origin: Origin) -> bool:
        """Whether `barrier.wait` itself is given to somebody: `Thread(target=barrier.wait)`."""
        for func in self.links.ordered():
            for call in self.links.calls[func.id].values():
                for value in (*call.args, *(given for _, given in call.keywords)):
                    if (
                        isinstance(value, Ref)
                        and value.path[-1:] == ("wait",)
                        and origin in self.signals.origins(value.receiver, func)
                    ):
                        return True
        return False

    def _looped(self, func: Func, call: Call) -> bool:
        return call.id in self.links.looped[func.id]

    def _gathering(self, made: Func, call: Call, parties: int, waits: list[SignalCall]) -> Gathering | None:
        starts: list[_Start] = []
        itself = 0
        for wait in waits:
            coming = [start for start in self._starts() if wait.func.id in self.pools.reached(start.target)]
            starts.extend(start for start in coming if start not in starts)
            if not coming:
                itself += 1
        scopes = {start.func.id for start in starts}
        mine = {
            wait.func.id for wait in waits if not any(wait.func.id in self.pools.reached(one.target) for one in starts)
        }
        if len(scopes) != 1 or not mine <= scopes or itself > 1:
            return None
        once, workers = self._one_life(made, starts[0].func), self._workers(starts)
        if not once and workers is None:
            return None
        if any(wait.step.loops for wait in waits if wait.func.id in mine):
            return None
        times = [start.times for start in starts]
        theirs = [wait for wait in waits if wait.func.id not in mine]
        return Gathering(
            made,
            call,
            parties,
            tuple(waits),
            tuple((start.func, start.call.span) for start in starts),
            sum(one for one in times if one is not None) if once and None not in times else None,
            itself,
            workers,
            len(theirs) == 1 and all(start.target is theirs[0].func for start in starts) and not theirs[0].step.context,
        )

    def _one_life(self, made: Func, starter: Func) -> bool:
        """Whether the function that starts them runs once for each barrier."""
        if made is starter:
            return True
        if starter.is_module:
            return made.is_module
        calls = list(self.named.of(starter))
        return (
            made.is_module
            and len(calls) == 1
            and calls[0][1].id not in self.links.looped[calls[0][0].id]
            and calls[0][0].is_module
        )

    def _starts(self) -> Iterator[_Start]:
        for spawn in (*self.spawns, *self.tasks):
            if spawn.kind == "framework":
                continue
            pool = spawn.kind in ("executor", "pool")
            yield _Start(spawn.func, spawn.call, spawn.target.func, pool, self._times(spawn))
        for process in self.processes:
            loops = self._step(process.func, process.call)
            times = None if loops is None else total(self.links, loops.loops, process.func)
            yield _Start(process.func, process.call, process.target.func, pool=False, times=times)

    def _times(self, spawn: Spawn) -> int | None:
        step = self._step(spawn.func, spawn.call)
        if step is None or any(isinstance(node, (If, Try, Match)) for node, _ in step.context if not _harmless(node)):
            return None
        loops: tuple[Loop, ...] = spawn.loops
        times = total(self.links, loops, spawn.func)
        if times is None or not spawn.distinct:
            return times
        items = [length(self.links, value, spawn.func) for value in spawn.call.args[1:]]
        return None if not items or None in items else times * min(one for one in items if one is not None)

    def _step(self, func: Func, call: Call) -> Step | None:
        return next(
            (step for step in self.steps(func) if isinstance(step.node, Call) and step.node.id == call.id), None
        )

    def _workers(self, starts: list[_Start]) -> Workers | None:
        """The one pool that all of them run on."""
        if not all(start.pool for start in starts):
            return None
        found = {pool for start in starts for pool in self.pools.of(start.func, start.call)}
        if len(found) != 1 or any(len(self.pools.of(start.func, start.call)) != 1 for start in starts):
            return None
        owner, at = found.pop()
        func = self.links.funcs[owner]
        call = self.links.calls[owner][at]
        kinds = {thing.type for thing in self.types.of(call.result, func) if isinstance(thing, Object)}
        if kinds <= EXECUTORS.keys():
            value = call.argument(0, "max_workers")
            least, most = USUAL_LEAST, USUAL_MOST
        elif kinds <= POOLS.keys():
            value = call.argument(0, "processes")
            least, most = 1, 0
        else:
            return None
        if value is None:
            return Workers(func, call, least, most) if most and not call.args else None
        size = number(self.links, value, func)
        return Workers(func, call, size, size) if size is not None else None


def _harmless(node: object) -> bool:
    """`if __name__ == "__main__":` and a `try` around everything do not change how many there are."""
    return isinstance(node, Try) or (isinstance(node, If) and _is_main(node))


def _is_main(node: If) -> bool:
    return getattr(getattr(node.test, "left", None), "name", "") == "__name__"
