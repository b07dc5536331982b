"""Puts the engine together for one job, before the program's first statement runs."""

from __future__ import annotations

import _thread
import ast
import atexit
import builtins
import importlib
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

from . import importer, waits
from .events import Events
from .feasible import free_threaded
from .inject import arm_functions, insert_failure, insert_mark
from .job import Place, read_job
from .machine import die_with_parent, end_now, is_gone
from .pauses import Pauser
from .registry import Registry
from .rewrite import Split, choose, split_tree
from .stuck import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from .copies import Copies
    from .job import Job
    from .processes import SharedPause

INJECTIONS = {
    "queue-join-never-returns": ("get", "task_done"),
    "lock-never-released": ("acquire", "release"),
    "semaphore-exhausted": ("acquire", "release"),
}

ERRORS = frozenset({"not-set-in-thread", "cannot-be-sent", "negative-timeout"})
REWRITTEN = ERRORS | {"generator-already-executing", "item-skipped", "cancellation-swallowed"}
"""Oracles whose part changes the flagged file, after the flagged statement was marked: by its `rewrite(tree, job)`."""
PARTS = {
    "event-loop-blocked": "loops",
    "never-awaited": "loops",
    "rmw-across-await": "loops",
    "loop-used-from-thread": "loops",
    "event-wait-never-woken": "signs",
    "condition-lock-not-held": "signs",
    "woken-for-nothing": "signs",
    "busy-wait": "signs",
    "generator-already-executing": "iterators",
    "item-skipped": "skipping",
    "cancellation-swallowed": "cancelling",
    "process-race": "processes",
    "change-lost-in-process": "copies",
    "spawn-import-fails": "processes",
    **dict.fromkeys(ERRORS, "raising"),
}
"""Modules with an `install(engine)` of their own, by oracle; imported only where they are needed."""


class Engine:
    """All parts of one run."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.events = Events(job.events)
        self.events.send("hello", python=platform.python_version(), free_threaded=free_threaded())
        die_with_parent()
        # It may have ended before the kernel was asked.
        if is_gone(job.companion):
            end_now()
        self.registry = Registry()
        self.hooks = waits.install(self.registry)
        self.splits: list[Split] = []
        self.pauser = Pauser(self.registry, self.events, self.splits, job.budget)
        self.job = widened(job)
        self.watch = Watch(self.registry, self.events, self.job)
        self.ended = False
        self.at_end: list[Callable[[], None]] = []
        self.shared: SharedPause | Copies | None = None
        self.copies: Copies
        self.oracle()
        self.leaving()
        importer.install(self.job.files, self.rewrite)
        self.watch.start()

    def oracle(self) -> None:
        """Install what the oracle of this job needs, and nothing else."""
        oracle = self.job.oracle
        if oracle == "race":
            for name in ("before", "store", "gap", "after", "act", "doing", "acted"):
                setattr(builtins, f"__threadlint_{name}__", guarded(getattr(self.pauser, name), self.events))
        elif oracle in {"swallowed-exception", "pool-self-deadlock"}:
            from . import futures  # only where it is needed: it imports the library's pools

            futures.install(self.registry, self.events, self.watch, inject=self.job.inject,
                            force=oracle == "pool-self-deadlock")  # fmt: skip
        elif oracle == "queue-join-never-returns":
            from . import queues  # as above

            queues.install()
        elif oracle in {"lock-order-deadlock", "self-deadlock"}:
            from .order import Order, OwnLock  # as above

            order = Order(self.registry, self.events, self.watch, self.job.budget)
            if oracle == "lock-order-deadlock":
                self.hooks.nested = order.nested
                self.watch.on_tick.append(order.look)
            else:
                self.watch.on_tick.append(OwnLock(self.registry, self.events, self.watch).look)
        elif oracle in PARTS:
            importlib.import_module(f".{PARTS[oracle]}", __package__).install(self)
        builtins.__threadlint_here__ = self.here  # type: ignore[attr-defined]
        if self.job.inject:
            builtins.__threadlint_fail__ = failing(self.events)  # type: ignore[attr-defined]

    def rewrite(self, text: str, tree: ast.Module, path: str) -> ast.Module:
        """What the import hook does to a flagged file."""
        real = os.path.realpath(path)
        job = self.job
        if job.inject and job.oracle in INJECTIONS and real == job.flagged.path:
            line = insert_failure(tree, job.flagged, *INJECTIONS[job.oracle])
            self.events.send("injection", line=line)
        if job.inject and job.oracle == "swallowed-exception" and real == job.flagged.path:
            arm_functions(tree)
        if job.oracle in {"race", "process-race"}:
            return self.split(text, tree, real)
        if job.oracle in {"event-loop-blocked", "rmw-across-await"} and real == job.flagged.path:
            from . import loops  # as above

            return loops.rewrite(self, text, tree, real)
        if job.oracle in REWRITTEN and real == job.flagged.path:
            self.events.send("loaded", path=real)
            insert_mark(tree, job.flagged.line)  # first: afterwards there are other statements at this line
            importlib.import_module(f".{PARTS[job.oracle]}", __package__).rewrite(tree, job)
            return tree
        if job.oracle == "change-lost-in-process" and real == job.flagged.path:
            from . import copies  # as above

            self.events.send("loaded", path=real)
            copies.rewrite(self, tree, job)
            return tree
        if real == job.flagged.path:
            self.events.send("loaded", path=real)
            insert_mark(tree, job.flagged.line)
            if job.oracle in {"woken-for-nothing", "busy-wait"}:
                from . import signs  # as above

                signs.drive(tree, job)
        return tree

    def split(self, text: str, tree: ast.Module, path: str) -> ast.Module:
        """Split the statements of this file that belong to the job."""
        mine = [place for place in self.job.places if place.path == path]
        # Index 0 is kept for the flagged statement, which may be in a file that is loaded later.
        splits, refusals = choose(tree, text, path, mine, self.job.flagged, max(len(self.splits), 1))
        for split in splits:
            while len(self.splits) <= split.index:
                self.splits.append(split)
            self.splits[split.index] = split
        for refusal in refusals:
            self.events.send("refused", line=refusal.line, reason=refusal.reason)
        self.events.send(
            "loaded", path=path, splits=[[s.index, s.path, s.line, s.kind, s.reads, list(s.withs)] for s in splits]
        )
        return split_tree(tree, splits)

    def here(self, index: int) -> None:
        """The flagged statement is reached."""
        state = self.registry.state()
        record = self.pauser.record(index)
        record.executions[state.ident] = record.executions.get(state.ident, 0) + 1
        if state.name not in record.threads:
            record.threads.add(state.name)
            if len(record.threads) <= 4:
                self.events.send("reached", site=0, thread=state.name)

    def leaving(self) -> None:
        """Tell the end of the program however it ends, and look once more when a pausing thread is a daemon."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forked)
        self.registry.on_finish.append(self.last_look)
        atexit.register(self.finish)
        leave = os._exit

        def exit_now(status: int) -> None:
            if not self.events.muted:
                self.finish()
            leave(status)

        exit_now.__module__, exit_now.__qualname__, exit_now.__name__ = "os", "_exit", "_exit"
        os._exit = exit_now  # type: ignore[assignment]

    def last_look(self) -> None:
        """The program is over: a daemon thread that pauses compares once more, then nobody can."""
        self.watch.stopped = True
        current = self.pauser.current
        if current is None:
            return
        self.pauser.last_look = True
        clock = _thread.allocate_lock()
        clock.acquire()
        for _ in range(100):
            if self.pauser.current is None and not self.pauser.hits:
                return
            clock.acquire(True, 0.005)

    def finish(self) -> None:
        """Send the counts; once."""
        if self.ended:
            return
        self.ended = True
        for call in self.at_end:
            call()
        self.watch.stopped = True
        sites = []
        for index, record in self.pauser.records.copy().items():
            sites.append(
                {
                    "site": index,
                    "executions": sum(record.executions.values()),
                    "threads": len(record.threads),
                    "pauses": len(record.pauses),
                }
            )
        dead = [
            {"thread": s.name, "what": type(h.what).__name__, "path": h.place[0], "line": h.place[1]}
            for s in self.registry.dead
            for h in s.held
        ]
        held = [{"thread": "MainThread", "what": type(h.what).__name__, "path": h.place[0], "line": h.place[1]}
                for h in self.registry.main.held]  # fmt: skip
        self.events.send("end", sites=sites, dead=dead + held)

    def forked(self) -> None:
        """In a forked child: no events, no pauses, no watch; the locks go on as plain locks."""
        self.events.muted = self.shared is None
        if self.shared is not None:
            self.shared.forked()
        self.pauser.done = True
        self.watch.stopped = True
        self.hooks.nested = None
        self.registry.reset()


