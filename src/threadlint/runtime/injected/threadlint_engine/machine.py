"""What only the operating system knows: is a thread idle, does the parent live. Elsewhere than on Linux: do not know."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2), <linux/prctl.h>."""


def idle_mark(native_id: int | None) -> str:
    """A text that stays the same for as long as the thread sleeps in the kernel; empty when it runs or nobody knows.

    Source: proc_pid_status(5). Frames of a running thread are never read: on free-threaded builds that is unsafe.
    """
    if native_id is None or not sys.platform.startswith("linux"):
        return ""
    try:
        with open(f"/proc/self/task/{native_id}/status", encoding="ascii", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    state = next((line for line in lines if line.startswith("State:")), "")
    if "R (" in state:
        return ""
    return "/".join(line for line in lines if "ctxt_switches" in line)


def die_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it ends, also when that is killed."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(Exception):
        import ctypes  # not every build has it

        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def is_gone(process: int) -> bool:
    """Whether a process has ended; on Windows nobody asks, as asking would end it."""
    if os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def end_now() -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
