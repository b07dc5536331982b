"""Functions that only ask the kernel for something, so that a forked child can call them whatever other threads held.

Source: the manual of fork(2) and signal-safety(7), and `subprocess` in the library reference of 3.14, which names the arguments that take
the place of `preexec_fn` ("start_new_session", "process_group", since 3.11).
"""

from __future__ import annotations

_OS = (
    "chdir close dup dup2 getegid geteuid getgid getpgid getpgrp getpid getppid getsid getuid nice sched_setaffinity setegid seteuid setgid "
    "setgroups setpgid setpgrp setpriority setregid setresgid setresuid setreuid setsid setuid tcsetpgrp umask"
)
KERNEL_CALLS = frozenset(
    {
        *(f"os.{name}" for name in _OS.split()),
        "resource.getrlimit",
        "resource.setrlimit",
        "signal.pthread_sigmask",
        "signal.set_wakeup_fd",
        "signal.signal",
    }
)
"""By dotted name."""

ARGUMENTS = {"os.setsid": "`start_new_session=True`", "os.setpgrp": "`process_group=0` (Python 3.11)"}
"""What `Popen` takes instead of the function."""
