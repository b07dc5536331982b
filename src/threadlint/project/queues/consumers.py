"""Who takes items from a queue: which threads, whether several at once, and whether a `get()` or `put()` waits without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from threadlint.facts.model import Call, Const
from threadlint.knowledge.stdlib import QUEUES
from threadlint.project.names.things import Func
from threadlint.project.queues.queues import Origin, Queues, Use
from threadlint.project.roots.contexts import MAIN, Contexts
from threadlint.project.roots.ownership import Ownership, Token
from threadlint.project.roots.thread_roots import Spawn

GETTING = frozenset({"get", "get_nowait"})
PUTTING = frozenset({"put", "put_nowait"})


@dataclass(frozen=True, slots=True)
class Taker:
    """A use of a queue in one way in which its function is reached: whose queue it is, and the roots that come there."""

    use: Use
    token: Token | None
    roots: int


@dataclass(slots=True)
class Consumers:
    """Answers by queue."""

    queues: Queues
    contexts: Contexts
    ownership: Ownership
    tasks: Callable[[], tuple[Spawn, ...]]
    reached: Callable[[Func], Mapping[str, Func]]

    def takers(self, origin: Origin, methods: frozenset[str] = GETTING) -> Iterator[Taker]:
        """The uses of the queue by these methods, once for each way in which their function is reached."""
        for use in self.queues.uses()[origin]:
            if use.method in methods:
                for context, roots in self.contexts.of(use.func):
                    yield Taker(use, self.ownership.of(use.receiver, use.func, dict(context.binding)), roots)

    def spawns(self, origin: Origin, methods: frozenset[str] = GETTING) -> tuple[Spawn, ...]:
        """The spawns whose threads, or tasks where it is a queue of tasks, use the queue by these methods."""
        found: dict[int, Spawn] = {}
        uses = self.queues.uses()[origin]
        if QUEUES[self.queues.kinds[origin]] == "tasks":
            takers = {use.func.id: use for use in uses if use.method in methods}
            return tuple(
                spawn
                for spawn in self.tasks()
                if any(
                    self._gives(spawn, takers[name], origin) for name in takers.keys() & self.reached(spawn.target.func)
                )
            )
        for taker in self.takers(origin, methods):
            for spawn in self.contexts.roots(taker.roots & ~MAIN):
                if id(spawn) not in found and self._gives(spawn, taker.use, origin):
                    found[id(spawn)] = spawn
        return tuple(found.values())

    def _one_for_all(self, spawn: Spawn, origin: Origin) -> bool:
        """Whether all threads of a loop are given one queue, made before the loop in the same function."""
        frame, number = origin
        given = (*spawn.args, *spawn.call.args, *(value for _, value in (*spawn.keywords, *spawn.call.keywords)))
        return (
            spawn.many
            and bool(spawn.loops)
            and spawn.func.id == frame
            and number not in self.queues.links.looped[frame]
            and any(origin in self.queues.origins(value, spawn.func) for value in given)
        )

    def _gives(self, spawn: Spawn, use: Use, origin: Origin) -> bool:
        """Whether the spawn hands this very queue over, where the target gets it as a parameter."""
        target = spawn.target.func
        names = [param.name for param in target.facts.params]
        if (
            use.func is not target
            or use.receiver.path
            or use.receiver.name not in names
            or use.receiver.owner != target.facts.qualname
        ):
            return True
        position = names.index(use.receiver.name) - (1 if target.facts.cls else 0)
        given = next((value for key, value in spawn.keywords if key == use.receiver.name), None)
        if given is None and 0 <= position < len(spawn.args):
            given = spawn.args[position]
        return given is None or origin in self.queues.origins(given, spawn.func)

    def rivals(self, origin: Origin, func: Func) -> tuple[Spawn, Use] | None:
        """A thread that may take items from the very queue that the function takes them from, at the same time, and where it does."""
        everyone = list(self.takers(origin))
        for one in everyone:
            spawn = next(
                (
                    s
                    for s in self.contexts.roots(one.roots & ~MAIN)
                    if one.use.func is func and self._one_for_all(s, origin)
                ),
                None,
            )
            if spawn is not None:
                return spawn, one.use
        takers = [taker for taker in everyone if taker.token is not None and taker.token.shared]
        for one in takers:
            if one.use.func is not func:
                continue
            for other in takers:
                if one.token != other.token:
                    continue
                many = [spawn for spawn in self.contexts.roots(one.roots & other.roots & ~MAIN) if spawn.many]
                if many:
                    return many[0], other.use
                for ours in self.contexts.roots(one.roots & ~MAIN):
                    for theirs in self.contexts.roots(other.roots & ~MAIN):
                        if ours is not theirs:
                            return theirs, other.use
        return None


def waits_for_ever(call: Call, *, awaited: bool = False) -> bool:
    """Whether the `get()` or `put()` waits without a limit: no timeout, and not told not to wait; with `awaited`, a coroutine's that is awaited as it is."""
    if awaited and not call.use.startswith("awaited"):
        return False
    method = call.callee.path[-1] if hasattr(call.callee, "path") and call.callee.path else ""
    if method not in ("get", "put") or call.starred:
        return False
    first = 1 if method == "put" else 0
    block, timeout = call.argument(first, "block"), call.argument(first + 1, "timeout")
    if isinstance(block, Const) and not block.value:
        return False
    return (block is None or isinstance(block, Const)) and (timeout is None or timeout == Const(None))
