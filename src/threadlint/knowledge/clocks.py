"""Clocks, and the waits that do not take a negative number of seconds.

Source: the library reference, and runs of CPython 3.10 to 3.14: `time.sleep`, `Lock.acquire`, `Queue.get` and `put`, `select.select` and `settimeout` raise ValueError;
`Event.wait`, `Condition.wait`, `Semaphore.acquire`, `join` and `asyncio.sleep` come back at once.
"""

from __future__ import annotations

from threadlint.knowledge.stdlib import QUEUES

WALL_CLOCKS = frozenset({"time.time", "time.time_ns"})
"""Clocks that are set: by hand, by NTP, for summer time on some systems."""

CLOCKS = WALL_CLOCKS | {"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"}

NEGATIVE_RAISES: dict[str, tuple[int, str]] = {
    "time.sleep": (0, ""),
    "threading.Lock.acquire": (1, "timeout"),
    "threading.RLock.acquire": (1, "timeout"),
    **{f"{queue}.get": (1, "timeout") for queue, world in QUEUES.items() if world == "threads"},
    **{
        f"{queue}.put": (2, "timeout")
        for queue, world in QUEUES.items()
        if world == "threads" and not queue.endswith("SimpleQueue")
    },
    "select.select": (3, ""),
    "socket.socket.settimeout": (0, ""),
}
"""By dotted name: the position and the keyword of the seconds to wait."""
