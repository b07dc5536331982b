"""Stand-ins for `threading.Lock` and `threading.RLock` that tell the registry who holds them and who waits.

Constructing and taking one runs no code of the program. A waiter's lock inside `Condition.wait` is a
`SignalLock`: nobody holds it, somebody else opens it.
"""

from __future__ import annotations

import _thread
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from .registry import Held, Registry, ThreadState, Wait, get_ident, monotonic, user_frame

if TYPE_CHECKING:
    from collections.abc import Callable


class Hooks:
    """What an oracle wants to know of: `nested` is called before a thread that has a lock takes another one."""

    __slots__ = ("nested",)

    def __init__(self) -> None:
        self.nested: Callable[[Any, ThreadState], None] | None = None


def lock_types(registry: Registry, hooks: Hooks) -> tuple[type, type, type]:  # noqa: C901  # three classes that share four functions
    """The classes that replace Lock and RLock, and the one for waiters inside conditions."""
    allocate = _thread.allocate_lock
    state_of = registry.state
    states = registry.states
    getframe = sys._getframe

    def took(lock: Any, state: ThreadState, style: str) -> None:
        frame = user_frame(getframe(2))
        lock._holder = state
        state.held.append(Held(lock, frame or getframe(2), style))

    def dropped(lock: Any) -> None:
        holder = lock._holder
        lock._holder = None
        if holder is None:
            return
        held = holder.held
        for index in range(len(held) - 1, -1, -1):
            try:
                if held[index].what is lock:
                    del held[index]
                    return
            except IndexError:  # another thread shortened the list: it was a lock used as a signal
                continue

    def wait_for(lock: Any, state: ThreadState, timeout: float, kind: str, depth: int = 2) -> bool:
        raw = lock._raw
        deadline = None if timeout < 0 else monotonic() + timeout
        wait = Wait(kind, lock, deadline, lock._shut)
        wait.frame = getframe(depth)
        state.waits.append(wait)
        state.ticks += 1
        try:
            got: bool = raw.acquire(True, timeout)
            return got
        finally:
            state.waits.remove(wait)
            state.ticks += 1

    def obtain(lock: Any, state: ThreadState, blocking: bool, timeout: float) -> bool:  # noqa: FBT001  # as `acquire` gets it
        raw = lock._raw
        if not blocking or timeout != -1:
            if blocking and 0 <= timeout <= _thread.TIMEOUT_MAX:
                return raw.acquire(False) or wait_for(lock, state, timeout, "lock", 3)
            got: bool = raw.acquire(blocking, timeout)
            return got
        if state.held and hooks.nested is not None:
            hooks.nested(lock, state)
        return raw.acquire(False) or wait_for(lock, state, -1, "lock", 3)

    def cannot_pickle(self: Any) -> NoReturn:
        raise TypeError(f"cannot pickle '_thread.{type(self).__name__.lower()}' object")

    class Lock:
        """A lock like `_thread.lock`."""

        __slots__ = ("__weakref__", "_holder", "_raw")

        def __init__(self) -> None:
            self._raw = allocate()
            self._holder: ThreadState | None = None

        def acquire(self, blocking: bool = True, timeout: float = -1, *, style: str = "acquire") -> bool:  # noqa: FBT001, FBT002  # the library's signature
            state = states.get(get_ident()) or state_of()
            got = obtain(self, state, blocking, timeout)
            if got:
                took(self, state, style)
            return got

        def __enter__(self) -> bool:
            return self.acquire(style="with")

        def release(self) -> None:
            if self._raw.locked():
                dropped(self)
            self._raw.release()

        def __exit__(self, *_: object) -> None:
            self.release()

        def locked(self) -> bool:
            return self._raw.locked()

        acquire_lock = acquire
        release_lock = release
        locked_lock = locked
        __reduce__ = cannot_pickle

        def __init_subclass__(cls) -> None:
            raise TypeError("type '_thread.lock' is not an acceptable base type")

        def _shut(self) -> bool:
            # Locked by nobody yet: somebody has just got it and is about to say so.
            return self._raw.locked() and self._holder is not None

        def _at_fork_reinit(self) -> None:
            self._raw = allocate()
            self._holder = None

        def __repr__(self) -> str:
            state = "locked" if self._raw.locked() else "unlocked"
            return f"<{state} _thread.lock object at {id(self):#x}>"

    class RLock:
        """A lock like `_thread.RLock`: the holder may take it again."""

        __slots__ = ("__weakref__", "_count", "_holder", "_owner", "_raw")

        def __init__(self, *_: object, **__: object) -> None:
            self._raw = allocate()
            self._holder: ThreadState | None = None
            self._owner = 0
            self._count = 0

        def acquire(self, blocking: bool = True, timeout: float = -1, *, style: str = "acquire") -> bool:  # noqa: FBT001, FBT002  # the library's signature
            me = get_ident()
            if self._owner == me:
                self._count += 1
                return True
            state = states.get(me) or state_of()
            got = obtain(self, state, blocking, timeout)
            if got:
                self._owner = me
                self._count = 1
                took(self, state, style)
            return got

        def __enter__(self) -> bool:
            return self.acquire(style="with")

        def release(self) -> None:
            if self._owner != get_ident():
                raise RuntimeError("cannot release un-acquired lock")
            self._count -= 1
            if not self._count:
                self._owner = 0
                dropped(self)
                self._raw.release()

        def __exit__(self, *_: object) -> None:
            self.release()

        def locked(self) -> bool:
            return self._raw.locked()

        __reduce__ = cannot_pickle

        def _is_owned(self) -> bool:
            return self._owner == get_ident()

        def _recursion_count(self) -> int:
            return self._count if self._owner == get_ident() else 0

        def _release_save(self) -> tuple[int, int]:
            if not self._count:
                raise RuntimeError("cannot release un-acquired lock")
            saved = (self._count, self._owner)
            self._count = 0
            self._owner = 0
            dropped(self)
            self._raw.release()
            return saved

        def _acquire_restore(self, saved: tuple[int, int]) -> None:
            state = states.get(get_ident()) or state_of()
            if not self._raw.acquire(False):
                wait_for(self, state, -1, "lock")
            self._count, self._owner = saved
            took(self, state, "with")

        def _shut(self) -> bool:
            # Locked by nobody yet: somebody has just got it and is about to say so.
            return self._raw.locked() and self._holder is not None

        def _at_fork_reinit(self) -> None:
            self._raw = allocate()
            self._holder = None
            self._owner = 0
            self._count = 0

        def __repr__(self) -> str:
            state = "locked" if self._raw.locked() else "unlocked"
            return f"<{state} _thread.RLock object owner={self._owner} count={self._count} at {id(self):#x}>"

    class SignalLock:
        """The lock that a waiter inside a condition takes twice; the one who notifies opens it."""

        __slots__ = ("__weakref__", "_opened", "_raw")

        def __init__(self) -> None:
            self._raw = allocate()
            self._opened = False

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002  # the library's signature
            raw = self._raw
            if not blocking or timeout == 0:
                got = raw.acquire(blocking, timeout)
            else:
                got = raw.acquire(False) or wait_for(self, states.get(get_ident()) or state_of(), timeout, "signal")
            if got:
                self._opened = False
            return got

        def release(self) -> None:
            self._opened = True
            self._raw.release()

        def _shut(self) -> bool:
            # The waiter takes it again as it wakes: what was opened counts as open until the waiter is done.
            return self._raw.locked() and not self._opened

        def locked(self) -> bool:
            return self._raw.locked()

        def __enter__(self) -> bool:
            return self.acquire()

        def __exit__(self, *_: object) -> None:
            self.release()

        def _at_fork_reinit(self) -> None:
            self._raw = allocate()
            self._opened = False

    for kind, module in ((Lock, "threading"), (RLock, "threading")):
        # Pickle and repr look a class up where it says it lives.
        kind.__module__ = module
        kind.__qualname__ = kind.__name__
    return Lock, RLock, SignalLock
