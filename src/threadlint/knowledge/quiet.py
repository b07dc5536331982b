"""Calls that are not expected to raise: printing, logging, asking, and the methods of containers and primitives that only store.

Strictly nearly every call can raise (`MemoryError`, `KeyboardInterrupt`); these are the ones for which nobody writes a `try`.
"""

from __future__ import annotations

QUIET = frozenset(
    {
        # asking
        "bool", "callable", "enumerate", "getattr", "hasattr", "id", "isinstance", "issubclass", "len", "max", "min", "range", "repr", "str", "type", "zip", "get",
        "is_set", "locked", "empty", "full", "qsize", "is_alive", "done", "cancelled", "time", "monotonic", "perf_counter", "get_ident",
        "current_thread", "currentThread", "startswith", "endswith", "_is_owned", "ident",
        # making
        "dict", "list", "set", "tuple", "frozenset", "object", "Event", "Lock", "RLock", "Condition", "Thread", "deque", "defaultdict",
        "OrderedDict", "copy", "create_task", "ensure_future", "items", "keys", "values", "setdefault",
        # storing
        "append", "appendleft", "add", "discard", "clear", "extend", "update",
        # primitives
        "release", "notify", "notify_all", "notifyAll", "task_done", "acquire", "put", "cancel", "sleep", "suppress",
        # telling
        "print", "debug", "info", "warning", "warn", "error", "exception", "critical", "log", "write", "flush",
    }
)  # fmt: skip
"""Last names of the callables."""
