"""Methods that may only be called in the thread of the event loop that the object belongs to.

Sources: the library reference of CPython 3.14, "Concurrency and Multithreading" (asyncio-dev: "almost all asyncio objects are not thread safe"), "Event Loop Methods" (only
`call_soon_threadsafe` is), "Synchronization Primitives" and "Queues" ("not thread-safe"); AnyIO 4 "Working with threads" (`Event.set` through `from_thread.run_sync`); Trio
0.30, "Threads".
"""

from __future__ import annotations

from threadlint.knowledge.primitives import of_kind
from threadlint.knowledge.stdlib import LOOP_TYPES

LOOP_METHODS: dict[str, str] = {
    "call_soon": "call_soon_threadsafe",
    "call_later": "call_soon_threadsafe",
    "call_at": "call_soon_threadsafe",
    "create_task": "asyncio.run_coroutine_threadsafe",
    "stop": "call_soon_threadsafe",
    "add_reader": "call_soon_threadsafe",
    "remove_reader": "call_soon_threadsafe",
    "add_writer": "call_soon_threadsafe",
    "remove_writer": "call_soon_threadsafe",
}
"""Methods of a loop, and what to use instead from another thread."""

NEEDS_RUNNING_LOOP = frozenset({"asyncio.create_task", "asyncio.get_running_loop", "asyncio.current_task"})
"""Functions that raise `RuntimeError: no running event loop` where this thread runs no loop."""

OWN_LOOP = frozenset(
    {
        "asyncio.run", "asyncio.new_event_loop", "asyncio.set_event_loop", "asyncio.Runner", "anyio.run", "trio.run", "uvloop.run", "uvloop.new_event_loop",
        "tornado.ioloop.IOLoop", "tornado.ioloop.IOLoop.start", "tornado.ioloop.IOLoop.run_sync", "uvicorn.run", "uvicorn.Server", "uvicorn.Server.run",
        "uvicorn.Server.__init__", "aiohttp.web.run_app", "nest_asyncio.apply",
        *(f"{loop}.{method}" for loop in LOOP_TYPES for method in ("run_until_complete", "run_forever")),
    }
)  # fmt: skip
"""Calls by which a thread makes a loop its own."""

ASKING = frozenset({"get_ident", "current_thread", "get_native_id", "is_running", "_get_running_loop"})
"""Functions and methods by which code asks in which thread, or under which loop, it runs."""

TRIED = frozenset({"get_running_loop", "current_task", "get_event_loop"})
"""The same, where a `try` is around them."""

RUNNING = frozenset({"run_forever", "run_until_complete"})

_BY_KIND: dict[str, frozenset[str]] = {
    "event": frozenset({"set"}),
    "queue": frozenset({"put_nowait", "get_nowait", "task_done", "shutdown"}),
    "lock": frozenset({"release"}),
    "semaphore": frozenset({"release"}),
    "condition": frozenset({"release", "notify", "notify_all"}),
    "future": frozenset({"set_result", "set_exception", "cancel", "add_done_callback"}),
    "task": frozenset({"cancel", "add_done_callback"}),
    "group": frozenset({"create_task", "start_soon"}),
}

PRIMITIVE_METHODS: dict[str, frozenset[str]] = {
    **{name: _BY_KIND[one.kind] for name, one in of_kind(*_BY_KIND).items() if one.world == "tasks"},
    "asyncio.StreamWriter": frozenset({"write", "writelines", "close"}),
    "asyncio.Transport": frozenset({"write", "writelines", "close"}),
    "asyncio.WriteTransport": frozenset({"write", "writelines", "close"}),
}
"""By type: the methods that wake a task, or change what one waits for. Asking (`qsize()`, `is_set()`, `done()`) is harmless."""
