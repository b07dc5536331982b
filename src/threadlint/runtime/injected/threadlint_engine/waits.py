"""Puts the stand-ins in place and wraps the library's waits, so that the registry knows every wait by its name.

Runs before any module of the program is imported; what was created earlier keeps its real locks. `_thread` is left
alone: the import system uses it.
"""

from __future__ import annotations

import functools
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from .locks import Hooks, lock_types
from .registry import Held, Registry, ThreadState, Wait, get_ident, monotonic, raised_at, user_frame

if TYPE_CHECKING:
    from collections.abc import Callable

LABELLED: tuple[tuple[type, str], ...] = (
    (threading.Condition, "wait"),
    (threading.Event, "wait"),
    (threading.Barrier, "wait"),
    (queue.Queue, "get"),
    (queue.Queue, "put"),
    (queue.Queue, "join"),
)


def install(registry: Registry) -> Hooks:
    """Replace what threads wait in; returns the hooks through which an oracle listens."""
    hooks = Hooks()
    lock, rlock, signal_lock = lock_types(registry, hooks)
    library: Any = threading
    library.Lock, library.RLock = lock, rlock
    library._allocate_lock = signal_lock
    library._CRLock = rlock
    for cls, name in LABELLED:
        label(registry, cls, name)
    # The one written in C waits where nobody can see it; concurrent.futures takes the name when it is imported.
    simple: Any = queue._PySimpleQueue  # type: ignore[attr-defined]
    simple.__name__ = simple.__qualname__ = "SimpleQueue"
    queue.SimpleQueue = simple  # type: ignore[misc]
    label(registry, simple, "get")
    semaphores(registry)
    threads(registry)
    joins(registry)
    sleeping(registry)
    shutdown(registry)
    return hooks


def label(registry: Registry, cls: Any, name: str) -> None:
    """Note on the thread's record that it is inside `cls.name` of this object."""
    original = getattr(cls, name)
    text = f"{cls.__name__}.{name}"
    states = registry.states

    @functools.wraps(original)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        labels = (states.get(get_ident()) or registry.state()).labels
        labels.append((text, self))
        try:
            return original(self, *args, **kwargs)
        finally:
            labels.pop()

    setattr(cls, name, wrapped)


def semaphores(registry: Registry) -> None:
    """Keep on the thread's record which permits it has and where it took them."""
    cls: Any = threading.Semaphore
    acquire, release = cls.acquire, cls.release

    @functools.wraps(acquire)
    def acquire_permit(self: Any, *args: Any, **kwargs: Any) -> bool:
        state = registry.state()
        state.labels.append(("Semaphore.acquire", self))
        try:
            got: bool = acquire(self, *args, **kwargs)
        finally:
            state.labels.pop()
        if got:
            frame = sys._getframe(1)
            state.held.append(Held(self, user_frame(frame) or frame, "acquire"))
        return got

    @functools.wraps(release)
    def release_permit(self: Any, *args: Any, **kwargs: Any) -> None:
        release(self, *args, **kwargs)
        count = args[0] if args else kwargs.get("n", 1)
        me = registry.state()
        for state in (me, *registry.others(me)):
            for held in [one for one in state.held.copy() if one.what is self][:count]:
                drop(state, held)
                count -= 1

    cls.acquire = cls.__enter__ = acquire_permit
    cls.release = release_permit

    bounded: Any = threading.BoundedSemaphore
    bounded_release = bounded.release

    @functools.wraps(bounded_release)
    def release_bounded(self: Any, *args: Any, **kwargs: Any) -> None:
        bounded_release(self, *args, **kwargs)
        me = registry.state()
        for state in (me, *registry.others(me)):
            for held in [one for one in state.held.copy() if one.what is self][:1]:
                drop(state, held)
                return

    bounded.release = release_bounded


def drop(state: ThreadState, held: Held) -> None:
    """Take one entry off a record that its own thread may shorten at the same time."""
    try:
        state.held.remove(held)
    except ValueError:
        return


def threads(registry: Registry) -> None:
    """Count threads that are starting, and keep a record of each from its first to its last step."""
    cls: Any = threading.Thread
    start, inner = cls.start, cls._bootstrap_inner

    @functools.wraps(start)
    def start_thread(self: Any) -> None:
        token = object()
        registry.starting.add(token)
        self._threadlint_token = token
        try:
            start(self)
        except BaseException:
            registry.starting.discard(token)
            raise

    @functools.wraps(inner)
    def bootstrap_inner(self: Any) -> None:
        registry.states.pop(get_ident(), None)
        state = registry.state()
        state.name = self.name
        state.daemon = self.daemon
        self._threadlint_state = state
        registry.starting.discard(self.__dict__.pop("_threadlint_token", None))
        if registry.on_thread is not None:
            registry.on_thread()
        try:
            inner(self)
        finally:
            state.alive = False
            registry.states.pop(state.ident, None)
            registry.gone(state)

    library: Any = threading
    hook = library.excepthook

    @functools.wraps(hook)
    def excepthook(args: Any, /) -> Any:
        if args.exc_type is not None:
            place = raised_at(args.exc_traceback)
            registry.deaths.append((registry.state().name, args.exc_type.__name__, *place))
        return hook(args)

    library.excepthook = excepthook
    cls.start = start_thread
    cls._bootstrap_inner = bootstrap_inner


def joins(registry: Registry) -> None:
    """A join waits until the record of its thread is closed."""
    cls: Any = threading.Thread
    original = cls.join

    @functools.wraps(original)
    def join(self: Any, timeout: float | None = None) -> None:
        target = self.__dict__.get("_threadlint_state")
        if target is None:
            original(self, timeout)
            return
        waiting(registry, "join", self, timeout, lambda: target.alive, lambda: original(self, timeout))

    cls.join = join


def waiting(
    registry: Registry,
    kind: str,
    what: object,
    timeout: float | None,
    blocked: Callable[[], bool],
    call: Callable[[], Any],
) -> Any:
    """Call something that waits, with the wait on the thread's record meanwhile."""
    state = registry.state()
    wait = Wait(kind, what, None if timeout is None else monotonic() + max(timeout, 0), blocked)
    wait.frame = sys._getframe(1)
    state.waits.append(wait)
    state.ticks += 1
    try:
        return call()
    finally:
        state.waits.remove(wait)
        state.ticks += 1


def sleeping(registry: Registry) -> None:
    """A sleeping thread wakes by the clock."""
    original = time.sleep

    def sleep(seconds: float, /) -> None:
        state = registry.state()
        wait = Wait("sleep", seconds, 0.0, lambda: True)
        state.waits.append(wait)
        state.ticks += 1
        try:
            original(seconds)
        finally:
            state.waits.remove(wait)
            state.ticks += 1

    sleep.__module__ = "time"
    sleep.__qualname__ = "sleep"
    sleep.__doc__ = original.__doc__
    library: Any = time
    library.sleep = sleep


def shutdown(registry: Registry) -> None:
    """Without this "the main thread has finished, a worker hangs" is invisible: the interpreter waits in C."""
    library: Any = threading
    original = library._shutdown
    main = registry.main
    wait = Wait("shutdown", None, None, lambda: any(not s.daemon for s in registry.others(main)))
    wait.frame = None

    def begin() -> None:
        # Registered first, so called last: after this only the join of all threads is left to do.
        main.waits.append(wait)
        main.ticks += 1

    def ended() -> None:
        try:
            original()
        finally:
            if wait in main.waits:
                main.waits.remove(wait)
                main.ticks += 1
            registry.finished()

    library._register_atexit(begin)
    library._shutdown = ended
