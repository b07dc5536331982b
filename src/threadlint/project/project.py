"""The one object that rules see: all files' facts, linked, with the questions that rules ask of them.

Questions are answered when first asked and then kept. One file is a project of one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from threadlint.config import Config
from threadlint.facts.model import Call, FileFacts, If, Kind, Loop, Node, Span
from threadlint.findings import Site
from threadlint.project.bodies.checks import Checks
from threadlint.project.bodies.contents import Contents
from threadlint.project.bodies.context_vars import ContextVars
from threadlint.project.bodies.late_binding import LateBinding
from threadlint.project.bodies.laziness import Laziness
from threadlint.project.bodies.lifetimes import Lifetimes
from threadlint.project.bodies.registries import Registries
from threadlint.project.bodies.snapshots import Snapshots
from threadlint.project.bodies.thread_locals import ThreadLocals
from threadlint.project.bodies.uses import Uses
from threadlint.project.deadlock_questions import DeadlockQuestions
from threadlint.project.fork_questions import ForkQuestions
from threadlint.project.locks.accessors import Accessors
from threadlint.project.locks.acquires import Acquires
from threadlint.project.locks.assumed import assuming
from threadlint.project.locks.called import Called, Calling
from threadlint.project.locks.entry_locks import EntryLocks, entry_locks
from threadlint.project.locks.flow import Flow
from threadlint.project.locks.locks import Held, Locks, Step
from threadlint.project.locks.releases import handed_over, let_go
from threadlint.project.names import linker
from threadlint.project.names.call_graph import NamedCalls
from threadlint.project.names.callees import Callees
from threadlint.project.names.identity import Identity
from threadlint.project.names.linker import Links
from threadlint.project.names.mentions import Mentions
from threadlint.project.names.things import ClassThing, Cls, Func, FunctionThing, Module
from threadlint.project.names.types import Types
from threadlint.project.queues.consumers import Consumers
from threadlint.project.queues.queues import Queues
from threadlint.project.races.breakable_checks import BreakableChecks, Broken
from threadlint.project.races.counted import Counted
from threadlint.project.races.expectations import Expectations
from threadlint.project.races.guards import Guard, Guards
from threadlint.project.races.meetings import Meetings
from threadlint.project.races.sharing import Sharing
from threadlint.project.roots.confinement import Confinement
from threadlint.project.roots.contexts import Contexts, reach
from threadlint.project.roots.coroutines import Coroutines
from threadlint.project.roots.foreign_loops import ForeignLoops
from threadlint.project.roots.framework_roots import FrameworkRoots
from threadlint.project.roots.handed import Handed
from threadlint.project.roots.loop_calls import LoopCalls
from threadlint.project.roots.overlap import Overlap
from threadlint.project.roots.ownership import Ownership
from threadlint.project.roots.passing import Passing
from threadlint.project.roots.pools import Pools
from threadlint.project.roots.task_roots import TaskRoots
from threadlint.project.roots.thread_classes import ThreadClasses
from threadlint.project.roots.thread_roots import Spawn, ThreadRoots
from threadlint.project.signal_questions import SignalQuestions


@dataclass(slots=False)
class Project:
    """All files of a run. Build it with `link`."""

    links: Links
    config: Config
    switches: frozenset[str] = frozenset()
    """settings anywhere in the program that make frameworks use threads, by name"""
    _steps: dict[str, list[Step]] = field(default_factory=dict)

    @property
    def functions(self) -> Iterator[Func]:
        """Every function, file by file."""
        return self.links.ordered()

    @property
    def mentions(self) -> Mentions:
        """Calls and functions by the names in them: where to begin a search."""
        return self.links.mentions

    def having(self, *kinds: type[Node | Held] | Kind) -> list[Func]:
        """The functions with nodes of one of these types, file by file; `Held` stands for steps under a lock, `Kind.UPDATE` for updates."""
        return self.contents.having(*kinds)

    def callers_of(self, things: Iterable[str | Cls | Func]) -> list[Func]:
        """The functions that may call one of these, under whatever name: functions of the library by dotted name (no builtins), classes and functions."""
        return self.contents.callers_of(things)

    @cached_property
    def contents(self) -> Contents:
        """Which functions have, and call, what."""
        return Contents(self.links, self.types, self.steps)

    @cached_property
    def types(self) -> Types:
        """What values stand for."""
        return Types(self.links, self.named_calls.of)

    @cached_property
    def named_calls(self) -> NamedCalls:
        """Calls that name their callee."""
        return NamedCalls(self.links)

    @cached_property
    def locks(self) -> Locks:
        """Which values are locks."""
        return Locks(self.types)

    @cached_property
    def ownership(self) -> Ownership:
        """Whose objects are."""
        return Ownership(self.types, Handed(self.types, self.steps, lambda: self.spawns))

    def steps(self, func: Func) -> list[Step]:
        """The nodes of the function in the order of evaluation, with the locks held at each."""
        found = self._steps.get(func.id)
        if found is None:
            found = self._steps[func.id] = Flow(self.locks, func).run()
        return found

    def callees(self, func: Func, call: Call) -> tuple[FunctionThing | ClassThing, ...]:
        """The functions and classes of the project that a call can mean."""
        return self._callees.of(func, call)

    @cached_property
    def _callees(self) -> Callees:
        return Callees(self.types)

    @cached_property
    def _called(self) -> Called:
        return Called(self.types, self.steps, self._callees)

    def calls(self, func: Func, step: Step) -> tuple[tuple[FunctionThing | ClassThing, Call], ...]:
        """What the step calls in the project: by a call, or implicitly (context managers, subscripts, properties)."""
        return self._called.at(func, step)

    def calling(self, func: Func) -> Calling:
        """The steps of the function that call something in the project, by number, with what they call."""
        return self._called.steps_of(func)

    @cached_property
    def thread_roots(self) -> ThreadRoots:
        """Which calls start threads."""
        return ThreadRoots(self.links, self.types, self.steps, self.named_calls)

    @cached_property
    def spawns(self) -> tuple[Spawn, ...]:
        """Every place that starts a thread on a function of the project."""
        return (*self.thread_roots.all(), *self.framework_roots.all())

    @cached_property
    def framework_roots(self) -> FrameworkRoots:
        """Which functions frameworks run."""
        return FrameworkRoots(self.links, self.types, self.config.thread_roots, self.switches)

    @cached_property
    def coroutines(self) -> Coroutines:
        """Which values are coroutines that have not run yet."""
        return Coroutines(self.links, self.types)

    @cached_property
    def loop_calls(self) -> LoopCalls:
        """Which plain functions coroutines call."""
        return LoopCalls(self.links, self.types, self.steps, self.callees)

    @cached_property
    def task_roots(self) -> TaskRoots:
        """Which calls start tasks of an event loop."""
        return TaskRoots(self.links, self.types, self.steps, self.framework_roots, self.coroutines)

    @cached_property
    def tasks(self) -> tuple[Spawn, ...]:
        """Every place that runs a coroutine of the project as a task: tasks take turns on one loop, they are no threads."""
        return tuple(self.task_roots.all())

    @cached_property
    def forks(self) -> ForkQuestions:
        """Processes, and what a fork does."""
        return ForkQuestions(self)

    def spawns_in(self, func: Func) -> tuple[Spawn, ...]:
        """The spawns that stand in the function."""
        return self._spawns_by_func.get(func.id, ())

    @cached_property
    def _spawns_by_func(self) -> dict[str, tuple[Spawn, ...]]:
        found: dict[str, tuple[Spawn, ...]] = {}
        for spawn in self.spawns:
            found[spawn.func.id] = (*found.get(spawn.func.id, ()), spawn)
        return found

    @cached_property
    def contexts(self) -> Contexts:
        """What each thread root, and the main thread, reaches."""
        return reach(self.spawns, self._entries, self._passing, self._assuming, self.forks.child_only.calls())

    @cached_property
    def _passing(self) -> Passing:
        return Passing(self.ownership, self.calling)

    @cached_property
    def foreign_loops(self) -> ForeignLoops:
        """Which functions run in threads that are not their event loop's."""
        return ForeignLoops(self.links, self.types, self.contents, self.contexts, self.thread_roots, self.steps)

    @cached_property
    def task_contexts(self) -> Contexts:
        """What each task reaches; a call that only makes the coroutine of a task is not followed."""
        made = {(spawn.func.id, spawn.call.id) for spawn in self.tasks}
        return reach(self.tasks, self._entries, self._passing, self._assuming, made)

    @cached_property
    def task_meetings(self) -> Meetings:
        """Which uses of shared containers and variables may come between the steps of another task."""
        sharing = Sharing(self.types, self.ownership, self.task_contexts, self.steps, self.forks.child_only)
        return Meetings(self.types, self.uses, sharing, self.entry, self.confinement, self.steps)

    @cached_property
    def sharing(self) -> Sharing:
        """Which locations are shared, and where accesses to them race."""
        return Sharing(self.types, self.ownership, self.contexts, self.steps, self.forks.child_only)

    @cached_property
    def counted(self) -> Counted:
        """Where a semaphore for several threads stands in for a lock."""
        return Counted(self.contexts, self.steps)

    @cached_property
    def uses(self) -> Uses:
        """What functions do to variables and containers."""
        return Uses(self.types, self.steps)

    @cached_property
    def laziness(self) -> Laziness:
        """Which values do their work later."""
        return Laziness(self.types, self.uses, self.steps)

    @cached_property
    def accessors(self) -> Accessors:
        """Which functions read or write one location under a lock."""
        return Accessors(self.types, self.steps)

    @cached_property
    def late_binding(self) -> LateBinding:
        """Which variables functions read too late."""
        return LateBinding(self.types, self.steps, self.callees)

    @cached_property
    def thread_locals(self) -> ThreadLocals:
        """Which values are thread-local storage."""
        return ThreadLocals(self.links, self.types, self.steps)

    @cached_property
    def context_vars(self) -> ContextVars:
        """Which values are context variables."""
        return ContextVars(self.links, self.types, self.steps)

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """What becomes of objects in the functions that make them."""
        return Lifetimes(self.links, self.types, self.steps)

    @cached_property
    def pools(self) -> Pools:
        """Which values are the same pool of threads."""
        return Pools(self.types, self.lifetimes, self.steps, self.calls)

    @cached_property
    def thread_classes(self) -> ThreadClasses:
        """Which classes and objects are threads."""
        return ThreadClasses(self.links, self.types, self.steps)

    @cached_property
    def consumers(self) -> Consumers:
        """Who takes items from which queue."""
        return Consumers(self.queues, self.contexts, self.ownership, lambda: self.tasks, self.pools.reached)

    @cached_property
    def entry(self) -> EntryLocks:
        """Which locks functions' callers hold."""
        return entry_locks(self.links, self.types, self.calling, self._assuming)

    @cached_property
    def guards(self) -> dict[str, Guard]:
        """By key of a location: the lock that most accesses to it hold."""
        return self._guard_finder.all()

    @cached_property
    def guards_by_name(self) -> tuple[Guard, ...]:
        """Locks whose names say that they are for a location, although few accesses hold them."""
        return tuple(self._guard_finder.by_name())

    @cached_property
    def _guard_finder(self) -> Guards:
        return Guards(
            self.links, self.types, self.contents, self.uses, self.sharing, self.entry, self.steps, self.confinement
        )

    @cached_property
    def confinement(self) -> Confinement:
        """Where a function knows that its threads do not run."""
        return Confinement(self.types, self.steps, self.spawns_in)

    @cached_property
    def registries(self) -> Registries:
        """Loops that call what they find, or post it to an event loop."""
        return Registries(self.types, self.uses, self.steps)

    @cached_property
    def checks(self) -> Checks:
        """Tests, and what is done because of them."""
        return Checks(self.uses, self.steps)

    @cached_property
    def checked(self) -> tuple[Func, ...]:
        """The functions with tests that an action relies on."""
        return tuple(func for func in self.having(If) if self.checks.of(func))

    @cached_property
    def identity(self) -> Identity:
        """Which values stand for something that exists once."""
        return Identity(self.types)

    @cached_property
    def expectations(self) -> Expectations:
        """Where the program shows that it expects several threads."""
        return Expectations(self.types, self.identity, self.contexts, self.steps)

    @cached_property
    def breakable_checks(self) -> tuple[Broken, ...]:
        """Tests whose result may no longer hold when the program acts on it."""
        checks = BreakableChecks(
            self.checks,
            self.uses,
            self.steps,
            self.callees,
            self.entry,
            self.guards,
            self.meetings,
            self.identity,
            self.expectations,
            self.confinement,
        )
        return tuple(checks.all(self.having(If, Loop)))

    @cached_property
    def snapshots(self) -> Snapshots:
        """Containers that are copied and then emptied."""
        return Snapshots(self.uses, self.steps)

    @cached_property
    def meetings(self) -> Meetings:
        """Which uses of shared containers and variables may run in parallel."""
        return Meetings(self.types, self.uses, self.sharing, self.entry, self.confinement, self.steps)

    @cached_property
    def _entries(self) -> tuple[Func, ...]:
        return tuple(self._called.uncalled(self.functions, (spawn.target.func for spawn in self.spawns)))

    def assumes_lock(self, func: Func) -> bool:
        """Whether the function's name, docstring or comment says that its caller holds a lock."""
        return func.id in self._assuming

    @cached_property
    def _assuming(self) -> frozenset[str]:
        return assuming(self.functions)

    def lock_text(self, key: str) -> str:
        """How the program names the lock with this key."""
        held = self.contexts.texts.get(key)
        return held.lock.text if held is not None else key.rpartition(":")[2]

    @cached_property
    def handed_over(self) -> frozenset[str]:
        """Keys of the locks that some function releases without having acquired them: signals, and locks handed from one method to another."""
        return handed_over(self.links, self.locks)

    @cached_property
    def let_go(self) -> frozenset[str]:
        """Keys of the locks that something lets go: a `release()` or the end of a `with`. A lock that nobody lets go only measures time."""
        return let_go(self.links, self.locks)

    @cached_property
    def acquires(self) -> Acquires:
        """Which locks a function takes, itself and through calls."""
        return Acquires(self.locks, self.steps, self.calls)

    @cached_property
    def overlap(self) -> Overlap:
        """Which functions can run in parallel."""
        return Overlap(self.contexts)

    @cached_property
    def deadlocks(self) -> DeadlockQuestions:
        """Locks and waits that stand in each other's way."""
        return DeadlockQuestions(self)

    @cached_property
    def queues(self) -> Queues:
        """Which values are the same queue, and what is done to each."""
        return Queues(self.types, self.links)

    @cached_property
    def signals(self) -> SignalQuestions:
        """What is asked of conditions, events, barriers and semaphores."""
        return SignalQuestions(self)

    def site(self, func: Func | Module, span: Span) -> Site:
        """A span of the function's file as a place for people."""
        module = func if isinstance(func, Module) else func.module
        return Site(module.path, *span)


def link(
    files: Sequence[tuple[str, str, FileFacts]], config: Config, switches: frozenset[str] = frozenset()
) -> Project:
    """Link the facts of all files: (name shown to the user, dotted module name, facts); `switches` as in `Project`."""
    return Project(linker.link(files), config, switches)


__all__ = ["Node", "Project", "link"]
