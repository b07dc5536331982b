"""How programs that run many things in turns name them, and what they do with them.

Source: the methods of generators and coroutines, `threading.Thread`, `multiprocessing.Process`, `subprocess.Popen`, `concurrent.futures.Future` and
`asyncio.Task` in the library reference, and the usual names of a turn in hand-written schedulers.
"""

from __future__ import annotations

TASK_METHODS = frozenset(
    {
        "send", "throw", "step", "tick", "poll", "resume", "run_once", "advance", "is_alive", "isAlive", "done", "cancelled", "join", "result", "exception",
        "cancel", "terminate", "kill", "wait", "ready", "successful", "running", "is_running", "is_done", "is_finished", "finished",
    }
)  # fmt: skip
"""Methods of things that run, or wait to be run."""

TASK_NAMES = frozenset(
    {
        "task",
        "thread",
        "worker",
        "future",
        "process",
        "processe",
        "proc",
        "coroutine",
        "coro",
        "generator",
        "fiber",
        "greenlet",
        "job",
    }
)
"""What such things are called; a name with an `s` at its end is a container of them."""
