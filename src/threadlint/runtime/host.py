"""What starting and ending a child needs of the operating system: sessions, limits, and the sweep afterwards.

Linux has all of it. Elsewhere the child gets a session (POSIX) or a process group (Windows), and what escaped
those is not found again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FILE_LIMIT = 1 << 30
"""Bytes that one file written by a tried program may have."""


def group_options() -> dict[str, Any]:
    """Keywords for Popen that give the child a group of its own."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def limit(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Set limits on the child: no core files, no endless files, and processor time for the case that we are stopped."""
    if not sys.platform.startswith("linux"):
        return
    import resource  # noqa: PLC0415  # POSIX only

    cores = os.cpu_count() or 1
    wanted = (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, FILE_LIMIT),
        (resource.RLIMIT_CPU, int(timeout * cores) + 30),
    )
    for what, value in wanted:
        with contextlib.suppress(OSError, ValueError):
            _, most = resource.prlimit(process.pid, what)
            allowed = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.prlimit(process.pid, what, (allowed, allowed))


def end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill the child, its group, and every process that carries the mark in its environment; wait for the child."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    # A process may start another one while we look, so look until a look finds nothing.
    for _ in range(50):
        found = marked(mark)
        if not found:
            return
        for number in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.01)


def marked(mark: str) -> list[int]:
    """Processes whose environment holds the mark. Source: proc_pid_environ(5)."""
    if not sys.platform.startswith("linux"):
        return []
    found = []
    wanted = mark.encode()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in Path(entry.path, "environ").read_bytes() and not is_zombie(int(entry.name)):
                    found.append(int(entry.name))
    return found


def is_zombie(number: int) -> bool:
    """Whether a process has ended and only waits to be asked about it."""
    try:
        return (
            Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
            in "ZX"
        )
    except (OSError, IndexError):
        return True
