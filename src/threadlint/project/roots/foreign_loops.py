"""Which functions run in threads that are not their event loop's, and so may not touch what belongs to that loop.

A thread that makes or runs a loop of its own, and what a coroutine does, is left out: that runs where some loop runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, If, Ref, Try
from threadlint.knowledge.loop_bound import ASKING, OWN_LOOP, RUNNING, TRIED
from threadlint.knowledge.stdlib import LOOP_TYPES
from threadlint.project.bodies.contents import Contents
from threadlint.project.locks.locks import Step
from threadlint.project.names.callables import HANDING
from threadlint.project.names.linker import Links
from threadlint.project.names.mentions import last_part
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func, Object
from threadlint.project.names.types import Types
from threadlint.project.roots.contexts import MAIN, Context, Contexts
from threadlint.project.roots.thread_roots import Spawn, ThreadRoots


@dataclass(frozen=True, slots=True)
class BackgroundLoop:
    """An event loop that a thread runs: the call that makes it, and where it is handed to the thread or run in it."""

    frame: Func
    call: Call
    runner: Func
    run: Call


@dataclass(slots=True)
class ForeignLoops:
    """Answers by function."""

    links: Links
    types: Types
    contents: Contents
    contexts: Contexts
    threads: ThreadRoots
    steps: Callable[[Func], list[Step]]
    _owners: frozenset[Func] | None = None
    _asking: dict[str, bool] = field(default_factory=dict)
    _handed: set[str] = field(default_factory=set)
    _loops_of: int | None = None

    def thread(self, func: Func) -> tuple[Context, Spawn] | None:
        """A way in which a thread without a loop of its own comes to the function; None where there is none."""
        if func.facts.is_async:
            return None
        for context, roots in self.reached(func):
            if not roots & ~MAIN & ~self._with_loop():
                continue
            chain = self.contexts.chain(context, threads=True)
            spawn = chain[-1][1].spawn
            if spawn is None or self._on_loop(spawn) or self._bit(spawn) & self._with_loop():
                continue
            if in_tests(spawn.func) and not in_tests(func):
                continue  # unsound: what tests start on threads says little about how the program itself is used
            if not any(one.func.facts.is_async or self.asks(one.func) for one, _ in chain) and not any(
                self._chooses(one.func) for one, _ in chain[1:]
            ):
                return context, spawn
        return None

    def _bit(self, spawn: Spawn) -> int:
        return next((2 << number for number, one in enumerate(self.contexts.spawns) if one is spawn), 0)

    def _with_loop(self) -> int:
        """The bits of the roots whose threads make or run a loop somewhere, and so may well be its own."""
        if self._loops_of is None:
            self._loops_of = 0
            for func in self._running():
                for _, roots in self.reached(func):
                    self._loops_of |= roots & ~MAIN
        return self._loops_of

    def asks(self, func: Func) -> bool:
        """Whether the function asks in which thread, or under which loop, it runs."""
        known = self._asking.get(func.id)
        if known is None:
            names = {last_part(call.callee) for call in self.links.calls[func.id].values()}
            known = bool(names & ASKING) or (
                bool(names & TRIED)
                and any(
                    isinstance(step.node, Call)
                    and last_part(step.node.callee) in TRIED
                    and any(isinstance(node, Try) and part == "body" for node, part in step.context)
                    for step in self.steps(func)
                )
            )
            self._asking[func.id] = known
        return known

    def reached(self, func: Func) -> list[tuple[Context, int]]:
        """In which ways the function is reached, and by which roots."""
        return self.contexts.of(func)

    def runs_loop(self, func: Func) -> bool:
        """Whether the function itself makes or runs an event loop."""
        return func in self._running()

    def _running(self) -> frozenset[Func]:
        if self._owners is None:
            self._owners = frozenset(self.contents.callers_of(OWN_LOOP))
        return self._owners

    def _chooses(self, func: Func) -> bool:
        """Whether the function goes by the loop's thread-safe method in one of two branches: the other is for programs without a loop."""
        return any(
            isinstance(step.node, Call)
            and any(
                isinstance(value, Ref) and value.path[-1:] == ("call_soon_threadsafe",)
                for value in (step.node.callee, *step.node.args)
            )
            and any(isinstance(node, If) for node, _ in step.context)
            for step in self.steps(func)
        )

    def outside(self, func: Func, loop: BackgroundLoop) -> bool:
        """Whether the main thread, or whoever calls the program, comes to the function while a thread runs the loop."""
        if func.facts.is_async or func.facts.name in ("__init__", "<lambda>") or func is loop.frame is not loop.runner:
            return False
        if func is not loop.runner and self._owner(func) not in (self._owner(loop.runner), self._owner(loop.frame)):
            return False  # unsound: what other classes do with the loop is taken to run on it, as protocols and handlers do
        for context, roots in self.reached(func):
            if roots & MAIN:
                chain = self.contexts.chain(context, main=True)
                entry = chain[-1][0].func
                given = entry.facts.name in self._given() or (entry.facts.owner and not entry.facts.cls)
                given = given or entry.facts.name.startswith(("async_", "_async_"))
                if not given and not any(one.func.facts.is_async for one, _ in chain):
                    return True
        return False

    def _owner(self, func: Func) -> str:
        """The class that the function belongs to, if only by being written inside one of its methods; else its module."""
        outer: Func | None = func
        while outer is not None and not outer.facts.cls and outer.facts.owner:
            outer = self.links.funcs.get(f"{func.module.name}:{outer.facts.owner}")
        return f"{func.module.name}:{outer.facts.cls if outer is not None else ''}"

    def _given(self) -> set[str]:
        """The names of what is handed over as a value: the loop may call it."""
        if not self._handed:
            for calls in self.links.calls.values():
                for call in calls.values():
                    for value in (*call.args, *(value for _, value in call.keywords)):
                        if isinstance(value, Ref):
                            self._handed.add(value.path[-1] if value.path else value.name)
        return self._handed

    def _on_loop(self, spawn: Spawn) -> bool:
        """A callback of `run_coroutine_threadsafe(...)` runs in the loop's thread, which completes the future."""
        callee = spawn.call.callee
        if not isinstance(callee, Ref) or callee.path[-1:] != ("add_done_callback",):
            return False
        for thing in self.types.of(callee.receiver, spawn.func):
            if isinstance(thing, Object) and thing.call is not None and thing.frame is not None:
                made = self.types.of(thing.call.callee, thing.frame)
                return any(isinstance(one, External) and one.name.endswith("run_coroutine_threadsafe") for one in made)
        return True

    def given(self, func: Func, call: Call) -> Iterator[Ref]:
        """The methods that the call hands to a thread as they are: `Timer(5, loop.stop)`, `submit(queue.put_nowait, item)`."""
        if not isinstance(call.callee, Ref) or call.callee.path[-1:] == ("add_done_callback",):
            return  # what completes a future may be the loop
        for value in self.threads.handed_over(func, call):
            if isinstance(value, Ref) and value.path:
                yield value

    def made_in(self, thing: Object, spawn: Spawn) -> bool:
        """Whether the thread itself makes the object."""
        if thing.frame is None:
            return False
        return any(roots & self._bit(spawn) for _, roots in self.reached(thing.frame))

    def background(self) -> Iterator[BackgroundLoop]:
        """The loops that threads run: `Thread(target=loop.run_forever)`, or `loop.run_forever()` in a function that only threads run."""
        able = {*self.contents.callers_of(HANDING), *self.links.mentions.callers(["run_forever"])}
        for func in self.links.ordered() if able else ():
            for call in self.links.calls[func.id].values() if func in able else ():
                for value in self.threads.handed_over(func, call):
                    if isinstance(value, Ref) and value.path[-1:] != () and value.path[-1] in RUNNING:
                        yield from self._loops(value.receiver, func, func, call)
                callee = call.callee
                if (
                    isinstance(callee, Ref)
                    and callee.path[-1:] == ("run_forever",)
                    and (ways := self.reached(func))
                    and all(not roots & MAIN for _, roots in ways)
                ):
                    yield from self._loops(callee.receiver, func, func, call)

    def _loops(self, value: Ref, func: Func, runner: Func, run: Call) -> Iterator[BackgroundLoop]:
        for thing in self.types.of(value, func):
            if (
                isinstance(thing, Object)
                and thing.type in LOOP_TYPES
                and thing.frame is not None
                and thing.call is not None
                and any(
                    isinstance(one, External) and one.name.endswith("new_event_loop")
                    for one in self.types.of(thing.call.callee, thing.frame)
                )
            ):
                yield BackgroundLoop(thing.frame, thing.call, runner, run)
