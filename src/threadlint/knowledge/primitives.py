"""The one table of concurrency primitives: what each is, and the world that it connects or excludes.

Sources: the library reference of CPython 3.14 (threading, multiprocessing with its contexts and managers, queue, concurrent.futures,
concurrent.interpreters, contextvars, asyncio), and the API references of anyio 4 and trio 0.30.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Primitive:
    """A class of primitives, or the function that makes one.

    `kind` says what it is: lock, rlock, condition, semaphore, limiter, event, barrier, queue, pipe, stream, thread, process, executor, pool, local,
    contextvar, value, array, raw (shared memory without a lock), container, manager, context (of multiprocessing), future, task, group,
    loop, interpreter. `world` says between whom it works: threads, processes, tasks (of one event loop) or interpreters. `proxy` says that it stands for an object in
    another process (a manager's), so that it can be sent anywhere and serves threads as well; `checked` that acquiring it again raises `RuntimeError`.
    """

    kind: str
    world: str
    reentrant: bool = False
    proxy: bool = False
    checked: bool = False


def _family(module: str, world: str, kinds: dict[str, str]) -> dict[str, Primitive]:
    return {f"{module}.{name}": Primitive(kind, world, reentrant=kind == "rlock") for name, kind in kinds.items()}


CONTEXT = "multiprocessing.context.BaseContext"
"""What `multiprocessing.get_context()` returns; its constructors are those of `multiprocessing`."""

MANAGER = "multiprocessing.managers.SyncManager"
"""What `multiprocessing.Manager()` returns; what it makes are proxies."""

INTERPRETER = "concurrent.interpreters.Interpreter"
"""What `concurrent.interpreters.create()` returns."""

_LOCKS = {"Lock": "lock", "RLock": "rlock", "Semaphore": "semaphore", "BoundedSemaphore": "semaphore"}
_SIGNALS = {"Event": "event", "Barrier": "barrier"}
_QUEUES = {"Queue": "queue", "LifoQueue": "queue", "PriorityQueue": "queue"}

PRIMITIVES: dict[str, Primitive] = {
    **_family("threading", "threads", _LOCKS),
    "threading.Condition": Primitive("condition", "threads", reentrant=True),
    **_family("threading", "threads", {**_SIGNALS, "Thread": "thread", "Timer": "thread", "local": "local"}),
    **_family("queue", "threads", {**_QUEUES, "SimpleQueue": "queue"}),
    "contextvars.ContextVar": Primitive("contextvar", "threads"),
    "concurrent.futures.ThreadPoolExecutor": Primitive("executor", "threads"),
    "concurrent.futures.ProcessPoolExecutor": Primitive("executor", "processes"),
    "concurrent.futures.InterpreterPoolExecutor": Primitive("executor", "interpreters"),
    # the users of the abstract class cannot rule out that it is a pool of threads
    "concurrent.futures.Executor": Primitive("executor", "threads"),
    "concurrent.futures.Future": Primitive("future", "threads"),
    "multiprocessing.pool.ThreadPool": Primitive("pool", "threads"),
    **_family("multiprocessing", "processes", _LOCKS),
    "multiprocessing.Condition": Primitive("condition", "processes", reentrant=True),
    **_family("multiprocessing", "processes", _SIGNALS),
    **_family("multiprocessing", "processes", {"Queue": "queue", "JoinableQueue": "queue", "SimpleQueue": "queue"}),
    **_family("multiprocessing", "processes", {"Process": "process", "Pool": "pool", "Pipe": "pipe"}),
    **_family(
        "multiprocessing", "processes", {"Value": "value", "Array": "array", "RawValue": "raw", "RawArray": "raw"}
    ),
    "multiprocessing.shared_memory.SharedMemory": Primitive("raw", "processes"),
    "multiprocessing.shared_memory.ShareableList": Primitive("raw", "processes"),
    CONTEXT: Primitive("context", "processes"),
    MANAGER: Primitive("manager", "processes"),
    "multiprocessing.managers.SharedMemoryManager": Primitive("manager", "processes"),
    **{
        f"{MANAGER}.{name}": Primitive(kind, "processes", reentrant=kind == "rlock", proxy=True)
        for name, kind in {
            **_LOCKS,
            **_SIGNALS,
            "Queue": "queue",
            "JoinableQueue": "queue",
            "Value": "value",
            "Array": "array",
            "Namespace": "container",
            "list": "container",
            "dict": "container",
            "set": "container",
            "Pool": "pool",
        }.items()
    },
    f"{MANAGER}.Condition": Primitive("condition", "processes", reentrant=True, proxy=True),
    INTERPRETER: Primitive("interpreter", "interpreters"),
    "concurrent.interpreters.Queue": Primitive("queue", "interpreters"),
    **_family("asyncio", "tasks", {name: kind for name, kind in _LOCKS.items() if kind != "rlock"}),
    "asyncio.Condition": Primitive("condition", "tasks"),
    **_family("asyncio", "tasks", {**_SIGNALS, **_QUEUES}),
    **_family("asyncio", "tasks", {"Future": "future", "Task": "task", "TaskGroup": "group"}),
    "asyncio.AbstractEventLoop": Primitive("loop", "tasks"),
    **{name: Primitive("lock", "tasks", checked=True) for name in ("anyio.Lock", "trio.Lock", "trio.StrictFIFOLock")},
    **{name: Primitive("condition", "tasks", checked=True) for name in ("anyio.Condition", "trio.Condition")},
    **_family("anyio", "tasks", {"Semaphore": "semaphore", "Event": "event", "CapacityLimiter": "limiter"}),
    "anyio.abc.TaskGroup": Primitive("group", "tasks"),
    "anyio.create_memory_object_stream": Primitive("stream", "tasks"),
    **_family("trio", "tasks", {"Semaphore": "semaphore", "Event": "event", "CapacityLimiter": "limiter"}),
    "trio.Nursery": Primitive("group", "tasks"),
    "trio.open_memory_channel": Primitive("stream", "tasks"),
}
"""By canonical dotted name (`threadlint.knowledge.stdlib.canonical`)."""

MAKERS: dict[str, str] = {
    "multiprocessing.get_context": CONTEXT,
    "multiprocessing.Manager": MANAGER,
    "concurrent.interpreters.create": INTERPRETER,
    "concurrent.interpreters.get_current": INTERPRETER,
    "concurrent.interpreters.create_queue": "concurrent.interpreters.Queue",
    "asyncio.get_running_loop": "asyncio.AbstractEventLoop",
    "asyncio.get_event_loop": "asyncio.AbstractEventLoop",
    "asyncio.new_event_loop": "asyncio.AbstractEventLoop",
    "asyncio.create_task": "asyncio.Task",
    "asyncio.ensure_future": "asyncio.Future",
    "asyncio.TaskGroup.create_task": "asyncio.Task",
    "asyncio.AbstractEventLoop.create_task": "asyncio.Task",
    "asyncio.AbstractEventLoop.create_future": "asyncio.Future",
    "asyncio.AbstractEventLoop.run_in_executor": "asyncio.Future",
    "asyncio.wrap_future": "asyncio.Future",
    "asyncio.Runner.get_loop": "asyncio.AbstractEventLoop",
    "uvloop.new_event_loop": "asyncio.AbstractEventLoop",
    "asyncio.run_coroutine_threadsafe": "concurrent.futures.Future",
    "anyio.create_task_group": "anyio.abc.TaskGroup",
    "trio.open_nursery": "trio.Nursery",
    **{
        f"concurrent.futures.{pool}.submit": "concurrent.futures.Future"
        for pool in ("Executor", "ThreadPoolExecutor", "ProcessPoolExecutor", "InterpreterPoolExecutor")
    },
}
"""Functions that return a primitive of another name."""

CONTEXT_CARRIERS = frozenset(
    {
        "asyncio.to_thread", "anyio.to_thread.run_sync", "trio.to_thread.run_sync", "starlette.concurrency.run_in_threadpool",
        "asyncio.create_task", "asyncio.ensure_future",
    }
)  # fmt: skip
"""Calls that run a function elsewhere with a copy of the caller's `contextvars` context."""

INTO_LOOP = frozenset(
    {
        "asyncio.run_coroutine_threadsafe", "asyncio.AbstractEventLoop.call_soon_threadsafe", "anyio.from_thread.run", "anyio.from_thread.run_sync",
        "trio.from_thread.run", "trio.from_thread.run_sync",
    }
)  # fmt: skip
"""Calls that hand work to an event loop from another thread."""


def _aliases() -> dict[str, str]:
    """Other names of the same primitives: the modules that define them, and packages that hand them on."""
    found: dict[str, str] = {}
    own = [name for name in PRIMITIVES if name.count(".") == 1 and name.startswith("multiprocessing.")]
    for name in (*own, "multiprocessing.Manager", "multiprocessing.get_context"):
        last = name.rpartition(".")[2]
        found[f"{CONTEXT}.{last}"] = name
        found[f"torch.multiprocessing.{last}"] = name
    for name in ("Default", "Spawn", "Fork", "ForkServer"):
        found[f"multiprocessing.context.{name}Context"] = CONTEXT
        found[f"multiprocessing.context.{name}Process"] = "multiprocessing.Process"
    for name in (*_LOCKS, *_SIGNALS, "Condition"):
        found[f"multiprocessing.synchronize.{name}"] = f"multiprocessing.{name}"
        found[f"multiprocessing.dummy.{name}"] = f"threading.{name}"
        found[f"asyncio.locks.{name}"] = f"asyncio.{name}"
    for name in _QUEUES:
        found[f"asyncio.queues.{name}"] = f"asyncio.{name}"
    return found


ALIASES = {
    **_aliases(),
    "multiprocessing.context.Process": "multiprocessing.Process",
    "multiprocessing.process.BaseProcess": "multiprocessing.Process",
    "multiprocessing.queues.Queue": "multiprocessing.Queue",
    "multiprocessing.queues.JoinableQueue": "multiprocessing.JoinableQueue",
    "multiprocessing.queues.SimpleQueue": "multiprocessing.SimpleQueue",
    "multiprocessing.pool.Pool": "multiprocessing.Pool",
    "multiprocessing.sharedctypes.Value": "multiprocessing.Value",
    "multiprocessing.sharedctypes.Array": "multiprocessing.Array",
    "multiprocessing.sharedctypes.RawValue": "multiprocessing.RawValue",
    "multiprocessing.sharedctypes.RawArray": "multiprocessing.RawArray",
    "multiprocessing.sharedctypes.Synchronized": "multiprocessing.Value",
    "multiprocessing.sharedctypes.SynchronizedBase": "multiprocessing.Value",
    "multiprocessing.sharedctypes.SynchronizedArray": "multiprocessing.Array",
    "multiprocessing.sharedctypes.SynchronizedString": "multiprocessing.Array",
    "multiprocessing.managers.DictProxy": f"{MANAGER}.dict",
    "multiprocessing.managers.ListProxy": f"{MANAGER}.list",
    "multiprocessing.managers.ValueProxy": f"{MANAGER}.Value",
    "multiprocessing.managers.ArrayProxy": f"{MANAGER}.Array",
    "multiprocessing.managers.Namespace": f"{MANAGER}.Namespace",
    "multiprocessing.managers.NamespaceProxy": f"{MANAGER}.Namespace",
    "multiprocessing.dummy.Pool": "multiprocessing.pool.ThreadPool",
    "multiprocessing.dummy.Process": "threading.Thread",
    "multiprocessing.dummy.Queue": "queue.Queue",
    "multiprocessing.dummy.JoinableQueue": "queue.Queue",
    f"{MANAGER}.JoinableQueue": f"{MANAGER}.Queue",
    f"{CONTEXT}.get_context": "multiprocessing.get_context",
    "concurrent.interpreters._queues.Queue": "concurrent.interpreters.Queue",
    "concurrent.futures.interpreter.InterpreterPoolExecutor": "concurrent.futures.InterpreterPoolExecutor",
    "_threading_local.local": "threading.local",
    "_thread._local": "threading.local",
    "asyncio.events.AbstractEventLoop": "asyncio.AbstractEventLoop",
    "asyncio.BaseEventLoop": "asyncio.AbstractEventLoop",
    "asyncio.taskgroups.TaskGroup": "asyncio.TaskGroup",
    "asyncio.base_events.BaseEventLoop": "asyncio.AbstractEventLoop",
    "asyncio.events.get_running_loop": "asyncio.get_running_loop",
    "asyncio.events.get_event_loop": "asyncio.get_event_loop",
    "asyncio.tasks.create_task": "asyncio.create_task",
    "asyncio.tasks.ensure_future": "asyncio.ensure_future",
    "asyncio.tasks.gather": "asyncio.gather",
    "asyncio.tasks.Task": "asyncio.Task",
    "asyncio.futures.Future": "asyncio.Future",
    "asyncio.exceptions.CancelledError": "asyncio.CancelledError",
    "fastapi.concurrency.run_in_threadpool": "starlette.concurrency.run_in_threadpool",
}


def of_kind(*kinds: str) -> dict[str, Primitive]:
    """The primitives of these kinds."""
    return {name: primitive for name, primitive in PRIMITIVES.items() if primitive.kind in kinds}
