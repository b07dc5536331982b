"""The standard library's locks, queues, executors and thread starters, by canonical dotted name.

Sources: the library reference of CPython 3.14 (threading, multiprocessing, queue, concurrent.futures, asyncio) and the
modules themselves for names such as `_thread.allocate_lock`.
"""

from __future__ import annotations

from dataclasses import dataclass

from threadlint.knowledge import primitives
from threadlint.knowledge.async_clients import ENTERING_THEMSELVES
from threadlint.knowledge.primitives import MAKERS, PRIMITIVES, of_kind


@dataclass(frozen=True, slots=True)
class LockType:
    """A class of locks: `kind` is lock, condition or semaphore; `world` says who it excludes: threads, processes or tasks.

    `checked` says that acquiring it again raises an error instead of blocking.
    """

    kind: str
    reentrant: bool = False
    world: str = "threads"
    checked: bool = False


LOCKS: dict[str, LockType] = {
    name: LockType("lock" if one.kind == "rlock" else one.kind, one.reentrant, one.world, one.checked)
    for name, one in of_kind("lock", "rlock", "condition", "semaphore").items()
}

ALIASES: dict[str, str] = {
    **primitives.ALIASES,
    "_thread.allocate_lock": "threading.Lock",
    "_thread.allocate": "threading.Lock",
    "_thread.LockType": "threading.Lock",
    "_thread.lock": "threading.Lock",
    "_thread.RLock": "threading.RLock",
    "_thread.start_new": "_thread.start_new_thread",
    "thread.allocate_lock": "threading.Lock",
    "threading._RLock": "threading.RLock",
    "threading._allocate_lock": "threading.Lock",
    "threading._PyRLock": "threading.RLock",
    "dummy_threading.Lock": "threading.Lock",
    "concurrent.futures.thread.ThreadPoolExecutor": "concurrent.futures.ThreadPoolExecutor",
    "concurrent.futures.process.ProcessPoolExecutor": "concurrent.futures.ProcessPoolExecutor",
    "concurrent.futures._base.Executor": "concurrent.futures.Executor",
    "concurrent.futures._base.Future": "concurrent.futures.Future",
    "concurrent.futures._base.wait": "concurrent.futures.wait",
    "concurrent.futures._base.as_completed": "concurrent.futures.as_completed",
    "Queue.Queue": "queue.Queue",
}
"""Other names of the same thing: the module that defines it, and older ones."""

QUEUES: dict[str, str] = {name: one.world for name, one in of_kind("queue").items()}
"""Queues, and what they connect."""

NO_FORK_BY_DEFAULT = (3, 14)
"""From this version on `multiprocessing` forks nowhere unless it is told to: the library reference, "Contexts and start methods"."""

JOINABLE_QUEUES = frozenset(QUEUES) - {
    "queue.SimpleQueue",
    "multiprocessing.SimpleQueue",
    "multiprocessing.Queue",
    "concurrent.interpreters.Queue",
}
"""Queues with `task_done()` and `join()`."""

EXECUTORS: dict[str, str] = {name: one.world for name, one in of_kind("executor").items()}
"""Executors with `submit()` that returns a `concurrent.futures.Future`, and what their workers are."""

POOLS: dict[str, str] = {name: one.world for name, one in of_kind("pool").items()}
"""Pools with `apply_async()` and `map()`."""


@dataclass(frozen=True, slots=True)
class Starter:
    """A call that makes a function run on another thread: where the callable and its arguments stand.

    `target` and `first` are positions, `keyword` the callable's keyword; `args` names the keyword (and `args_at` the position) of a tuple of arguments,
    empty where the arguments follow the callable; `repeats` says that the callable runs once for each item.
    """

    target: int
    keyword: str = ""
    args: str = ""
    args_at: int = -1
    kwargs: str = ""
    repeats: bool = False


CONSTRUCTORS: dict[str, Starter] = {
    "threading.Thread": Starter(1, "target", "args", 3, "kwargs"),
    "threading.Timer": Starter(1, "function", "args", 2, "kwargs"),
}
"""Classes whose instances run a callable on a thread once they are started."""