def widened(job: Job) -> Job:
    """The job with the flagged line widened to its whole statement, so that a call over several lines is met."""
    if job.oracle in {"race", "process-race"}:
        return job
    places = []
    for place in job.places:
        try:
            with open(place.path, "rb") as file:
                tree = ast.parse(file.read())
        except (OSError, SyntaxError, ValueError):
            return job
        best = place
        for node in ast.walk(tree):
            if not isinstance(node, ast.stmt) or hasattr(node, "body") or node.end_lineno is None:
                continue
            if node.lineno <= place.line <= node.end_lineno:
                best = Place(place.path, node.lineno, max(node.end_lineno, place.end_line), place.column)
        places.append(best)
    return type(job)(job.oracle, tuple(places), job.events, job.inject, job.budget, job.harness, job.companion)


def failing(events: Events) -> Any:
    """A hook that raises the first time it is called."""
    from .futures import INJECTED, InjectedError  # imports the library's pools

    pending = [True]

    def fail(line: int) -> None:
        if pending[0]:
            pending[0] = False
            events.send("injected", line=line)
            raise InjectedError(INJECTED)

    return fail


def guarded(hook: Any, events: Events) -> Any:
    """The hook; an error inside the engine is reported and never reaches the program."""

    def call(*args: Any) -> None:
        try:
            hook(*args)
        except Exception:  # noqa: BLE001  # whatever it is, it is ours
            events.error("hook")

    return call


def start(job: Job) -> Engine:
    """Start the engine in this process; `sys` keeps it alive. What fails here is told before it is raised."""
    try:
        engine = Engine(job)
    except BaseException:
        Events(job.events).error("start")
        raise
    sys.__dict__["_threadlint_engine"] = engine
    return engine


def start_here() -> Engine | None:
    """Start the engine if the environment names a job; None if this process is not part of a run."""
    job = read_job()
    return start(job) if job is not None else None
