"""What belongs to the whole process, and the calls and assignments that change it.

Source: the library reference of CPython 3.14: `os.chdir`, `os.umask`, `os.environ`, `contextlib` ("not suitable for use in library code and most threaded
applications"), `locale.setlocale` ("not thread safe"), `signal.signal` (main thread only), `warnings.catch_warnings` ("not thread-safe"),
`socket.setdefaulttimeout`, `gc`, `random`, `unittest.mock`.
"""

from __future__ import annotations

CALLS: dict[str, str] = {
    "os.chdir": "the working directory",
    "os.fchdir": "the working directory",
    "contextlib.chdir": "the working directory",
    "os.umask": "the file mode creation mask",
    "os.putenv": "environment variables",
    "os.unsetenv": "environment variables",
    "os.reload_environ": "environment variables",  # from 3.14 on
    "os.environ.update": "environment variables",
    "os.environ.pop": "environment variables",
    "os.environ.clear": "environment variables",
    "contextlib.redirect_stdout": "`sys.stdout`",
    "contextlib.redirect_stderr": "`sys.stderr`",
    "locale.setlocale": "the locale",
    "socket.setdefaulttimeout": "the default timeout of sockets",
    "warnings.catch_warnings": "the warning filters",
    "random.seed": "the state of `random`",
    "numpy.random.seed": "the state of `numpy.random`",
    "gc.disable": "garbage collection",
    "gc.freeze": "garbage collection",
    "unittest.mock.patch": "what it patches",
    "unittest.mock.patch.object": "what it patches",
    "unittest.mock.patch.dict": "what it patches",
    "unittest.mock.patch.multiple": "what it patches",
}
"""By dotted name of the call: what it changes for the whole process."""

MAIN_THREAD_ONLY = frozenset({"signal.signal", "signal.set_wakeup_fd"})
"""Calls that raise `ValueError` in every thread but the main one."""

VARIABLES: dict[str, str] = {
    "os.environ": "environment variables",
    "sys.stdout": "`sys.stdout`",
    "sys.stderr": "`sys.stderr`",
    "sys.stdin": "`sys.stdin`",
    "sys.argv": "`sys.argv`",
    "sys.path": "`sys.path`",
    "decimal.DefaultContext": "the default decimal context",
    "tempfile.tempdir": "the folder for temporary files",
}
"""By dotted name: variables of the library whose assignment, or the assignment of one of their elements, changes it for the whole process."""

SETTINGS = frozenset(
    {
        "environment variables",
        "`sys.argv`",
        "`sys.path`",
        "the state of `random`",
        "the state of `numpy.random`",
        "garbage collection",
    }
)
"""What a program may well set in one thread that does it for all; it goes wrong where several threads set it."""

CONTEXT_AWARE_WARNINGS = (3, 14)
"""From this version on, free-threaded builds keep the warning filters of `catch_warnings` in a context variable (`sys.flags.context_aware_warnings`)."""