FUNCTIONS: dict[str, Starter] = {
    "_thread.start_new_thread": Starter(0, "", "", 1),
    "asyncio.to_thread": Starter(0, "func"),
    "anyio.to_thread.run_sync": Starter(0, "func"),
    "trio.to_thread.run_sync": Starter(0, "sync_fn"),
    "starlette.concurrency.run_in_threadpool": Starter(0, "func"),
    "concurrent.futures.Future.add_done_callback": Starter(0, "fn"),
}
"""Functions that run a callable on a thread."""

EXECUTOR_METHODS: dict[str, Starter] = {
    "submit": Starter(0, "fn"),
    "map": Starter(0, "fn", repeats=True),
}

POOL_METHODS: dict[str, Starter] = {
    "apply_async": Starter(0, "func", "args", 1, "kwds"),
    "apply": Starter(0, "func", "args", 1, "kwds"),
    "map": Starter(0, "func", repeats=True),
    "map_async": Starter(0, "func", repeats=True),
    "imap": Starter(0, "func", repeats=True),
    "imap_unordered": Starter(0, "func", repeats=True),
    "starmap": Starter(0, "func", repeats=True),
    "starmap_async": Starter(0, "func", repeats=True),
}

LOOP_TYPES = frozenset(of_kind("loop"))

CALLBACKS: dict[str, int] = {
    "concurrent.futures.Future.add_done_callback": 0,
    "asyncio.Future.add_done_callback": 0,
    "asyncio.Task.add_done_callback": 0,
    **{f"{loop}.{method}": 0 for loop in sorted(LOOP_TYPES) for method in ("call_soon", "call_soon_threadsafe")},
    **{f"{loop}.{method}": 1 for loop in sorted(LOOP_TYPES) for method in ("call_later", "call_at")},
}
"""Methods that take a function to be run later, once, and the position of the function."""

IN_PLACE_ATOMIC: dict[str, frozenset[str]] = {
    "list": frozenset({"+="}),
    "set": frozenset({"|=", "&=", "-=", "^="}),
    "dict": frozenset({"|="}),
    "collections.deque": frozenset({"+="}),
}
"""In-place operators of builtin containers that are one step for a builtin operand.

Source: the FAQ "What kinds of global value mutation are thread-safe?" and the 3.14 page "Thread safety guarantees"; storing the
same object back is harmless."""

OTHERS = frozenset(
    {
        "concurrent.futures.wait", "concurrent.futures.as_completed", "asyncio.gather", "asyncio.run_coroutine_threadsafe",
        "contextlib.suppress", "contextlib.ExitStack", "contextlib.AsyncExitStack", "contextlib.contextmanager", "contextlib.asynccontextmanager",
        "contextlib.nullcontext", "contextlib.closing", "functools.partial", "functools.wraps", "functools.lru_cache", "functools.cache",
        "functools.cached_property", "collections.deque", "collections.defaultdict", "collections.OrderedDict", "collections.Counter",
        "abc.ABC", "abc.abstractmethod", "typing.cast", "queue.Empty", "queue.Full", "queue.ShutDown", "asyncio.run", "time.sleep",
    }
)  # fmt: skip

KNOWN = frozenset({*PRIMITIVES, *MAKERS, *CONSTRUCTORS, *FUNCTIONS, *OTHERS})
"""Names that mean what the library reference says even where the project under the linter is the library itself."""

RESULTS: dict[str, str] = {
    **MAKERS,
    "socket.socket": "socket.socket",
    "sqlite3.connect": "sqlite3.Connection",
    "sqlite3.dbapi2.connect": "sqlite3.Connection",
    **{
        f"sqlite3.{maker}": "sqlite3.Cursor"
        for maker in ("Connection.cursor", "Connection.execute", "Connection.executemany", "Cursor.execute")
    },
}
"""What calls return, for the few that matter."""

LOCK_MAKERS = frozenset({*LOCKS, *(name for name, made in RESULTS.items() if made in LOCKS)})
"""What makes locks."""

SAME_ON_ENTER = frozenset(
    {
        *of_kind("executor", "pool", "manager", "group"),
        "contextlib.ExitStack",
        "contextlib.AsyncExitStack",
        "sqlite3.Connection",
        *ENTERING_THEMSELVES,
    }
)
"""Context managers that `as` binds themselves."""

LOCKISH_NAMES = ("lock", "mutex", "guard", "critical")
"""Parts of names that say that a context manager of unknown type excludes other threads."""


def canonical(dotted: str) -> str:
    """The one name under which the tables know the thing with this dotted name."""
    return ALIASES.get(dotted, dotted)
