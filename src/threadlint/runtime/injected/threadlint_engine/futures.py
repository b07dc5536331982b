"""Watches the futures that a flagged `submit` gives: whether they fail, and whether anybody ever asks for the error."""

from __future__ import annotations

import _thread
import builtins
import functools
import os
import sys
from concurrent.futures import _base, thread
from inspect import CO_COROUTINE, CO_GENERATOR
from types import CodeType
from typing import TYPE_CHECKING, Any

from .registry import Registry, monotonic, raised_at, stack_of
from .waits import label

if TYPE_CHECKING:
    from .events import Events
    from .stuck import Watch


class InjectedError(RuntimeError):
    """Raised by the companion where the program does not fail by itself."""


INJECTED = "failure injected by threadlint"


class Futures:
    """What happened to the futures of the flagged line so far."""

    def __init__(self, registry: Registry, events: Events, watch: Watch) -> None:
        self.registry = registry
        self.events = events
        self.watch = watch
        self.numbers = iter(range(1, 1 << 62))
        self.inject = False
        self.force = False

    def submitting(self, pool: Any, fn: Any, stack: list[dict[str, Any]]) -> tuple[int, Any]:
        """Before a flagged submit: its number, and the callable to submit in place of the given one."""
        number = next(self.numbers)
        name = getattr(fn, "__qualname__", None) or type(fn).__qualname__
        if number <= 3:
            self.events.send("submitted", number=number, callable=name, stack=stack, thread=self.registry.state().name)
        if self.inject:
            self.inject = False
            fn = self.failing(fn, number, name)
        if self.force:
            hold_nested(self.registry, self.events, pool)
        return number, fn

    def failing(self, fn: Any, number: int, name: str) -> Any:
        """A callable that fails: inside the function, where that is in the flagged file, else in its place."""
        code = code_of(fn)
        if code is None or os.path.realpath(code.co_filename) != self.watch.job.flagged.path:
            self.events.send("injected", number=number, callable=name)
            return fail

        def work(*args: Any, **kwargs: Any) -> Any:
            state = self.registry.state()
            state.armed = code.co_firstlineno
            try:
                return fn(*args, **kwargs)
            finally:
                state.armed = 0

        return work

    def maybe_fail(self, first: int) -> None:
        """At the start of every function of the flagged file: fail if this is the one, called by its worker."""
        state = self.registry.state()
        if state.armed == first:
            state.armed = 0
            self.events.send("injected", number=0, callable="")
            raise InjectedError(INJECTED)

    def submitted(self, future: Any, number: int) -> None:
        """After it: the future may have failed before it had its number."""
        future._threadlint_number = number
        if future.done() and not future.cancelled() and future._exception is not None:
            self.failed(future, future._exception)

    def failed(self, future: Any, error: BaseException) -> None:
        """A future has failed; tell it once if it is one of ours."""
        number = getattr(future, "_threadlint_number", None)
        if number is not None and not getattr(future, "_threadlint_told", False):
            future._threadlint_told = True
            path, line = raised_at(error.__traceback__)
            self.events.send(
                "failed", number=number, error=type(error).__name__, text=str(error)[:200], path=path, line=line
            )

    def working(self, fn: Any, pool: Any) -> Any:
        """The callable, noting on the worker's record for which pool it works."""
        if not self.force:
            return fn

        def work(*args: Any, **kwargs: Any) -> Any:
            state = self.registry.state()
            state.pool = pool
            try:
                return fn(*args, **kwargs)
            finally:
                state.pool = None

        return work


def install(registry: Registry, events: Events, watch: Watch, *, inject: bool, force: bool) -> None:
    """Wrap `submit`, `set_exception`, `result` and `exception`.

    `inject` replaces the first callable submitted at the flagged line by one that raises; `force` holds a nested submit
    until every worker of its pool got there.
    """
    future: Any = _base.Future
    pool: Any = thread.ThreadPoolExecutor
    submit, set_exception = pool.submit, future.set_exception
    futures = Futures(registry, events, watch)
    futures.inject, futures.force = inject, force
    builtins.__threadlint_maybe_fail__ = futures.maybe_fail  # type: ignore[attr-defined]

    @functools.wraps(submit)
    def submit_watched(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        stack = stack_of(sys._getframe(1), 3)
        if not any(watch.at_place(frame) for frame in stack):
            return submit(self, futures.working(fn, self), *args, **kwargs)
        number, fn = futures.submitting(self, fn, stack)
        made = submit(self, futures.working(fn, self), *args, **kwargs)
        futures.submitted(made, number)
        return made

    @functools.wraps(set_exception)
    def set_exception_watched(self: Any, exception: BaseException | None) -> None:
        set_exception(self, exception)
        if exception is not None:
            futures.failed(self, exception)

    for name in ("result", "exception"):
        setattr(future, name, retrieving(getattr(future, name), events))
        label(registry, future, name)
    pool.submit = submit_watched
    future.set_exception = set_exception_watched


def retrieving(original: Any, events: Events) -> Any:
    """`result` or `exception`, telling that the outcome was asked for."""

    @functools.wraps(original)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        finally:
            number = getattr(self, "_threadlint_number", None)
            if number is not None and self.done() and not getattr(self, "_threadlint_asked", False):
                self._threadlint_asked = True
                if getattr(self, "_exception", None) is not None:
                    events.send("retrieved", number=number)

    return wrapped


def code_of(fn: Any) -> CodeType | None:
    """The code that a callable runs first; None for what is not written in Python, and for generators and coroutines."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    fn = getattr(fn, "__func__", fn)
    code = getattr(fn, "__code__", None)
    if not isinstance(code, CodeType) or code.co_name == "<lambda>" or code.co_flags & (CO_GENERATOR | CO_COROUTINE):
        return None
    return code


def fail(*_: Any, **__: Any) -> None:
    """Stands in for the submitted callable."""
    raise InjectedError(INJECTED)


def hold_nested(registry: Registry, events: Events, pool: Any) -> None:
    """In a worker that submits to its own pool: wait until all workers got here, or nobody else can run."""
    state = registry.state()
    if state.pool is not pool:
        return
    clock = _thread.allocate_lock()
    clock.acquire()
    events.send("reached", site=0, thread=state.name)
    state.labels.append(("nested submit", pool))
    limit = monotonic() + 0.6
    quiet, progress = 0, -1
    try:
        while monotonic() < limit:
            here = [one for one in registry.others(None) if ("nested submit", pool) in one.labels.copy()]
            if len(here) >= pool._max_workers:
                # Give the others time to see it too, before one of them goes on and the count falls.
                clock.acquire(True, 0.02)
                return
            outlook, seen = registry.outlook(state), registry.progress()
            quiet = quiet + 1 if outlook == "blocked" and seen == progress else 0
            progress = seen
            if quiet > 10:
                events.send("pause", end="alone", site=0, thread=state.name, guard=None)
                return
            clock.acquire(True, 0.002)
    finally:
        state.labels.pop()
