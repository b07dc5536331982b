"""Calls that block the thread which makes them: waits for other threads and processes, for the network, and for time to pass.

Sources: the library reference of CPython 3.14 (time, socket, subprocess, urllib, queue, threading, concurrent.futures, multiprocessing), the documentation of
requests and httpx ("Developer Interface"). `RUFF` lists what ruff's rules ASYNC210, 220, 221, 222, 250 and 251 say of calls that stand in a coroutine itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from threadlint.knowledge.primitives import of_kind

_VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "request")


@dataclass(frozen=True, slots=True)
class Block:
    """How a call blocks: what it waits for, and where it says that it does not: the position and name of a flag and of a time limit."""

    waits: str
    flag: str = ""
    flag_at: int = -1
    limit: str = ""
    limit_at: int = -1


_NETWORK = Block("for the network")
_PROCESS = Block("for a process to end")
_TIME = Block("for time to pass")
_THREAD = Block("for a thread to end", limit="timeout", limit_at=0)
_RESULT = Block("for a worker thread", limit="timeout", limit_at=0)
_ITEM = Block("for an item", flag="block", flag_at=0, limit="timeout", limit_at=1)
_SIGNAL = Block("for another thread", limit="timeout", limit_at=0)

RUFF: dict[str, Block] = {
    "time.sleep": _TIME,
    **{f"requests.{verb}": _NETWORK for verb in _VERBS},
    **{f"requests.{session}.{verb}": _NETWORK for session in ("Session", "session") for verb in _VERBS},
    **{f"requests.sessions.Session.{verb}": _NETWORK for verb in _VERBS},
    **{f"httpx.{verb}": _NETWORK for verb in _VERBS},
    "urllib.request.urlopen": _NETWORK,
    "urllib.request.urlretrieve": _NETWORK,
    **{f"subprocess.{name}": _PROCESS for name in ("run", "call", "check_call", "check_output", "getoutput")},
    "subprocess.getstatusoutput": _PROCESS,
    "os.system": _PROCESS,
    "os.wait": _PROCESS,
    "os.waitpid": Block("for a process to end", flag="options", flag_at=1),
    "builtins.input": Block("for the user"),
}
"""Blocking functions that ruff and flake8-async report where a coroutine calls them by name."""

WAITS: dict[str, Block] = {
    **{f"httpx.Client.{verb}": _NETWORK for verb in _VERBS},
    "socket.create_connection": _NETWORK,
    # with flags such as AI_NUMERICHOST it asks nobody
    "socket.getaddrinfo": Block("for the name server", limit="flags", limit_at=5),
    "socket.gethostbyname": Block("for the name server"),
    "smtplib.SMTP.sendmail": _NETWORK,
    "smtplib.SMTP.send_message": _NETWORK,
    "subprocess.Popen.wait": Block("for a process to end", limit="timeout", limit_at=0),
    "subprocess.Popen.communicate": Block("for a process to end", limit="timeout", limit_at=1),
    **{f"{queue}.get": _ITEM for queue, one in of_kind("queue").items() if one.world in ("threads", "processes")},
    **{
        f"{queue}.join": Block("for the consumers") for queue, one in of_kind("queue").items() if one.world == "threads"
    },
    **{f"{thread}.join": _THREAD for thread in ("threading.Thread", "threading.Timer", "multiprocessing.Process")},
    "concurrent.futures.Future.result": _RESULT,
    "concurrent.futures.Future.exception": _RESULT,
    "concurrent.futures.wait": Block("for worker threads", limit="timeout", limit_at=1),
    "threading.Event.wait": _SIGNAL,
    "multiprocessing.Event.wait": _SIGNAL,
    "threading.Barrier.wait": _SIGNAL,
    "threading.Condition.wait": _SIGNAL,
    "threading.Condition.wait_for": Block("for another thread", limit="timeout", limit_at=1),
    **{
        f"{executor}.shutdown": Block("for all submitted work", flag="wait", flag_at=0)
        for executor in of_kind("executor")
    },
}
"""Blocking calls that only types tell from others."""

ENDINGS = ("join", "shutdown", "result", "wait")
"""Methods that wait for threads to end, or for their last work: where everything ends anyway, that is what they are there for."""

ENDING_NAMES = (
    "close", "stop", "shut", "exit", "terminate", "tear", "clean", "finish", "disable", "dispose", "quit", "release", "unload", "disconnect", "kill", "__del__",
)  # fmt: skip
"""Parts of the names of functions that end something."""

LOOP_RUNNERS = frozenset({"asyncio.run", "asyncio.AbstractEventLoop.run_until_complete", "asyncio.AbstractEventLoop.run_forever", "asyncio.Runner.run"})  # fmt: skip
"""Calls that run an event loop until something ends; in a thread where a loop runs already they raise `RuntimeError`."""

LOOP_PROBES = frozenset(
    {
        "asyncio.get_running_loop", "asyncio._get_running_loop", "asyncio.events._get_running_loop", "asyncio.current_task",
        "asyncio.AbstractEventLoop.is_running", "sniffio.current_async_library", "inspect.iscoroutinefunction", "asyncio.iscoroutinefunction",
        "asyncio.iscoroutine", "inspect.isawaitable", "inspect.iscoroutine",
    }
)  # fmt: skip
"""Calls by which a plain function finds out whether it serves coroutines or threads."""
